//! The target `gpu` of the image file, on a base that has no driver but Mesa's.

use std::path::Path;

use arena_tests::{Lab, LabSpec, binary};
use tempfile::TempDir;
use tokio::process::Command;

/// Makes the base of `kind` here and imports it into the lab's engine.
async fn import_base(lab: &Lab, kind: &str) -> anyhow::Result<()> {
    let endpoint = format!("unix://{}", lab.socket(1).display());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.ci/base-image");
    let output = Command::new(script).args([kind, &endpoint]).output().await?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// Only with `ARENA_TEST_FULL`: the base is 350 MB, and made in a minute.
#[tokio::test]
async fn the_gpu_target_takes_a_base_that_has_the_loader_and_fetches_nothing() -> anyhow::Result<()>
{
    if std::env::var_os("ARENA_TEST_FULL").is_none() {
        return Ok(());
    }
    let lab = Lab::start(LabSpec::default()).await?;
    import_base(&lab, "gpu").await?;
    let context = TempDir::new()?;
    let file = context.path().join("Dockerfile.gpu");
    std::fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("../Dockerfile.gpu"), &file)?;
    std::fs::create_dir_all(context.path().join("target/release"))?;
    std::fs::copy(binary("arena-game")?, context.path().join("target/release/arena-game"))?;
    let (file, context) = (file.display().to_string(), context.path().display().to_string());
    let bases = ["--build-arg", "GPU_BASE=arena-gpu-base:bookworm", "--build-arg", "BASE=scratch"];
    let build = ["build", "--quiet", "--target", "gpu", "--tag", "game:gpu", "--file", &file];
    let service = ["--build-arg", "SERVICE=game", &context];
    lab.docker(1, &[&build[..], &bases, &service].concat()).await?;

    let script = "id --user; touch /data/mine; touch /mine 2>/dev/null || echo read-only; \
                  cat /usr/share/vulkan/icd.d/nvidia_icd.json; ls /usr/lib/*/libvulkan.so.1";
    let run = ["run", "--rm", "--read-only", "--volume", "fresh:/data", "--cap-drop", "ALL"];
    let inside = ["--entrypoint", "sh", "game:gpu", "-c", script];
    let told = lab.docker(1, &[&run[..], &inside].concat()).await?;
    expect_test::expect![[r#"
        65532
        read-only
        {"file_format_version":"1.0.0","ICD":{"library_path":"libGLX_nvidia.so.0","api_version":"1.3"}}
        /usr/lib/x86_64-linux-gnu/libvulkan.so.1
    "#]]
    .assert_eq(&format!("{told}\n"));
    lab.close().await
}
