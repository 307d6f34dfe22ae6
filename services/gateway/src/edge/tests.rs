//! The public side as a client meets it: real sockets, a real store, a game at the end of a real link.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use arena_mesh::testing::{TestMesh, loopback, mesh_of};
use arena_mesh::{Endpoint, Link, Received, Serving};
use arena_store_embedded::{Embedded, Options};
use arena_telemetry::Metrics;
use arena_types::{Epoch, InstanceId, MatchId, PlayerId, ReleaseId, SessionId, Tick};
use arena_wire::auth::v1::Key;
use arena_wire::link::{Flow, Leave, Refusal, ToGame, ToGateway};
use arena_wire::play::{
    ClientMessage, Code, Controls, FrameHead, Hello, Input, MatchStart, PROTOCOL_VERSION,
    SCHEMA_HASH, ServerMessage, View, encode_frame,
};
use arena_wire::token::{ResumeClaims, TokenKey};
use bytes::Bytes;
use futures::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio_tungstenite::tungstenite::Message;

use crate::accept::{Doors, Gate, Port};
use crate::keys::{
    Keys,
    tests::{signer, token},
};
use crate::links::Links;
use crate::logic::admission::Bounds;
use crate::logic::bucket::Rate;
use crate::logic::record::{Activity, Record, Seat, key};
use crate::metrics::GatewayMetrics;
use crate::placement::Placements;
use crate::rest::Site;
use crate::revocations::Revocations;
use crate::sessions::Sessions;
use crate::socket::Shared;
use crate::upstream::Upstream;

mod hostile;
mod revoked;

const PATIENCE: Duration = Duration::from_secs(20);
const FOREVER_S: i64 = 4_000_000_000;
const WIDE: Rate = Rate { per_s: 1_000, burst: 1_000 };
const MATCH: MatchId = MatchId::from_u64(77);

fn doors(stop: watch::Receiver<bool>) -> Doors {
    Doors { stop, open: watch::Sender::new(false) }
}

struct Gateway {
    addr: SocketAddr,
    shared: Shared,
    stop: watch::Sender<bool>,
    access: String,
    epochs: watch::Sender<Arc<HashMap<PlayerId, u64>>>,
    /// What gateways say to the game.
    heard: mpsc::UnboundedReceiver<(ToGame, arena_mesh::LinkSender)>,
    _kept: (Serving, Embedded, tempfile::TempDir),
}

impl Gateway {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let stores = Embedded::open(folder.path(), Options::default()).await.unwrap();
        let mesh = mesh_of(0);
        let (game, game_addr, heard) = game(&mesh);
        let nobody = || mesh.channel("gateway", "auth").pinned(Endpoint::at(loopback().1));
        let metrics = GatewayMetrics::new(&Metrics::new());
        let bounds = Bounds {
            connections: 100,
            connections_per_ip: 50,
            requests: WIDE,
            hellos: WIDE,
            hellos_all: WIDE,
        };
        let (signing_key, public_key) = signer(1);
        let (epochs, revoked) = watch::channel(Arc::default());
        let keys = Keys::new("test");
        keys.set(vec![Key { kid: "a".to_owned(), public_key }]);
        let games = mesh.channel("gateway", "game").pinned(Endpoint::at(game_addr));
        let shared = Shared {
            site: Arc::new(Site {
                region: "local".parse().unwrap(),
                release: ReleaseId(2),
                instance: "gateway-r2-1".parse().unwrap(),
            }),
            upstream: Upstream::new(nobody(), nobody(), nobody()),
            links: Links::new(
                games,
                Arc::new(move |_| Some(game_addr)),
                Arc::new(|| "game-r1-1".parse().ok()),
                metrics.clone(),
            ),
            placements: Placements::new(stores.stores().registry.clone()),
            hot: stores.stores().hot.clone(),
            keys,
            revocations: Revocations::new(revoked),
            resume_key: TokenKey::new(&[9; 32]),
            gate: Gate::new(bounds),
            sessions: Sessions::default(),
            metrics,
        };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(super::serve(Port::Kept(listener), None, shared.clone(), doors(stopped)));
        let access = token(&signing_key, "a", "test", FOREVER_S);
        Self { addr, shared, stop, access, epochs, heard, _kept: (game, stores, folder) }
    }

    async fn connect(&self) -> Socket {
        let stream = TcpStream::connect(self.addr).await.unwrap();
        let url = format!("ws://{}/v1/play", self.addr);
        Socket(tokio_tungstenite::client_async(url, stream).await.unwrap().0)
    }

    fn hello(&self) -> ClientMessage {
        access(PROTOCOL_VERSION, &self.access)
    }

    fn resume(&self, session: SessionId) -> ClientMessage {
        let claims = ResumeClaims {
            session,
            player: PlayerId::from_u64(7),
            match_id: None,
            expires_ms: u64::MAX,
        };
        ClientMessage::Hello(Hello::Resume {
            version: PROTOCOL_VERSION,
            schema: SCHEMA_HASH,
            token: claims.sign(&self.shared.resume_key),
            ack_tick: Tick(0),
            ack_event: 0,
        })
    }

    /// Writes the record of a session that has a seat in [`MATCH`].
    async fn seat(&self, session: SessionId) {
        let seat = Seat {
            match_id: MATCH,
            owner: owner(),
            epoch: Epoch(1),
            seat: 3,
            route_token: vec![1, 2, 3],
        };
        let record = Record {
            session,
            player: PlayerId::from_u64(7),
            name: "Ada".to_owned(),
            token_epoch: 2,
            connection: 0,
            party: None,
            activity: Activity::Match(seat),
        };
        let value = Bytes::from(serde_json::to_vec(&record).unwrap());
        self.shared.hot.set(&key(session), value, None).await.unwrap();
    }

    /// Returns what the game hears next, but for inputs.
    async fn told(&mut self) -> (ToGame, arena_mesh::LinkSender) {
        tokio::time::timeout(PATIENCE, self.heard.recv()).await.unwrap().unwrap()
    }

    /// Sends a request and returns status line and headers, and the body.
    async fn http(&self, request: &str) -> (String, String) {
        let mut stream = TcpStream::connect(self.addr).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        let read = stream.read_to_string(&mut answer);
        tokio::time::timeout(PATIENCE, read).await.unwrap().unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.to_ascii_lowercase(), body.to_owned())
    }
}

fn owner() -> InstanceId {
    "game-r1-1".parse().unwrap()
}

fn access(version: u16, token: &str) -> ClientMessage {
    let (schema, token) = (SCHEMA_HASH, token.to_owned());
    ClientMessage::Hello(Hello::Access { version, schema, token })
}

/// A game instance that only listens; a test answers for it.
fn game(
    mesh: &TestMesh,
) -> (Serving, SocketAddr, mpsc::UnboundedReceiver<(ToGame, arena_mesh::LinkSender)>) {
    let (said, heard) = mpsc::unbounded_channel();
    let (socket, addr) = loopback();
    let listen = move |link: Link| {
        let said = said.clone();
        async move {
            let (sender, mut receiver) = link.split();
            while let Some(Received::Ordered(bytes)) = receiver.recv().await {
                let _ = said.send((ToGame::decode(&bytes).unwrap(), sender.clone()));
            }
        }
    };
    let serving = mesh.server("game", owner().as_str()).links(listen).serve(socket).unwrap();
    (serving, addr, heard)
}

struct Socket(tokio_tungstenite::WebSocketStream<TcpStream>);

impl Socket {
    async fn say(&mut self, message: &ClientMessage) {
        self.0.send(Message::binary(message.encode())).await.unwrap();
    }

    async fn next(&mut self) -> Message {
        tokio::time::timeout(PATIENCE, self.0.next()).await.unwrap().unwrap().unwrap()
    }

    /// Returns the next message, which is no frame.
    async fn hear(&mut self) -> ServerMessage {
        match self.next().await {
            Message::Binary(bytes) => ServerMessage::decode(&bytes).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    async fn welcomed(&mut self) -> arena_wire::play::Welcome {
        match self.hear().await {
            ServerMessage::Welcome(welcome) => welcome,
            other => panic!("{other:?}"),
        }
    }

    /// Reads to the close frame and returns its code.
    async fn closed(&mut self) -> Option<Code> {
        loop {
            if let Message::Close(frame) = self.next().await {
                return Code::from_number(u16::from(frame?.code));
            }
        }
    }
}

#[tokio::test]
async fn what_is_no_hello_closes_with_its_code() {
    let gateway = Gateway::start().await;
    let stranger = token(&signer(2).0, "a", "test", FOREVER_S);
    let old = token(&signer(1).0, "a", "test", 1_000);
    let forged = ClientMessage::Hello(Hello::Resume {
        version: PROTOCOL_VERSION,
        schema: SCHEMA_HASH,
        token: "00".repeat(60),
        ack_tick: Tick(0),
        ack_event: 0,
    });
    let binary = |message: &ClientMessage| Message::binary(message.encode());
    for (what, message, code) in [
        ("text", Message::text("hello"), Code::BadMessage),
        ("nothing", Message::binary(Vec::new()), Code::BadMessage),
        ("an unknown type", Message::binary(vec![0x7f]), Code::BadMessage),
        ("a torn hello", Message::binary(vec![1, 1, 0]), Code::BadMessage),
        ("a long message", Message::binary(vec![1; 5_000]), Code::Version),
        ("a long message of no type", Message::binary(vec![7; 5_000]), Code::TooBig),
        ("a huge message", Message::binary(vec![7; 20_000]), Code::TooBig),
        ("another version", binary(&access(99, "")), Code::Version),
        ("no token", binary(&access(PROTOCOL_VERSION, "")), Code::Unauthorized),
        ("a stranger's token", binary(&access(PROTOCOL_VERSION, &stranger)), Code::Unauthorized),
        ("an old token", binary(&access(PROTOCOL_VERSION, &old)), Code::Unauthorized),
        ("a forged resume token", binary(&forged), Code::ResumeExpired),
        (
            "an unknown session",
            binary(&gateway.resume(SessionId::from_u64(1))),
            Code::ResumeExpired,
        ),
        ("another message", binary(&ClientMessage::Cancel), Code::OutOfPlace),
    ] {
        let mut socket = gateway.connect().await;
        let _ = socket.0.send(message).await; // a huge one may be refused while it is sent
        assert_eq!(socket.closed().await, Some(code), "{what}");
    }
}

#[tokio::test]
async fn a_session_that_misbehaves_closes_with_its_code() {
    let gateway = Gateway::start().await;
    let ping = ClientMessage::Ping { sent_us: 5 }.encode();
    for (what, messages, code) in [
        ("a second hello", vec![gateway.hello().encode()], Code::OutOfPlace),
        ("garbage", vec![vec![0xee; 40]], Code::BadMessage),
        ("a flood", vec![ping; 2_000], Code::TooFast),
    ] {
        let mut socket = gateway.connect().await;
        socket.say(&gateway.hello()).await;
        socket.welcomed().await;
        for message in messages {
            if socket.0.feed(Message::binary(message)).await.is_err() {
                break;
            }
        }
        let _ = socket.0.flush().await;
        assert_eq!(socket.closed().await, Some(code), "{what}");
    }
}

#[tokio::test]
async fn a_session_goes_on_in_a_new_socket() {
    let gateway = Gateway::start().await;
    let mut first = gateway.connect().await;
    first.say(&gateway.hello()).await;
    let welcome = first.welcomed().await;
    assert!(!welcome.resumed && welcome.name == "Ada");
    let token = welcome.resume_token;
    // The record is written beside the play; a resume that comes before it is told to come again.
    let mut second = loop {
        let mut socket = gateway.connect().await;
        let (version, schema, token) = (PROTOCOL_VERSION, SCHEMA_HASH, token.clone());
        let (ack_tick, ack_event) = (Tick(0), 0);
        let hello = Hello::Resume { version, schema, token, ack_tick, ack_event };
        socket.say(&ClientMessage::Hello(hello)).await;
        if let Message::Binary(bytes) = socket.next().await {
            let again = ServerMessage::decode(&bytes).unwrap();
            let ServerMessage::Welcome(again) = again else { panic!("{again:?}") };
            assert!(again.resumed && again.session == welcome.session);
            break socket;
        }
    };
    assert_eq!(first.closed().await, Some(Code::TakenOver));
    second.say(&ClientMessage::Ping { sent_us: 1 }).await;
    while !matches!(second.hear().await, ServerMessage::Pong(_)) {}
    assert_eq!(gateway.shared.sessions.count(), 1);
}

fn start_message(input_seq: u32) -> Vec<u8> {
    ServerMessage::Start(MatchStart {
        match_id: MATCH,
        seat: 3,
        epoch: Epoch(1),
        owner: owner(),
        release: ReleaseId(1),
        game: "arena".to_owned(),
        mode: "arena".to_owned(),
        tick: Tick(1),
        input_seq,
        event_seq: 0,
        rules: "{}".to_owned(),
        seats: Vec::new(),
    })
    .encode()
}

fn frame(tick: u32) -> Vec<u8> {
    let head = FrameHead {
        tick: Tick(tick),
        baseline: None,
        input_seq: 0,
        lead: 0,
        finished: false,
        epoch: Epoch(1),
    };
    encode_frame(head, &View { tick, ..View::default() }, None, Vec::new())
}

fn input(seq: u32) -> ClientMessage {
    let controls = Controls { aim: 9, ..Controls::default() };
    ClientMessage::Input(Input { seq, tick: Tick(5), controls, ack_tick: Tick(0), ack_event: 0 })
}

/// Resumes into [`MATCH`] and answers for the game; returns the socket, the link and the flow.
async fn play(gateway: &mut Gateway, id: u64) -> (Socket, arena_mesh::LinkSender, Flow) {
    let session = SessionId::from_u64(id);
    gateway.seat(session).await;
    let mut socket = gateway.connect().await;
    socket.say(&gateway.resume(session)).await;
    socket.welcomed().await;
    let (attach, link) = loop {
        // Sessions of before may still say goodbye.
        if let (ToGame::Attach(attach), link) = gateway.told().await
            && attach.session == session
        {
            break (attach, link);
        }
    };
    assert_eq!((attach.match_id, attach.seat), (MATCH, 3));
    let attached =
        ToGateway::Attached { flow: attach.flow, epoch: Epoch(1), start: start_message(40) };
    link.send_ordered(attached.encode().into()).await.unwrap();
    let ServerMessage::Start(start) = socket.hear().await else { panic!("no start") };
    assert_eq!(start.input_seq, 40);
    (socket, link, attach.flow)
}

#[tokio::test]
async fn frames_come_down_and_inputs_go_up_once() {
    let mut gateway = Gateway::start().await;
    let (mut socket, link, flow) = play(&mut gateway, 5).await;
    link.send_latest(flow.0, 2, &frame(2)).unwrap();
    let Message::Binary(bytes) = socket.next().await else { panic!("no frame") };
    assert_eq!(bytes, frame(2), "forwarded unopened");
    socket.say(&input(41)).await;
    socket.say(&input(42)).await;
    let mut seen = Vec::new();
    while seen.len() < 2 {
        let (told, _) = gateway.told().await;
        let ToGame::Inputs(inputs) = told else { panic!("{told:?}") };
        seen.extend(inputs.into_iter().map(|(to, input)| (to, input.seq)));
    }
    assert_eq!(seen, [(flow, 41), (flow, 42)]);
    socket.say(&input(42)).await;
    assert_eq!(socket.closed().await, Some(Code::Replayed));
    let (detach, _) = gateway.told().await;
    assert_eq!(detach, ToGame::Detach { flow, why: Leave::Lost });
}

#[tokio::test]
async fn a_match_that_is_over_leads_to_the_lobby() {
    let mut gateway = Gateway::start().await;
    let (mut socket, link, flow) = play(&mut gateway, 6).await;
    let why = Refusal::Over;
    let (mut late, other) = {
        let session = SessionId::from_u64(7);
        gateway.seat(session).await;
        let mut late = gateway.connect().await;
        late.say(&gateway.resume(session)).await;
        late.welcomed().await;
        let (told, _) = gateway.told().await;
        let ToGame::Attach(attach) = told else { panic!("{told:?}") };
        (late, attach.flow)
    };
    let refused = ToGateway::Refused { flow: other, why, detail: String::new() };
    link.send_ordered(refused.encode().into()).await.unwrap();
    let ServerMessage::Error { code, .. } = late.hear().await else { panic!("no error") };
    assert_eq!(code, Code::MatchGone);
    let ended = ToGateway::Ended { flow, match_id: MATCH };
    link.send_ordered(ended.encode().into()).await.unwrap();
    socket.say(&ClientMessage::Ping { sent_us: 1 }).await;
    assert!(matches!(socket.hear().await, ServerMessage::Pong(_)));
}

#[tokio::test]
async fn the_page_is_served_with_its_policy_and_only_once() {
    let gateway = Gateway::start().await;
    for asset in crate::page::ASSETS {
        let get = format!("GET {} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n", asset.path);
        let (head, body) = gateway.http(&get).await;
        assert!(head.starts_with("http/1.1 200"), "{head}");
        assert_eq!(body.as_bytes(), asset.bytes, "{}", asset.path);
        for header in
            ["content-security-policy: default-src 'none'", "x-content-type-options: nosniff"]
        {
            assert!(head.contains(header), "{head}");
        }
        let tag = head.lines().find_map(|it| it.strip_prefix("etag: ")).unwrap();
        let again = get.replace("connection", &format!("if-none-match: {tag}\r\nconnection"));
        let (head, body) = gateway.http(&again).await;
        assert!(head.starts_with("http/1.1 304") && body.is_empty(), "{head}");
    }
}

#[tokio::test]
async fn every_documented_path_answers_and_no_other_does() {
    let gateway = Gateway::start().await;
    let document: serde_json::Value = serde_json::from_str(crate::rest::OPENAPI).unwrap();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys().filter(|_| path != crate::rest::PLAY_PATH)
        {
            let body = if method == "post" { "content-length: 2\r\n\r\n[]" } else { "\r\n" };
            let verb = method.to_uppercase();
            let request =
                format!("{verb} {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{body}");
            let (head, body) = gateway.http(&request).await;
            assert!(!head.contains(" 404") && !head.contains(" 405"), "{method} {path}: {head}");
            if !head.starts_with("http/1.1 200") {
                let error: crate::rest::ErrorBody = serde_json::from_str(&body).unwrap();
                let codes =
                    &document["components"]["schemas"]["Error"]["properties"]["code"]["enum"];
                assert!(codes.as_array().unwrap().contains(&error.code.into()), "{body}");
            }
        }
    }
    for (request, status) in [
        ("GET /v1/nothing", 404),
        ("GET /selftest.js", 404),
        ("GET /../Cargo.toml", 404),
        ("GET /v1/login/device", 405),
        ("GET /v1/profile", 401),
        ("GET /v1/leaderboard?limit=1000", 400),
        ("GET /v1/leaderboard?limit=x", 400),
        ("GET /v1/play", 400),
    ] {
        let (head, _) = gateway
            .http(&format!("{request} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"))
            .await;
        assert!(head.starts_with(&format!("http/1.1 {status}")), "{request}: {head}");
    }
}

#[tokio::test]
async fn a_body_too_long_or_without_length_is_refused() {
    let gateway = Gateway::start().await;
    let post = "POST /v1/register HTTP/1.1\r\nhost: a\r\nconnection: close\r\n";
    for (rest, status) in [
        ("content-length: 100000\r\n\r\n", 413),
        ("\r\n", 411),
        ("content-length: 9\r\n\r\n{\"a\": 1} ", 400),
    ] {
        let (head, _) = gateway.http(&format!("{post}{rest}")).await;
        assert!(head.starts_with(&format!("http/1.1 {status}")), "{rest}: {head}");
    }
}

#[tokio::test]
async fn with_a_certificate_the_port_speaks_tls_1_3_and_nothing_else() {
    let gateway = Gateway::start().await;
    let folder = tempfile::tempdir().unwrap();
    let (files, made) = crate::tls::tests::write_pair(folder.path());
    let tls = crate::tls::TlsKeeper::load(files).unwrap();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let addr = listener.local_addr().unwrap();
    let stop = gateway.stop.subscribe();
    let port = Port::Kept(listener);
    tokio::spawn(super::serve(port, Some(tls), gateway.shared.clone(), doors(stop)));
    let get = b"GET /v1/status HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    let mut roots = rustls::RootCertStore::empty();
    roots.add(made).unwrap();
    let config = |versions: &[&'static rustls::SupportedProtocolVersion]| {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = rustls::ClientConfig::builder_with_provider(provider);
        let builder = builder.with_protocol_versions(versions).unwrap();
        Arc::new(builder.with_root_certificates(roots.clone()).with_no_client_auth())
    };
    let connector = tokio_rustls::TlsConnector::from(config(&[&rustls::version::TLS13]));
    let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
    let stream = TcpStream::connect(addr).await.unwrap();
    let mut secure = connector.connect(name, stream).await.unwrap();
    secure.write_all(get).await.unwrap();
    let mut answer = String::new();
    let read = secure.read_to_string(&mut answer);
    tokio::time::timeout(PATIENCE, read).await.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let mut plain = TcpStream::connect(addr).await.unwrap();
    plain.write_all(get).await.unwrap();
    let mut refused = Vec::new();
    let _ = tokio::time::timeout(PATIENCE, plain.read_to_end(&mut refused)).await.unwrap();
    assert!(!refused.starts_with(b"HTTP"), "plain HTTP is not answered");
}

#[tokio::test]
async fn a_stopped_gateway_takes_no_connection_until_it_serves_again() {
    let gateway = Gateway::start().await;
    gateway.stop.send_replace(true);
    let get = "GET /v1/status HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let mut stream = TcpStream::connect(gateway.addr).await.unwrap();
    stream.write_all(get.as_bytes()).await.unwrap();
    gateway.stop.send_replace(false);
    let mut answer = String::new();
    tokio::time::timeout(PATIENCE, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "the queued connection was served: {answer}");
    assert!(gateway.shared.gate.request(IpAddr::from(Ipv4Addr::LOCALHOST)));
}
