//! Clients that send anything at all: each is served, or closed with a code that says why.

use std::cell::RefCell;

use arena_testkit::hostile;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

use super::*;

/// A ping with this time is the test's own.
const MARK_US: u32 = 0x5eed_cafe;

/// How far a client comes before it turns hostile.
#[derive(Clone, Copy, Debug)]
enum Stage {
    Connected,
    Lobby,
    Playing,
}

#[derive(Debug, PartialEq, Eq)]
enum Fate {
    Served,
    Closed(Option<Code>),
    /// The socket ended without a close frame.
    Torn(String),
}

/// Returns an example of each message a client has.
fn messages() -> Vec<Vec<u8>> {
    let resume = Hello::Resume {
        version: PROTOCOL_VERSION,
        schema: SCHEMA_HASH,
        token: "ab".repeat(60),
        ack_tick: Tick(7),
        ack_event: 1,
    };
    let rtts = vec![arena_wire::play::RegionRtt { region: "eu-fra".to_owned(), rtt_ms: 20 }];
    let mode = "arena".to_owned();
    [
        access(PROTOCOL_VERSION, "a.b.c"),
        ClientMessage::Hello(resume),
        ClientMessage::Queue { mode: mode.clone(), rtts },
        ClientMessage::Cancel,
        ClientMessage::PartyCreate { mode },
        ClientMessage::PartyJoin { code: "K7QF2M".parse().unwrap() },
        ClientMessage::PartyLeave,
        input(41),
        input(42),
        ClientMessage::Ping { sent_us: 5 },
        ClientMessage::Leave,
    ]
    .iter()
    .map(ClientMessage::encode)
    .collect()
}

/// Reads until the socket closes or the test's ping is answered.
async fn fate(socket: &mut Socket) -> Fate {
    loop {
        match tokio::time::timeout(PATIENCE, socket.0.next()).await {
            Ok(Some(Ok(Message::Close(frame)))) => {
                let code = frame.map(|it| u16::from(it.code));
                return Fate::Closed(code.and_then(Code::from_number));
            }
            Ok(Some(Ok(Message::Binary(bytes)))) => {
                let pong = ServerMessage::decode(&bytes);
                if matches!(pong, Ok(ServerMessage::Pong(it)) if it.sent_us == MARK_US) {
                    return Fate::Served;
                }
            }
            Ok(Some(Ok(_))) => {}
            other => return Fate::Torn(format!("{other:?}")),
        }
    }
}

async fn attack(gateway: &mut Gateway, stage: Stage, sent: Vec<Vec<u8>>, session: u64) -> Fate {
    let mut socket = match stage {
        Stage::Connected => gateway.connect().await,
        Stage::Lobby => {
            let mut socket = gateway.connect().await;
            socket.say(&gateway.hello()).await;
            socket.welcomed().await;
            socket
        }
        Stage::Playing => play(gateway, session).await.0,
    };
    let ping = ClientMessage::Ping { sent_us: MARK_US }.encode();
    for message in sent.into_iter().chain([ping]) {
        if socket.0.send(Message::binary(message)).await.is_err() {
            break; // it is closed already: the code is there to be read
        }
    }
    fate(&mut socket).await
}

#[test]
fn whatever_a_client_sends_it_is_served_or_told_why_not() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let gateway = RefCell::new((runtime.block_on(Gateway::start()), 1_000));
    let sent = prop::collection::vec(hostile(messages()), 1..12);
    let config = Config { cases: 96, failure_persistence: None, ..Config::default() };
    let attacks =
        (prop::sample::select(vec![Stage::Connected, Stage::Lobby, Stage::Playing]), sent);
    let survived = TestRunner::new(config).run(&attacks, |(stage, sent)| {
        let (gateway, session) = &mut *gateway.borrow_mut();
        *session += 1;
        match runtime.block_on(attack(gateway, stage, sent, *session)) {
            Fate::Served | Fate::Closed(Some(_)) => Ok(()),
            fate => Err(TestCaseError::fail(format!("{fate:?}"))),
        }
    });
    survived.unwrap();
}

/// Frames no client may send (RFC 6455 §5), after a good hello.
#[tokio::test]
async fn what_is_no_websocket_is_told_so() {
    let gateway = Gateway::start().await;
    let long_ping = [&[0x89, 0xfe, 0x00, 0x7e][..], &[0; 4 + 126]].concat();
    for (what, bytes, code) in [
        ("a frame without a mask", vec![0x82, 0x01, 0x00], Code::BadMessage),
        ("a reserved opcode", vec![0x83, 0x80, 1, 2, 3, 4], Code::BadMessage),
        ("a reserved bit", vec![0xc2, 0x80, 1, 2, 3, 4], Code::BadMessage),
        ("a ping in parts", vec![0x09, 0x80, 1, 2, 3, 4], Code::BadMessage),
        ("a ping too long", long_ping, Code::BadMessage),
        ("the end of what never began", vec![0x80, 0x80, 1, 2, 3, 4], Code::BadMessage),
        ("text that is none", vec![0x81, 0x81, 0, 0, 0, 0, 0xff], Code::BadMessage),
        (
            "a length of 2 to the 62",
            vec![0x82, 0xff, 0x40, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4],
            Code::TooBig,
        ),
    ] {
        let mut socket = gateway.connect().await;
        socket.say(&gateway.hello()).await;
        socket.welcomed().await;
        socket.0.get_mut().write_all(&bytes).await.unwrap();
        assert_eq!(fate(&mut socket).await, Fate::Closed(Some(code)), "{what}");
    }
    let mut counts = gateway.shared.sessions.counts();
    let none_left = counts.wait_for(|it| *it == 0);
    tokio::time::timeout(PATIENCE, none_left).await.expect("no session is left behind").unwrap();
}

#[tokio::test]
async fn a_message_too_big_for_a_session_closes_it_with_its_code() {
    let gateway = Gateway::start().await;
    for len in [4_097, 16_385, 1 << 20] {
        let mut socket = gateway.connect().await;
        socket.say(&gateway.hello()).await;
        socket.welcomed().await;
        let _ = socket.0.send(Message::binary(vec![7; len])).await; // refused while it is sent
        assert_eq!(fate(&mut socket).await, Fate::Closed(Some(Code::TooBig)), "{len}");
    }
}
