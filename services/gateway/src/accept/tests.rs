//! Several gateways at one port, as clients meet them.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;
use crate::logic::bucket::Rate;

/// Beyond it a test is stuck, not slow.
const PATIENCE: Duration = Duration::from_secs(20);
const WIDE: Rate = Rate { per_s: 1_000, burst: 1_000 };

/// A gateway that answers every request with its name.
struct Gateway {
    stop: watch::Sender<bool>,
    open: watch::Receiver<bool>,
    gate: Gate,
}

impl Gateway {
    fn start(port: SharedPort, name: &'static str) -> Self {
        let (stop, stopped) = watch::channel(false);
        let (opened, open) = watch::channel(false);
        let bounds = Bounds {
            connections: 1_000,
            connections_per_ip: 1_000,
            requests: WIDE,
            hellos: WIDE,
            hellos_all: WIDE,
        };
        let gate = Gate::new(bounds);
        let answer = move |request: http::Request<hyper::body::Incoming>| async move {
            let mut response = warp::reply::Response::new(name.into());
            if request.headers().contains_key(http::header::UPGRADE) {
                *response.status_mut() = http::StatusCode::SWITCHING_PROTOCOLS;
                let upgrade = http::HeaderValue::from_static("upgrade");
                response.headers_mut().insert(http::header::CONNECTION, upgrade);
            }
            Ok::<_, Infallible>(response)
        };
        let doors = Doors { stop: stopped, open: opened };
        let service = tower::service_fn(answer);
        tokio::spawn(serve(Port::Shared(port), None, gate.clone(), service, doors));
        Self { stop, open, gate }
    }

    async fn is_open(&mut self, wanted: bool) {
        let opened = self.open.wait_for(|it| *it == wanted);
        tokio::time::timeout(PATIENCE, opened).await.expect("the port follows its orders").unwrap();
    }
}

fn two_ports() -> (SocketAddr, [SharedPort; 2]) {
    let first = SharedPort::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let addr = first.local_addr();
    (addr, [first, SharedPort::bind(addr).unwrap()])
}

/// Asks over an open connection and reads to its end.
async fn ask(stream: &mut TcpStream, header: &str) -> io::Result<String> {
    let request = format!("GET / HTTP/1.1\r\nhost: a\r\n{header}\r\n\r\n");
    let answered = async {
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer)
    };
    tokio::time::timeout(PATIENCE, answered).await?
}

/// Connects, and returns who answers.
async fn who(addr: SocketAddr) -> io::Result<String> {
    let mut stream = tokio::time::timeout(PATIENCE, TcpStream::connect(addr)).await??;
    let answer = ask(&mut stream, "connection: close").await?;
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned());
    body.ok_or_else(|| io::Error::other(format!("no answer: `{answer}`")))
}

/// Connects one after the other until told to stop.
async fn customers(addr: SocketAddr, served: watch::Sender<usize>, end: Arc<AtomicBool>) {
    while !end.load(Ordering::Relaxed) {
        who(addr).await.expect("no connection fails");
        served.send_modify(|it| *it += 1);
    }
}

async fn reaches(served: &watch::Sender<usize>, count: usize) {
    let mut served = served.subscribe();
    let reached = served.wait_for(|it| *it >= count);
    tokio::time::timeout(PATIENCE, reached).await.expect("customers are served").unwrap();
}

/// Asks until both have answered.
async fn both_answer(addr: SocketAddr) {
    let answers = async {
        let mut heard = BTreeSet::new();
        while heard.len() < 2 {
            heard.insert(who(addr).await.unwrap());
        }
    };
    tokio::time::timeout(PATIENCE, answers).await.expect("the kernel spreads connections");
}

#[tokio::test]
async fn one_of_two_gateways_lets_go_of_the_port_without_a_failed_connection() {
    let (addr, [one, other]) = two_ports();
    let mut one = Gateway::start(one, "one");
    let mut other = Gateway::start(other, "other");
    one.is_open(true).await;
    other.is_open(true).await;
    let (served, end) = (watch::Sender::new(0), Arc::new(AtomicBool::new(false)));
    let crowd: Vec<_> =
        (0..8).map(|_| tokio::spawn(customers(addr, served.clone(), end.clone()))).collect();
    both_answer(addr).await;
    reaches(&served, 100).await;

    one.stop.send_replace(true);
    one.is_open(false).await;
    for _ in 0..100 {
        assert_eq!(who(addr).await.unwrap(), "other");
    }
    one.stop.send_replace(false);
    one.is_open(true).await;
    both_answer(addr).await;
    let so_far = *served.borrow();
    reaches(&served, so_far + 100).await;

    end.store(true, Ordering::Relaxed);
    for customer in crowd {
        tokio::time::timeout(PATIENCE, customer).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn who_connected_before_the_port_closed_is_still_answered() {
    let (addr, [port, _other]) = two_ports();
    let mut gateway = Gateway::start(port, "one");
    gateway.is_open(true).await;
    let mut early: Vec<TcpStream> = Vec::new();
    for _ in 0..3 {
        early.push(TcpStream::connect(addr).await.unwrap());
    }
    gateway.stop.send_replace(true);
    gateway.is_open(false).await;
    assert_eq!(
        TcpStream::connect(addr).await.unwrap_err().kind(),
        io::ErrorKind::ConnectionRefused
    );
    let answer = ask(&mut early[0], "x: y").await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let answer = ask(&mut early[1], "connection: upgrade\r\nupgrade: x").await.unwrap();
    assert!(answer.contains("101") && answer.contains("connection: upgrade"), "{answer}");
    drop(early);
    tokio::time::timeout(PATIENCE, gateway.gate.empty()).await.expect("nobody is left");
}
