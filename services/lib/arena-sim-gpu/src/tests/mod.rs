//! The backend on a software device: slow, and the same bits. A machine without one fails these tests.
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use arena_sim::Rules;

use crate::testing::any_rules;
use crate::{Accept, Gpu, GpuBackend, Kernel, Options};

mod edges;
mod loss;
mod matches;
mod parity;

/// Few matches a page, so that small tests use several pages. A software device compiles at the first
/// dispatch, on a busy machine for long.
const OPTIONS: Options = Options {
    workgroup: 64,
    hash_every_ticks: 4,
    first_page_matches: 2,
    answer_max: Duration::from_mins(2),
};

static NARROW: LazyLock<Arc<Gpu>> = LazyLock::new(|| open(OPTIONS));
static WIDE: LazyLock<Arc<Gpu>> = LazyLock::new(|| open(Options { workgroup: 256, ..OPTIONS }));

fn open(options: Options) -> Arc<Gpu> {
    Gpu::open(Accept::Software, options).expect(
        "a Vulkan device, if only in software: apt-get install mesa-vulkan-drivers libvulkan1",
    )
}

/// Returns a backend with 64 lanes a match, on the device that all tests share.
fn narrow() -> GpuBackend {
    GpuBackend::new(NARROW.clone())
}

/// The same with 256 lanes a match.
fn wide() -> GpuBackend {
    GpuBackend::new(WIDE.clone())
}

/// Returns a backend with another kernel, on a device of its own.
fn with_kernel(kernel: &Kernel) -> GpuBackend {
    let opened = Gpu::open_with(Accept::Software, OPTIONS, kernel);
    GpuBackend::new(opened.expect("a kernel that compiles"))
}

/// Returns random rules of three size classes. Each takes the driver seconds to compile; `make sim` uses all.
fn some_rules(seed: u32) -> Rules {
    let tries = (0..).map(|i| any_rules(seed.wrapping_add(i * 0x9e37)));
    let is_used = |rules: &Rules| matches!(rules.capacity().index(), 1 | 2 | 5);
    tries.into_iter().find(is_used).expect("one of two random rules is of these classes")
}

/// Returns the seed of a random test: `SEED=` repeats one.
fn seed() -> u32 {
    let given = std::env::var("SEED").ok().and_then(|text| text.parse().ok());
    let seed = given.unwrap_or_else(|| {
        let clock = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
        clock.as_nanos() as u32
    });
    println!("SEED={seed}");
    seed
}
