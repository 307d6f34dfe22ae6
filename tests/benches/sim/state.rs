//! What a match's state costs to move: through the memory each tick, and as a snapshot.
use std::hint::black_box;

use anyhow::Result;
use arena_sim::{Backend, CpuBackend, Rules, SeatInputs, TickOutput};
use arena_testkit::bench::{Bench, Samples, thread_cpu_seconds};

use crate::RUNS;
use crate::load::{Load, rules};

/// Matches that are saved and restored.
const SAVED: usize = 512;
/// A snapshot's bytes around the slab: its head and the hash.
const FRAME_BYTES: usize = 20;

/// Measures and records all of it; `cost_s` is what a match and tick of `load` costs.
pub(crate) fn measure(bench: &mut Bench, load: &Load<CpuBackend>, cost_s: &Samples) -> Result<()> {
    let snapshot = load.backend.export(load.handles[0])?;
    // The whole slab is read. What flies straight is not written, so writing is little.
    let moved = snapshot.len() - FRAME_BYTES + size_of::<SeatInputs>() + size_of::<TickOutput>();
    let stream = stream(moved * load.handles.len());
    let achieved = cost_s.map(|it| moved as f64 / it / 1e9);
    bench.record("memory_read_gb_s", "GB/s", stream.clone());
    bench.record_against("match_tick_gb_s", "GB/s", achieved, ("memory-read", &stream));

    bench.record("snapshot_bytes", "bytes", Samples::exact(snapshot.len() as f64));
    let raw = Samples::exact(snapshot.len() as f64);
    let packed = zstd::bulk::compress(&snapshot, 1)?.len() as f64;
    bench.record_against("snapshot_bytes_zstd1", "bytes", Samples::exact(packed), ("raw", &raw));
    let (export, import) = save_and_restore(load, &rules(512)?)?;
    bench.record("export_us", "us", export);
    bench.record("import_us", "us", import);
    Ok(())
}

/// Returns how fast one core reads memory in order, GB a second, over as much as the load moves in a tick.
fn stream(bytes: usize) -> Samples {
    let words: Vec<u64> = (0..bytes as u64 / 8).collect();
    Samples::measure(RUNS, || {
        let spent = thread_cpu_seconds(|| {
            black_box(black_box(&words).iter().fold(0, |sum: u64, word| sum.wrapping_add(*word)));
        });
        bytes as f64 / spent / 1e9
    })
}

/// Returns microseconds to make a snapshot of a match, and to make a match of one.
fn save_and_restore(load: &Load<CpuBackend>, rules: &Rules) -> Result<(Samples, Samples)> {
    let handles = &load.handles[..SAVED];
    let (mut exports, mut imports) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let mut saved = Ok(Vec::new());
        let spent = thread_cpu_seconds(|| {
            saved = handles.iter().map(|it| load.backend.export(*it)).collect();
        });
        let saved: Vec<Vec<u8>> = saved?;
        exports.push(spent * 1e6 / SAVED as f64);
        let mut backend = CpuBackend::new();
        let mut restored = Ok(());
        let spent = thread_cpu_seconds(|| {
            restored = saved.iter().try_for_each(|it| backend.import(it, rules).map(drop));
        });
        restored?;
        imports.push(spent * 1e6 / SAVED as f64);
    }
    Ok((Samples::new(exports), Samples::new(imports)))
}
