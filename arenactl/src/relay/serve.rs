//! The relay itself: reads a call, makes it, writes the answer, until its standard input ends.

use std::error::Error;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use arena_mesh::{Ca, Channel, Endpoint, Identity, SpiffeId};
use arena_types::ServiceName;
use arenactl_planning::observed::Weights;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::future::join_all;
use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader,
};

use super::protocol::{LINE_LEN_MAX, UNKNOWN_CALL};
use super::{AUTHORITY_CERT, AUTHORITY_KEY, Call, Method, Reply, channel};
use crate::error::causes;
use crate::registry_client::write_traffic;
use crate::sample::{self, Channels};
use crate::secrets;
use crate::side_port::{self, SidePortError};
use crate::supervisor::operator_uri;

/// The relay's own certificate is made for one command.
const OWN_LIFE: Duration = Duration::from_hours(1);

type Failure = Box<dyn Error + Send + Sync>;

/// Serves calls from `input` to `output` with the secrets in `folder`.
///
/// # Errors
/// Plain I/O.
pub(crate) async fn serve(
    input: impl AsyncRead + Unpin,
    mut output: impl AsyncWrite + Unpin,
    folder: &Path,
) -> std::io::Result<()> {
    let mut input = BufReader::new(input);
    let mut channels = None;
    loop {
        let mut line = Vec::new();
        let length = (&mut input).take(LINE_LEN_MAX as u64).read_until(b'\n', &mut line).await?;
        if length == 0 {
            return Ok(());
        }
        let reply = match serde_json::from_slice(&line) {
            Ok(call) => answer(call, folder, &mut channels).await,
            Err(error) => Reply::Failed { why: format!("{UNKNOWN_CALL}: {error}") },
        };
        let mut text = serde_json::to_vec(&reply).expect("our own types serialise to JSON");
        text.push(b'\n');
        output.write_all(&text).await?;
        output.flush().await?;
    }
}

async fn answer(call: Call, folder: &Path, channels: &mut Option<Channels>) -> Reply {
    let done = match call {
        Call::Probe { targets } => {
            let probes = targets.iter().map(|target| side_port::probe(target.address));
            Ok(Reply::Probes { probes: join_all(probes).await })
        }
        Call::Sample { cluster, asked } => {
            match Channels::fresh(channels, || own(&cluster, folder)) {
                Ok(channels) => {
                    Ok(Reply::Samples { samples: sample::take(&asked, Some(channels)).await })
                }
                Err(error) => Err(error),
            }
        }
        Call::Drain { target, token, request } => match secrets::read(folder, &token) {
            Ok(token) => steered(side_port::drain(target.address, &token, request).await),
            Err(error) => Err(error.into()),
        },
        Call::Undrain { target, token } => match secrets::read(folder, &token) {
            Ok(token) => steered(side_port::undrain(target.address, &token).await),
            Err(error) => Err(error.into()),
        },
        Call::Issue { cluster, uri, life_s } => {
            issue(&cluster, &uri, Duration::from_secs(life_s), folder)
        }
        Call::Traffic { cluster, store, service, weights } => {
            traffic(&cluster, store, &service, &weights, folder).await
        }
        Call::Unary(method) => unary(&method, folder).await,
        Call::Gather(method) => gather(&method, folder).await,
    };
    done.unwrap_or_else(|error| Reply::Failed { why: causes(error.as_ref()) })
}

/// An instance that does not answer may be gone; one that refuses is a mistake.
fn steered(done: Result<(), SidePortError>) -> Result<Reply, Failure> {
    match done {
        Ok(()) => Ok(Reply::Done),
        Err(error @ SidePortError::Unreachable { .. }) => {
            Ok(Reply::Unreachable { why: error.to_string() })
        }
        Err(error) => Err(error.into()),
    }
}

fn authority(cluster: &str, folder: &Path) -> Result<Ca, Failure> {
    let cert = secrets::read(folder, AUTHORITY_CERT)?;
    let key = secrets::read(folder, AUTHORITY_KEY)?;
    Ok(Ca::from_pem(cluster, &cert, &key)?)
}

fn own(cluster: &str, folder: &Path) -> Result<Identity, Failure> {
    let id: SpiffeId = operator_uri(cluster).parse()?;
    Ok(Identity::new(authority(cluster, folder)?.issue(&id, OWN_LIFE)?))
}

fn issue(cluster: &str, uri: &str, life: Duration, folder: &Path) -> Result<Reply, Failure> {
    let material = authority(cluster, folder)?.issue(&uri.parse()?, life)?;
    Ok(Reply::Material {
        cert: material.cert_pem().to_owned(),
        key: material.key_pem().to_owned(),
        roots: material.roots_pem().to_owned(),
    })
}

async fn traffic(
    cluster: &str,
    store: SocketAddr,
    service: &ServiceName,
    weights: &Weights,
    folder: &Path,
) -> Result<Reply, Failure> {
    write_traffic(own(cluster, folder)?, store, service, weights).await?;
    Ok(Reply::Done)
}

async fn unary(method: &Method, folder: &Path) -> Result<Reply, Failure> {
    let (channel, message) = (pinned(method, folder)?, STANDARD.decode(&method.body)?);
    Ok(match channel::call(channel, &method.path, message.into()).await {
        Ok(message) => {
            Reply::Message { body: Some(STANDARD.encode(message)), code: 0, why: String::new() }
        }
        Err(status) => Reply::Message {
            body: None,
            code: status.code() as i32,
            why: status.message().to_owned(),
        },
    })
}

async fn gather(method: &Method, folder: &Path) -> Result<Reply, Failure> {
    let (channel, message) = (pinned(method, folder)?, STANDARD.decode(&method.body)?);
    let (messages, end) = channel::gather(channel, &method.path, message.into()).await;
    let bodies = messages.iter().map(|message| STANDARD.encode(message)).collect();
    Ok(Reply::Messages { bodies, code: end.code() as i32, why: end.message().to_owned() })
}

fn pinned(method: &Method, folder: &Path) -> Result<Channel, Failure> {
    Ok(Channel::builder(own(&method.cluster, folder)?)
        .service(&method.service)
        .default_deadline(Duration::from_millis(method.timeout_ms))
        .pinned(Endpoint::new(&method.target.instance, method.target.address)))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn ask(lines: &str, folder: &Path) -> Vec<Reply> {
        let mut output = Vec::new();
        serve(lines.as_bytes(), &mut output, folder).await.unwrap();
        let lines = output.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.map(|line| serde_json::from_slice(line).unwrap()).collect()
    }

    #[tokio::test]
    async fn a_certificate_is_issued_with_a_key_that_stays() {
        let folder = tempfile::tempdir().unwrap();
        let ca = Ca::create("demo").unwrap();
        std::fs::write(folder.path().join(AUTHORITY_KEY), ca.key_pem()).unwrap();
        std::fs::write(folder.path().join(AUTHORITY_CERT), ca.cert_pem()).unwrap();
        let call = Call::Issue {
            cluster: "demo".to_owned(),
            uri: "spiffe://demo/game/game-r1-0".to_owned(),
            life_s: 3_600,
        };
        let replies = ask(&serde_json::to_string(&call).unwrap(), folder.path()).await;
        let [Reply::Material { cert, key, roots }] = replies.as_slice() else {
            panic!("{replies:?}")
        };
        let material = arena_mesh::Material::from_pem(cert, key, roots).unwrap();
        assert_eq!(material.id().as_str(), "spiffe://demo/game/game-r1-0");
        assert_eq!(roots.trim_end(), ca.cert_pem().trim_end());
    }

    #[tokio::test]
    async fn a_sample_of_whom_nobody_answers_for_says_so_and_one_without_a_key_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let line = r#"{"call":"sample","cluster":"demo","asked":[{"service":"game","target":{"instance":"game-r1-0","address":"127.0.0.1:1"},"mesh":"127.0.0.1:1"}]}"#;
        let replies = ask(line, folder.path()).await;
        assert!(matches!(replies.as_slice(), [Reply::Failed { .. }]), "{replies:?}");
        let ca = Ca::create("demo").unwrap();
        std::fs::write(folder.path().join(AUTHORITY_KEY), ca.key_pem()).unwrap();
        std::fs::write(folder.path().join(AUTHORITY_CERT), ca.cert_pem()).unwrap();
        let replies = ask(line, folder.path()).await;
        let [Reply::Samples { samples }] = replies.as_slice() else { panic!("{replies:?}") };
        assert!(samples[0].probe.report.is_err() && samples[0].matches.is_none(), "{samples:?}");
    }

    #[tokio::test]
    async fn a_call_that_gathers_ends_with_its_status_within_its_time() {
        let folder = tempfile::tempdir().unwrap();
        let ca = Ca::create("demo").unwrap();
        std::fs::write(folder.path().join(AUTHORITY_KEY), ca.key_pem()).unwrap();
        std::fs::write(folder.path().join(AUTHORITY_CERT), ca.cert_pem()).unwrap();
        let line = r#"{"call":"gather","cluster":"demo","service":"game","target":{"instance":"game-r1-0","address":"127.0.0.1:1"},"path":"/arena.game.v1.Game/List","body":"","timeout_ms":200}"#;
        let replies = ask(line, folder.path()).await;
        let [Reply::Messages { bodies, code, why }] = replies.as_slice() else {
            panic!("{replies:?}")
        };
        let codes = [tonic::Code::Unavailable, tonic::Code::DeadlineExceeded];
        assert!(bodies.is_empty() && codes.contains(&(*code).into()), "{code} {why}");
    }

    #[tokio::test]
    async fn what_cannot_be_done_is_told_and_the_next_call_is_answered() {
        let folder = tempfile::tempdir().unwrap();
        let lines = "{\"call\":\"dance\"}\n{\"call\":\"issue\",\"cluster\":\"demo\",\"uri\":\"spiffe://demo/a/b\",\"life_s\":9}\n{\"call\":\"probe\",\"targets\":[{\"instance\":\"a-r1-0\",\"address\":\"127.0.0.1:1\"}]}\n";
        let replies = ask(lines, folder.path()).await;
        let [
            Reply::Failed { why: unknown },
            Reply::Failed { why: no_key },
            Reply::Probes { probes },
        ] = replies.as_slice()
        else {
            panic!("{replies:?}")
        };
        assert!(unknown.contains("does not know the call"), "{unknown}");
        assert!(no_key.contains(AUTHORITY_CERT), "{no_key}");
        assert!(probes[0].report.is_err());
    }
}
