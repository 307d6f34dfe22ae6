//! Peers that break the rules: quinn by hand, without this crate's guards.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use arena_mesh::{
    ConnectError, Identity, SpiffeId, StreamError,
    testing::{
        TEST_CLUSTER,
        echo::{Echo, EchoClient},
        loopback, mesh_of,
    },
};
use arena_wire::frame::{self, Kind};
use bytes::BytesMut;
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use rustls::{
    ClientConfig, DigitallySignedStruct, Error, ServerConfig, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject as _},
};
use tonic::Code;

use super::{Audit, message, soon, start};

const ALPN: &[u8] = b"arena-mesh/1";

/// Believes every server.
#[derive(Debug)]
struct Gullible;

impl ServerCertVerifier for Gullible {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        rustls::crypto::ring::default_provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}

fn chain(identity: &Identity) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
    let material = identity.current();
    let chain = CertificateDer::pem_slice_iter(material.cert_pem().as_bytes());
    let key = PrivateKeyDer::from_pem_slice(material.key_pem().as_bytes()).unwrap();
    (chain.map(Result::unwrap).collect(), key)
}

/// Connects with the identity's certificate, or with none.
async fn connect(
    addr: SocketAddr,
    identity: Option<&Identity>,
) -> Result<quinn::Connection, quinn::ConnectionError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Gullible));
    let mut tls = match identity {
        Some(identity) => {
            let (chain, key) = chain(identity);
            tls.with_client_auth_cert(chain, key).unwrap()
        }
        None => tls.with_no_client_auth(),
    };
    tls.alpn_protocols = vec![ALPN.to_vec()];
    let tls = Arc::new(QuicClientConfig::try_from(tls).unwrap());
    let endpoint = quinn::Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
    endpoint.connect_with(quinn::ClientConfig::new(tls), addr, "raw").unwrap().await
}

/// Serves `echo/1` on every stream with these bytes and a finish, whatever is asked.
fn answer_with(identity: &Identity, bytes: Vec<u8>) -> SocketAddr {
    let (chain, key) = chain(identity);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut tls = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    tls.alpn_protocols = vec![ALPN.to_vec()];
    let tls = Arc::new(QuicServerConfig::try_from(tls).unwrap());
    let config = quinn::ServerConfig::with_crypto(tls);
    let (socket, addr) = loopback();
    let runtime = Arc::new(quinn::TokioRuntime);
    let endpoint =
        quinn::Endpoint::new(quinn::EndpointConfig::default(), Some(config), socket, runtime)
            .unwrap();
    tokio::spawn(async move {
        while let Some(incoming) = endpoint.accept().await {
            let connection = incoming.await.unwrap();
            while let Ok((mut send, mut receive)) = connection.accept_bi().await {
                receive.read_to_end(usize::MAX).await.unwrap();
                send.write_all(&bytes).await.unwrap();
                send.finish().unwrap();
            }
        }
    });
    addr
}

fn head(path: &str, fields: &[(&str, &str)]) -> BytesMut {
    let mut out = BytesMut::new();
    let fields = fields.iter().map(|(name, value)| (*name, value.as_bytes()));
    frame::put_head(&mut out, Kind::Head, path, fields).unwrap();
    out
}

#[tokio::test]
async fn a_caller_without_a_certificate_is_refused_and_audited() {
    let (audit, _guard) = Audit::listen();
    let mesh = mesh_of(0);
    let (_serving, addr) = start(mesh.server("echo", "1"), &Echo::default());
    let error = match soon(connect(addr, None)).await {
        Ok(connection) => soon(connection.closed()).await,
        Err(error) => error,
    };
    let quinn::ConnectionError::ConnectionClosed(close) = &error else { panic!("{error}") };
    assert_eq!(u64::from(close.error_code), 0x100 + 116, "certificate_required: {error}");
    soon(async {
        while audit.lines().is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(audit.lines()[0].contains("handshake refused"), "{:?}", audit.lines());
}

#[tokio::test]
async fn the_server_keeps_the_deadline_of_a_caller_that_does_not() {
    let (mesh, echo) = (mesh_of(0), Echo::default());
    let (_serving, addr) = start(mesh.server("echo", "1"), &echo);
    let connection = soon(connect(addr, Some(&mesh.identity("caller", "1")))).await.unwrap();
    let (mut send, mut receive) = soon(connection.open_bi()).await.unwrap();
    let mut out = head("/arena.echo.v1.Echo/Inspect", &[("grpc-timeout", "50m")]);
    frame::put_frame(&mut out, Kind::Data, &[0, 0, 0, 0, 3, 8, 0xe0, 0x5d]).unwrap(); // ms: 12000
    frame::put_head(&mut out, Kind::Trailers, "", std::iter::empty()).unwrap();
    send.write_all(&out).await.unwrap();
    send.finish().unwrap();
    let answer = soon(receive.read_to_end(1024)).await.unwrap();
    let text = String::from_utf8_lossy(&answer);
    assert!(text.contains("the%20deadline%20passed%20in%20the%20handler"), "{text}");
    soon(echo.counters().dropped()).await;
}

#[tokio::test]
async fn a_request_cut_short_is_an_error_for_the_handler() {
    let (mesh, echo) = (mesh_of(0), Echo::default());
    let (_serving, addr) = start(mesh.server("echo", "1"), &echo);
    let connection = soon(connect(addr, Some(&mesh.identity("caller", "1")))).await.unwrap();
    let whole_data_no_trailers = [0, 0, 0, 0, 2, 10, 0];
    for cut in [3, whole_data_no_trailers.len()] {
        let (mut send, mut receive) = soon(connection.open_bi()).await.unwrap();
        let mut out = head("/arena.echo.v1.Echo/Collect", &[]);
        frame::put_header(&mut out, Kind::Data, whole_data_no_trailers.len()).unwrap();
        out.extend_from_slice(&whole_data_no_trailers[..cut]);
        send.write_all(&out).await.unwrap();
        send.finish().unwrap();
        let answer = soon(receive.read_to_end(1024)).await.unwrap();
        assert!(!answer.is_empty() && !answer.windows(2).any(|pair| pair == [8, 1]), "{answer:?}");
        assert!(String::from_utf8_lossy(&answer).contains("14"), "unavailable: {answer:?}");
    }
}

#[tokio::test]
async fn garbage_ends_its_stream_and_nothing_else() {
    let (mesh, echo) = (mesh_of(0), Echo::default());
    let (_serving, addr) = start(mesh.server("echo", "1"), &echo);
    let connection = soon(connect(addr, Some(&mesh.identity("caller", "1")))).await.unwrap();
    let oversized_head = [&[2][..], &u32::MAX.to_be_bytes()].concat();
    for garbage in
        [vec![], vec![9; 64], oversized_head, vec![0, 0, 0, 0, 1, 7], vec![2, 0, 0, 0, 1, 0]]
    {
        let (mut send, mut receive) = soon(connection.open_bi()).await.unwrap();
        send.write_all(&garbage).await.unwrap();
        send.finish().unwrap();
        let error = soon(receive.read_to_end(1024)).await.unwrap_err();
        assert!(
            matches!(error, quinn::ReadToEndError::Read(quinn::ReadError::Reset(_))),
            "{error}"
        );
    }
    assert!(connection.close_reason().is_none());
    assert_eq!(echo.counters().calls(), 0);
}

#[tokio::test]
async fn an_answer_cut_short_is_an_error() {
    let mesh = mesh_of(0);
    let identity = mesh.identity("echo", "1");
    let mut no_trailers = head("", &[]);
    frame::put_frame(&mut no_trailers, Kind::Data, &[0, 0, 0, 0, 2, 10, 0]).unwrap();
    let inside_frame = no_trailers[..no_trailers.len() - 3].to_vec();
    for bytes in [no_trailers.to_vec(), inside_frame, Vec::new()] {
        let addr = answer_with(&identity, bytes);
        let mut client = super::client(mesh.channel("caller", "echo"), "1", addr);
        let status = soon(client.unary(message(1))).await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable, "{status}");
        let cause = std::error::Error::source(&status).unwrap();
        let cause = cause.downcast_ref::<StreamError>();
        assert!(
            matches!(cause, Some(StreamError::CutOff | StreamError::Frame { .. })),
            "{cause:?}"
        );
    }
}

#[tokio::test]
async fn an_address_where_nobody_answers_is_unreachable() {
    let mesh = mesh_of(0);
    let (_silent, addr) = loopback();
    let channel = mesh.channel("caller", "echo").default_deadline(Duration::from_secs(3));
    let mut client: EchoClient<_> = super::client(channel, "1", addr);
    let status = soon(client.unary(message(1))).await.unwrap_err();
    let cause = ConnectError::of(&status);
    assert!(matches!(cause, Some(ConnectError::Unreachable { .. })), "{status} {cause:?}");
}

#[tokio::test]
async fn a_peer_is_told_to_go_when_its_certificate_ends() {
    let mesh = mesh_of(0);
    let (_serving, addr) = start(mesh.server("echo", "1"), &Echo::default());
    let id = SpiffeId::new(TEST_CLUSTER, "caller", "1").unwrap();
    let short = Identity::new(mesh.ca().issue(&id, Duration::from_secs(3)).unwrap());
    let connection = soon(connect(addr, Some(&short))).await.unwrap();

    let mut control = soon(connection.accept_uni()).await.unwrap();
    let told = soon(control.read_to_end(64)).await.unwrap();

    let mut goaway = BytesMut::new();
    frame::put_frame(&mut goaway, Kind::GoAway, &[]).unwrap();
    assert_eq!(told, goaway);
    assert!(connection.close_reason().is_none(), "calls in flight may end");
}
