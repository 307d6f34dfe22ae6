//! `tests/vectors/play.json`: messages with their bytes, for codecs in other languages.

use std::fmt::Write as _;

use arena_types::{Epoch, MatchId, PlayerId, ReleaseId, SessionId, Tick};
use proptest::prelude::*;
use serde::Serialize;
use serde_json::{Value, json};

use super::*;
use crate::bits::DecodeError;

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../tests/vectors/play.json");

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

fn client_messages() -> Vec<ClientMessage> {
    let token = "eyJhbGciOiJFZERTQSJ9.e30.c2ln".to_owned();
    vec![
        ClientMessage::Hello(Hello::Access {
            version: PROTOCOL_VERSION,
            schema: SCHEMA_HASH,
            token: token.clone(),
        }),
        ClientMessage::Hello(Hello::Resume {
            version: PROTOCOL_VERSION,
            schema: SCHEMA_HASH,
            token,
            ack_tick: Tick(1234),
            ack_event: 9,
        }),
        ClientMessage::Queue {
            mode: "arena".to_owned(),
            rtts: vec![
                RegionRtt { region: "eu-fra".to_owned(), rtt_ms: 18 },
                RegionRtt { region: "us-east".to_owned(), rtt_ms: 94 },
            ],
        },
        ClientMessage::Cancel,
        ClientMessage::PartyCreate { mode: "arena".to_owned() },
        ClientMessage::PartyJoin { code: "K7QF2M".parse().unwrap() },
        ClientMessage::PartyLeave,
        ClientMessage::Input(Input {
            seq: 70_000,
            tick: Tick(1236),
            controls: Controls { move_x: -127, move_y: 90, aim: 200, buttons: Controls::FIRE },
            ack_tick: Tick(1230),
            ack_event: 9,
        }),
        ClientMessage::Ping { sent_us: u32::MAX - 1 },
        ClientMessage::Leave,
        ClientMessage::Watch(Watch {
            match_id: MatchId::from_u64(0x0123_4567_89ab_cdef),
            tick: Watch::NEWEST,
            pace: Watch::REAL_TIME,
        }),
    ]
}

fn server_messages() -> Vec<ServerMessage> {
    let match_id = MatchId::from_u64(0x0123_4567_89ab_cdef);
    let player = PlayerId::from_u64(42);
    let seat = |seat, bot, name: &str| SeatName { seat, bot, name: name.to_owned() };
    vec![
        ServerMessage::Welcome(Welcome {
            session: SessionId::from_u64(7),
            player,
            name: "Zoë 🦊".to_owned(),
            resume_token: "cmVzdW1l".to_owned(),
            region: "local".parse().unwrap(),
            release: ReleaseId(2),
            instance: "gateway-r2-1".parse().unwrap(),
            tick_rate: 60,
            frame_rate: 30,
            resumed: true,
        }),
        ServerMessage::Queue(QueueUpdate::Idle { reason: String::new() }),
        ServerMessage::Queue(QueueUpdate::Waiting {
            waited_ms: 1500,
            tickets: 3,
            window: 200,
            reason: "every game server is full".to_owned(),
        }),
        ServerMessage::Queue(QueueUpdate::Assigned { match_id }),
        ServerMessage::Party(None),
        ServerMessage::Party(Some(Party {
            code: "K7QF2M".parse().unwrap(),
            leader: player,
            mode: "arena".to_owned(),
            queued: true,
            members: vec![PartyMember { player, name: "Zoë 🦊".to_owned() }],
        })),
        ServerMessage::Start(MatchStart {
            match_id,
            seat: 3,
            epoch: Epoch(2),
            owner: "game-r1-2".parse().unwrap(),
            release: ReleaseId(1),
            game: "arena".to_owned(),
            mode: "arena".to_owned(),
            tick: Tick(1200),
            input_seq: 69_999,
            event_seq: 9,
            rules: r#"{"width":64}"#.to_owned(),
            seats: vec![seat(3, false, "Zoë 🦊"), seat(15, true, "Bot Ada")],
        }),
    ]
    .into_iter()
    .chain(later_server_messages(match_id))
    .collect()
}

/// What a match brings, and what is said beside it.
fn later_server_messages(match_id: MatchId) -> Vec<ServerMessage> {
    let seat = |seat, bot, name: &str| SeatName { seat, bot, name: name.to_owned() };
    vec![
        event(10, EventKind::Kill { killer: 15, victim: 3 }),
        event(11, EventKind::Seat(seat(3, true, "Bot Ida"))),
        event(12, EventKind::End { standings: standings() }),
        event(13, EventKind::Flag { team: 1, change: FlagChange::Captured, seat: 14 }),
        event(14, EventKind::Own(vec![0, 255, 7])),
        ServerMessage::Move(Move {
            endpoint: "ws://127.0.0.1:8080".to_owned(),
            resume_token: "bW92ZQ".to_owned(),
            after_ms: 100,
            within_ms: 5000,
        }),
        ServerMessage::Error { code: Code::TooFast, text: "slow down".to_owned() },
        ServerMessage::Pong(Pong { sent_us: u32::MAX, received_us: 5, answered_us: 6 }),
        ServerMessage::Owner(Owner {
            match_id,
            epoch: Epoch(3),
            instance: "game-r2-1".parse().unwrap(),
            release: ReleaseId(2),
            moving: true,
        }),
        ServerMessage::Rating(RatingChange { match_id, before: 150_000, after: -1 }),
        ServerMessage::Playback(Playback {
            match_id,
            first: Tick(0),
            last: Tick(18_000),
            tick: Tick(1_202),
            pace: 2,
            live: true,
        }),
    ]
}

fn event(seq: u32, kind: EventKind) -> ServerMessage {
    ServerMessage::Event(Event { seq, tick: Tick(1300), kind })
}

fn standings() -> Vec<Standing> {
    vec![
        Standing { seat: 15, rank: 1, bot: true, kills: 300, deaths: 1, name: "Ada".to_owned() },
        Standing { seat: 3, rank: 2, bot: false, kills: 0, deaths: 9, name: String::new() },
    ]
}

fn shot(slot: u16, at: u32, until: u32) -> Shot {
    let place = u32::from(slot) << 12;
    Shot { slot, owner: (slot % 16) as u8, at, until, x: place, y: 0xff_ffff, vx: -32_768, vy: 9 }
}

/// A full frame, then deltas that touch every branch: near and far steps, an own body that stays,
/// changes and goes, shots that expire, are hit, appear and take a slot again; drones and flags likewise.
fn views() -> Vec<View> {
    let mut first = View { tick: 100, ..View::default() };
    let fighter =
        PlayerView { here: true, alive: true, health: 100, x: 4000, y: 9, ..PlayerView::default() };
    first.players[0] = PlayerView { aim: 255, ..fighter };
    first.players[3] = PlayerView { x: 32_767, y: 32_767, kills: 65_535, deaths: 1, ..fighter };
    first.own = Some(OwnView { x: 1, y: 2, vx: 3, vy: -4, cooldown: 255, respawn: 0 });
    first.shots =
        vec![shot(1, 90, 101), shot(2, 100, 160), shot(900, 1, 4000), shot(2047, 99, 150)];
    let mut second = View { tick: 102, ..first.clone() };
    second.players[0] = PlayerView { x: 4255, y: 0, kills: 1, ..first.players[0] };
    second.players[3] = PlayerView { x: 32_000, alive: false, health: 0, ..first.players[3] };
    second.shots = vec![shot(2, 100, 160), shot(40, 101, 200), shot(2047, 102, 103)];
    let mut third = View { tick: 300, own: None, ..second.clone() };
    third.players[15] = PlayerView { here: true, ..PlayerView::default() };
    third.shots = vec![];
    let mut fourth = View { tick: 302, ..third.clone() };
    fourth.own =
        Some(OwnView { x: 0xff_ffff, y: 0, vx: i16::MIN, vy: i16::MAX, cooldown: 0, respawn: 120 });
    let drone = |index, x, y| Drone { index, x, y, health: 40 };
    let mut fifth = View { tick: 304, ..fourth.clone() };
    fifth.extras = Some(Extras {
        scores: [0, 65_535],
        flags: [Flag::Carried { seat: 15 }, Flag::Dropped { x: 32_767, y: 1 }],
        pickups: 0x8001,
        boost: 255,
        drones: vec![drone(0, 7, 32_767), drone(31, 900, 900), drone(63, 32_767, 0)],
    });
    let mut sixth = View { tick: 306, ..fifth.clone() };
    sixth.extras = Some(Extras {
        scores: [3, 65_535],
        flags: [Flag::Home, Flag::Dropped { x: 32_767, y: 1 }],
        pickups: 0x8001,
        boost: 0,
        drones: vec![
            drone(0, 7, 32_767),
            Drone { health: 1, ..drone(31, 645, 1_155) },
            drone(32, 4, 5),
            drone(63, 9, 9),
        ],
    });
    vec![first, second, third, fourth, fifth, sixth]
}

fn frames() -> Vec<Value> {
    let views = views();
    let mut frames = Vec::new();
    for (index, view) in views.iter().enumerate() {
        let baseline = index.checked_sub(1).map(|it| &views[it]);
        let head = FrameHead {
            tick: Tick(0),
            baseline: None,
            input_seq: 70_000 + index as u32,
            lead: -2,
            finished: index == 3,
            epoch: Epoch(1 + index as u32),
        };
        let bytes = encode_frame(head, view, baseline, Vec::new());
        let (head, decoded) = decode_frame(&bytes, baseline).unwrap();
        assert_eq!(&decoded, view, "frame {index}");
        frames.push(json!({ "hex": hex(&bytes), "head": head, "view": view }));
    }
    frames
}

fn refused() -> Vec<Value> {
    let mut long_mode = vec![4, 64, 0];
    long_mode.extend([b'a'; 64]);
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("empty", vec![]),
        ("unknown type", vec![0x7f]),
        ("ends inside a field", vec![7, 1, 2]),
        ("trailing bytes", vec![3, 0]),
        ("a text over its limit", long_mode),
        ("not UTF-8", vec![4, 1, 0, 0xff]),
        ("a party code with an I", [&[5, 6, 0], b"K7QF2I".as_slice()].concat()),
    ];
    cases
        .into_iter()
        .map(|(why, bytes)| {
            let error = ClientMessage::decode(&bytes).unwrap_err();
            json!({ "why": why, "hex": hex(&bytes), "error": error.to_string() })
        })
        .collect()
}

fn cases<T: Serialize>(messages: &[T], encode: impl Fn(&T) -> Vec<u8>) -> Vec<Value> {
    messages.iter().map(|it| json!({ "hex": hex(&encode(it)), "message": it })).collect()
}

#[test]
fn the_vectors_are_fresh() {
    let vectors = json!({
        "protocol_version": PROTOCOL_VERSION,
        "schema_hash": SCHEMA_HASH,
        "client_to_server": cases(&client_messages(), ClientMessage::encode),
        "server_to_client": cases(&server_messages(), ServerMessage::encode),
        "frames": frames(),
        "refused_by_server": refused(),
    });
    let text = serde_json::to_string_pretty(&vectors).unwrap() + "\n";
    if std::env::var_os("UPDATE_VECTORS").is_some() {
        std::fs::write(PATH, &text).unwrap();
    }
    let stored = std::fs::read_to_string(PATH).unwrap_or_default();
    assert!(stored == text, "{PATH} is stale: run this test with UPDATE_VECTORS=1");
}

#[test]
fn every_example_reads_back() {
    for message in client_messages() {
        assert_eq!(ClientMessage::decode(&message.encode()), Ok(message));
    }
    for message in server_messages() {
        assert_eq!(ServerMessage::decode(&message.encode()), Ok(message));
    }
}

#[test]
fn the_protocol_page_holds_the_schema() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../docs/protocol.md");
    let page = std::fs::read_to_string(page).unwrap();
    assert!(page.contains(SCHEMA), "docs/protocol.md must quote src/play/schema.txt as it is");
    let hash = format!("{SCHEMA_HASH:#010x}");
    assert!(page.contains(&hash), "docs/protocol.md must name the schema hash {hash}");
    for code in Code::ALL {
        let row = format!("| {} | {code:?} |", code.number());
        assert!(page.contains(&row), "docs/protocol.md lacks the row `{row} …`");
    }
}

#[test]
fn a_torn_message_is_an_error_at_every_length() {
    let client = client_messages().into_iter().map(|it| it.encode());
    let server = server_messages().into_iter().map(|it| it.encode());
    for bytes in client.chain(server) {
        for len in 0..bytes.len() {
            assert!(ClientMessage::decode(&bytes[..len]).is_err(), "{}", hex(&bytes[..len]));
            assert!(ServerMessage::decode(&bytes[..len]).is_err(), "{}", hex(&bytes[..len]));
        }
    }
}

#[test]
fn a_server_message_is_no_client_message() {
    for message in server_messages() {
        let error = ClientMessage::decode(&message.encode()).unwrap_err();
        assert!(matches!(error, DecodeError::UnknownType { .. }), "{error:?}");
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(kind in 0..=255_u8, mut bytes in prop::collection::vec(any::<u8>(), 1..300)) {
        bytes[0] = kind;
        if let Ok(message) = ClientMessage::decode(&bytes) {
            prop_assert_eq!(message.encode(), bytes.clone());
        }
        if let Ok(message) = ServerMessage::decode(&bytes) {
            prop_assert_eq!(message.encode(), bytes);
        }
    }
}
