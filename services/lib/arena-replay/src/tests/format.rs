//! The bytes themselves: what others read, and what must not change unnoticed.
use std::fmt::Write as _;
use std::io::{Cursor, Read as _, Write as _};
use std::process::{Command, Stdio};

use expect_test::expect;

use super::open;
use crate::testing::{Sums, record_game, sums_header};
use crate::{Player, audit};

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../tests/vectors/replay.rpl");

/// Returns a match with something of everything.
fn file() -> Vec<u8> {
    let mut header = sums_header(7);
    header.players = vec![Player { seat: 1, id: "p1".to_owned(), name: "Ada".to_owned() }];
    header.started_ms = 1_790_000_000_000;
    record_game(Sums::default(), &header, 130, |_, tick, inputs| {
        inputs[1].move_x = if tick / 20 % 2 == 0 { 127 } else { 0 };
        inputs[1].aim = inputs[1].aim.wrapping_add(3);
        inputs[15].buttons = u8::from(tick % 30 == 0);
    })
}

/// Decompresses with Debian's zstd.
fn zstd(arguments: &[&str], bytes: &[u8]) -> Vec<u8> {
    let mut command = Command::new("zstd");
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut zstd = command.spawn().expect("the package `zstd` is installed: make deps-test");
    zstd.stdin.take().unwrap().write_all(bytes).unwrap();
    let output = zstd.wait_with_output().unwrap();
    assert!(output.status.success(), "zstd {arguments:?} failed");
    output.stdout
}

#[test]
fn zstd_itself_decompresses_a_replay() {
    let bytes = file();
    let audit = audit(&mut open(&bytes)).unwrap();
    let raw_bytes: u64 = audit.chunks.values().map(|it| it.raw_bytes).sum();
    assert_eq!(zstd(&["-dc"], &bytes).len() as u64, raw_bytes);
    zstd(&["-t"], &bytes);
    // So it does before the end is written.
    let keyframe = open(&bytes).keyframes()[1].offset as usize;
    let whole = zstd(&["-dc"], &bytes);
    let growing = zstd(&["-dc"], &bytes[..keyframe]);
    assert!(whole.starts_with(&growing) && !growing.is_empty());
}

#[test]
fn another_reader_of_the_seekable_format_finds_every_frame() {
    let bytes = file();
    let audit = audit(&mut open(&bytes)).unwrap();
    let chunks: u64 = audit.chunks.values().map(|it| it.count).sum();
    let whole = zstd(&["-dc"], &bytes);
    let mut stranger = zeekstd::Decoder::new(Cursor::new(&bytes[..])).unwrap();
    assert_eq!(u64::from(stranger.seek_table().num_frames()), 2 + 2 * chunks);
    let mut all = Vec::new();
    stranger.read_to_end(&mut all).unwrap();
    assert!(all == whole, "it decompresses what zstd does");
    for from in [0, 1, whole.len() / 3, whole.len() - 1] {
        stranger.set_offset(from as u64).unwrap();
        let mut rest = Vec::new();
        stranger.read_to_end(&mut rest).unwrap();
        assert!(rest == whole[from..], "from byte {from} on");
    }
}

/// Writes down all there is in a file but what another version of zstd may do otherwise.
fn dump(bytes: &[u8]) -> String {
    let mut reader = open(bytes);
    let mut text = format!("{:?}\n", reader.header());
    while let Some(chunk) = reader.next_chunk().unwrap() {
        let head = chunk.head;
        let digest = blake3::hash(format!("{:?}", chunk.content).as_bytes()).to_hex();
        let _ = writeln!(
            text,
            "{} flags {} ticks {} to {} raw {} content {}",
            head.kind,
            head.flags,
            head.from,
            head.to,
            head.raw_len,
            &digest[..16]
        );
    }
    let footer = reader.footer().unwrap();
    let ticks: Vec<u32> = reader.keyframes().iter().map(|it| it.tick).collect();
    let _ = writeln!(
        text,
        "last {} {:016x} {:?} keyframes {ticks:?}",
        footer.last_tick, footer.last_hash, footer.outcome
    );
    text
}

#[test]
fn the_format_is_the_published_one() {
    if std::env::var_os("UPDATE_VECTORS").is_some() {
        std::fs::write(GOLDEN, file()).unwrap();
    }
    let published = std::fs::read(GOLDEN).unwrap();
    let expected = expect![[r#"
        Header { release: "r1", game: "sums", schema: 1, rules_version: 0, rules_hash: 0, rules: "", map: "none", seed: 7, tick_rate_hz: 30, players: [Player { seat: 1, id: "p1", name: "Ada" }], started_ms: 1790000000000, match_id: "sum", epoch: 0, parent_match: "", first_tick: 0, hash_ticks: 10, keyframe_ticks: 50 }
        meta flags 0 ticks 0 to 0 raw 13 content 9ba90846b80817d5
        inputs flags 1 ticks 0 to 50 raw 128 content 16615418aa696eea
        hashes flags 0 ticks 10 to 50 raw 40 content c8d7cd584762b5d8
        keyframe flags 2 ticks 50 to 50 raw 36 content f56dd75af8ad60c1
        events flags 0 ticks 50 to 50 raw 21 content d2e13cd8574ff4cf
        inputs flags 1 ticks 50 to 100 raw 128 content a9d851bdebaa9beb
        hashes flags 0 ticks 60 to 100 raw 40 content 30a5c79b72fa254b
        keyframe flags 2 ticks 100 to 100 raw 36 content 1442669b4dc6757e
        inputs flags 1 ticks 100 to 130 raw 82 content 134fd1e08839621f
        hashes flags 0 ticks 110 to 130 raw 24 content 05af5de94eedd3e3
        last 130 aac03633b134a367 Outcome { reason: "abandoned", ended_ms: 1790000010000, standings: [Place { seat: 1, rank: 1, kills: 39457, deaths: 0, bot: false }], team_scores: [] } keyframes [50, 100]
    "#]];
    expected.assert_eq(&dump(&published));
    assert_eq!(dump(&published), dump(&file()), "a writer of today writes it");
    let verification = crate::verify(open(&published), Sums::default(), |_| ()).unwrap();
    assert!(verification.is_true(), "{:?}", verification.problems);
}

#[test]
fn the_first_and_last_bytes_are_as_documented() {
    let bytes = file();
    assert_eq!(bytes[..4], 0x184d_2a50_u32.to_le_bytes());
    assert_eq!(&bytes[8..12], b"RPL1");
    let frames = u32::from_le_bytes(*bytes[bytes.len() - 9..].first_chunk().unwrap()) as usize;
    let table = bytes.len() - 8 - 8 * frames - 9;
    assert_eq!(bytes[table..table + 4], 0x184d_2a5e_u32.to_le_bytes());
    assert_eq!(&bytes[table - 4..table], b"RPL1");
    let footer = u64::from_le_bytes(*bytes[table - 12..].first_chunk().unwrap()) as usize;
    assert_eq!(bytes[footer..footer + 4], 0x184d_2a52_u32.to_le_bytes());
    assert_eq!(bytes[table - 44..table - 12], *blake3::hash(&bytes[..table - 44]).as_bytes());
}
