//! The gateway's own settings.

use std::path::PathBuf;

use arena_env::{Reader, names};

use crate::logic::admission::Bounds;
use crate::logic::bucket::Rate;
use crate::tls::TlsFiles;

/// REST requests one address may make at once: a page's start takes four.
const REQUESTS_BURST: u32 = 400;
/// Sessions one address may open each second: a school, or a carrier's NAT, comes back at once.
const HELLOS_PER_IP: Rate = Rate { per_s: 100, burst: 400 };
/// Sessions all addresses may open each second: resuming costs a read of the store and an attach.
const HELLOS: Rate = Rate { per_s: 500, burst: 1_000 };

/// What the environment says beyond what every instance is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Certificate and key of the public port; without them it speaks plain HTTP.
    pub tls: Option<TlsFiles>,
    /// Bounds on connections and requests.
    pub bounds: Bounds,
}

impl Settings {
    /// Reads them; mistakes stay in `reader`.
    pub fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let cert = reader.optional::<PathBuf>(&names::GATEWAY_TLS_CERT);
        let key = reader.optional::<PathBuf>(&names::GATEWAY_TLS_KEY);
        let connections = reader.read::<u32>(&names::GATEWAY_CONNECTIONS);
        let connections_per_ip = reader.read::<u32>(&names::GATEWAY_CONNECTIONS_PER_IP);
        let requests_per_s = reader.read::<u32>(&names::GATEWAY_REQUESTS_PER_S);
        let tls = match (cert?, key?) {
            (Some(cert), Some(key)) => Some(TlsFiles { cert, key }),
            (None, None) => None,
            (cert, _) => {
                let missing =
                    if cert.is_some() { &names::GATEWAY_TLS_KEY } else { &names::GATEWAY_TLS_CERT };
                let rule = "set together with the other of certificate and key".to_owned();
                reader.refuse(missing, None, rule);
                return None;
            }
        };
        let bounds = Bounds {
            connections: connections?,
            connections_per_ip: connections_per_ip?,
            requests: Rate { per_s: requests_per_s?, burst: REQUESTS_BURST },
            hellos: HELLOS_PER_IP,
            hellos_all: HELLOS,
        };
        Some(Self { tls, bounds })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(source: &dyn arena_env::Source) -> Result<Settings, arena_env::EnvError> {
        let mut reader = Reader::new(source);
        let settings = Settings::read(&mut reader);
        reader.finish(|| settings)
    }

    #[test]
    fn without_anything_set_it_speaks_plain_http_within_bounds() {
        let settings = read(&[]).unwrap();
        assert_eq!(settings.tls, None);
        assert!(settings.bounds.connections_per_ip <= settings.bounds.connections);
    }

    #[test]
    fn a_certificate_needs_its_key() {
        let error = read(&[("ARENA_GATEWAY_TLS_CERT", "/tls/cert.pem")]).unwrap_err();
        assert_eq!(error.mistakes[0].name, "ARENA_GATEWAY_TLS_KEY");
        let pair = [
            ("ARENA_GATEWAY_TLS_CERT", "/tls/cert.pem"),
            ("ARENA_GATEWAY_TLS_KEY", "/tls/key.pem"),
        ];
        assert!(read(&pair).unwrap().tls.is_some());
    }
}
