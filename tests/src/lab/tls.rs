//! Certificates for the engines' TCP sockets: an authority of the lab's own, a server a node, a client.

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};

use super::node::Node;
use super::slot::Slot;

/// Port of engines that ask for a client's certificate.
pub(super) const TLS_PORT: u16 = 2376;

/// Makes the certificates of the lab: `ca.pem`, `cert.pem` and `key.pem` in a folder for each node and
/// one for clients, which is what `DOCKER_CERT_PATH` wants.
pub(crate) fn make(slot: &Slot, nodes: &[Node]) -> anyhow::Result<()> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(Vec::<String>::new())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let ca = params.self_signed(&key)?.pem();
    let issuer = Issuer::new(params, key);
    for node in nodes {
        let names = [slot.address(node.number()), Ipv4Addr::LOCALHOST];
        let names = names.iter().map(ToString::to_string).collect();
        let usage = ExtendedKeyUsagePurpose::ServerAuth;
        write(&slot.node_certificates(node.number()), &ca, &issuer, names, usage)?;
    }
    let names = vec!["client".to_owned()];
    write(&slot.client_certificates(), &ca, &issuer, names, ExtendedKeyUsagePurpose::ClientAuth)
}

fn write(
    folder: &Path,
    ca: &str,
    issuer: &Issuer<'_, KeyPair>,
    names: Vec<String>,
    usage: ExtendedKeyUsagePurpose,
) -> anyhow::Result<()> {
    fs::create_dir_all(folder)?;
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(names)?;
    params.extended_key_usages = vec![usage];
    fs::write(folder.join("ca.pem"), ca)?;
    fs::write(folder.join("cert.pem"), params.signed_by(&key, issuer)?.pem())?;
    fs::write(folder.join("key.pem"), key.serialize_pem())?;
    Ok(())
}
