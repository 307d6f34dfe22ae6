//! Compiles `proto/*.proto` with protox, so that no `protoc` is needed.

use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=proto");
    let mut files: Vec<_> =
        std::fs::read_dir("proto")?.map(|it| it.map(|it| it.path())).collect::<Result<_, _>>()?;
    files.retain(|it| it.extension().is_some_and(|it| it == "proto"));
    files.sort();
    let descriptors = protox::compile(&files, [Path::new("proto")])?;
    tonic_prost_build::configure()
        .build_transport(false)
        .bytes(".arena.store.v1") // values are passed on, not copied
        .compile_fds(descriptors)?;
    Ok(())
}
