//! What replays cost: played again from a real file, written tick by tick, and in bytes.
use std::fs::File;
use std::io::Write as _;

use anyhow::{Result, ensure};
use arena_replay::arena::ArenaMatch;
use arena_replay::{Content, Encoder, Header, Outcome, Reader, Settings, Writer, testing, verify};
use arena_sim::{CpuBackend, Input, PLAYERS, Path, Rules, SeatInputs, buttons};
use arena_testkit::bench::{Bench, Samples, thread_cpu_seconds};

use crate::load::{inputs, rules};
use crate::{RUNS, TICKS_PER_SECOND};

/// Ten minutes.
const TICKS: u32 = 36_000;
/// Bytes of a minute's inputs as they are: 16 words a tick.
const RAW_BYTES_A_MINUTE: f64 = 64.0 * 3_600.0;

/// Measures and records all of it.
pub(crate) fn measure(bench: &mut Bench) -> Result<()> {
    let loaded = file_of(&recorded(&rules(512)?, everyone_fires)?)?;
    bench.record("replay_times_realtime", "x", times_realtime(&loaded)?);
    let standard =
        Rules::parse(r#"{"version": 1, "match": {"frag_limit": 0, "time_limit_ticks": 36000}}"#)?;
    let played = recorded(&standard, testing::by_bots)?;
    let minutes = f64::from(TICKS) / TICKS_PER_SECOND / 60.0;
    let raw = Samples::exact(RAW_BYTES_A_MINUTE);
    let bytes = Samples::exact(played.len() as f64 / minutes);
    bench.record_against("replay_bytes_per_minute", "bytes", bytes, ("raw-inputs", &raw));
    bench.record("replay_write_ns_per_tick", "ns", write_ns(&played)?);
    Ok(())
}

fn recorded(rules: &Rules, policy: testing::Policy) -> Result<Vec<u8>> {
    let bytes = testing::record_quietly(&testing::header(rules, 1), TICKS, policy);
    ensure!(Reader::open(std::io::Cursor::new(&bytes))?.last_tick() == TICKS, "it ended early");
    Ok(bytes)
}

/// What everyone does under the load of this bench.
fn everyone_fires(_: &testing::Game, tick: u32, all: &mut SeatInputs) {
    *all = if tick == 0 {
        [Input { buttons: buttons::JOIN, ..Input::default() }; PLAYERS]
    } else {
        inputs(1, tick)[0]
    };
}

fn file_of(bytes: &[u8]) -> Result<tempfile::NamedTempFile> {
    let mut file = tempfile::NamedTempFile::new()?;
    file.write_all(bytes)?;
    file.flush()?;
    Ok(file)
}

/// Returns how many times faster than it was played a match verifies, opening of the file included.
fn times_realtime(file: &tempfile::NamedTempFile) -> Result<Samples> {
    let mut runs = Vec::with_capacity(RUNS);
    for _ in 0..RUNS {
        let mut verified = None;
        let spent = thread_cpu_seconds(|| {
            let reader = File::open(file.path()).map(Reader::open);
            let game = ArenaMatch::new(CpuBackend::with_path(Path::Avx2));
            verified = reader.ok().and_then(Result::ok).map(|it| verify(it, game, |_| ()));
        });
        let is_true = verified.is_some_and(|it| it.is_ok_and(|it| it.is_true()));
        ensure!(is_true, "the replay that is measured verifies");
        runs.push(f64::from(TICKS) / TICKS_PER_SECOND / spent);
    }
    Ok(Samples::new(runs))
}

/// Returns nanoseconds a tick for writing a match again, hashes and keyframes included.
fn write_ns(played: &[u8]) -> Result<Samples> {
    let mut reader = Reader::open(std::io::Cursor::new(played))?;
    let header: Header = reader.header().clone();
    let (mut ticks, mut states): (Vec<SeatInputs>, Vec<Vec<u8>>) = (Vec::new(), Vec::new());
    while let Some(chunk) = reader.next_chunk()? {
        match chunk.content {
            Content::Inputs(inputs) => ticks.extend(inputs),
            Content::Keyframe(state) => states.push(state),
            _ => {}
        }
    }
    let mut encoder = Encoder::new()?;
    let mut runs = Vec::with_capacity(RUNS);
    for _ in 0..RUNS {
        let mut written = Ok(0);
        let spent = thread_cpu_seconds(|| {
            written = write(&header, &ticks, &states, &mut encoder);
        });
        ensure!(written? > 0, "something was written");
        runs.push(spent * 1e9 / ticks.len() as f64);
    }
    Ok(Samples::new(runs))
}

fn write(
    header: &Header,
    ticks: &[SeatInputs],
    states: &[Vec<u8>],
    encoder: &mut Encoder,
) -> Result<usize> {
    let mut writer = Writer::new(header, Settings::default())?;
    let (mut states, mut bytes) = (states.iter(), 0);
    for (tick, inputs) in (0..).zip(ticks) {
        writer.inputs(tick, inputs, encoder)?;
        if writer.is_hash_due() {
            writer.hash(u64::from(tick), encoder)?;
        }
        if writer.is_keyframe_due()
            && let Some(state) = states.next()
        {
            writer.keyframe(state, encoder)?;
        }
        bytes += writer.take().map_or(0, |it| it.bytes.len());
    }
    Ok(bytes + writer.finish(Outcome::default(), 0, encoder)?.bytes.len())
}
