//! A page, as `curl` gets it.

use anyhow::ensure;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, ToSocketAddrs};

/// Returns what a server answers to `GET <path>`, its head included.
///
/// # Errors
/// If nobody answers, or not with 200.
pub async fn get(server: impl ToSocketAddrs, path: &str) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect(server).await?;
    stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let status = answer.lines().next().and_then(|it| it.split(' ').nth(1));
    ensure!(status == Some("200"), "GET {path}: {answer}");
    Ok(answer)
}
