//! A deploy as a person sees it, kept as a picture: `make picture` puts it into `docs/`.

use std::path::Path;

use arena_tests::{Browser, Terminal, TestRegion, page};
use serde_json::json;

use super::SETTINGS;

/// Columns of the terminal.
const COLUMNS: usize = 96;

#[tokio::test]
async fn a_deploy_in_a_terminal_shows_plan_progress_and_address() -> anyhow::Result<()> {
    let region = TestRegion::new(SETTINGS).await?;
    region.deploy(&[]).await?.expect_code(0)?;
    let typed = ["--set", "services.game.env.MODE=fast", "--set", "services.gateway.env.MODE=fast"];
    let args = region.deploy_args(&typed);
    // Without `--yes`, so that the plan is shown: nobody is asked on region `local`.
    let args: Vec<&str> = args.iter().map(String::as_str).filter(|it| *it != "--yes").collect();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut terminal = Terminal::open(&root, region.state_home(), COLUMNS, &args)?;
    assert_eq!(terminal.end().await?, 0, "{}", terminal.shown());
    for part in [
        "local (dev): r1 -> r2",
        "running matches move, or finish where they are",
        "game-r2-0",
        "✓ local runs r2, revision 2",
        "play at http://127.0.0.1:",
    ] {
        assert!(terminal.shown().contains(part), "no `{part}` in {}", terminal.shown());
    }
    let prompt = format!(
        "arenactl deploy --region local {} \\\n    {}",
        typed[..2].join(" "),
        typed[2..].join(" ")
    );
    save(&page(&prompt, terminal.shown(), COLUMNS)).await?;
    region.close().await
}

/// Leaves the page and its picture in `target/tmp/screenshots/`.
async fn save(html: &str) -> anyhow::Result<()> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("screenshots");
    std::fs::create_dir_all(&folder)?;
    let file = folder.join("deploy.html");
    std::fs::write(&file, html)?;
    let browser = Browser::start()?;
    let mut page = browser.open(&format!("file://{}", file.display())).await?;
    let size = "document.querySelector('pre') && [document.querySelector('pre').offsetWidth, \
                document.querySelector('pre').offsetHeight]";
    let size = page.wait(size, std::time::Duration::from_secs(30)).await?;
    let metrics =
        json!({"width": size[0], "height": size[1], "deviceScaleFactor": 1.5, "mobile": false});
    page.call("Emulation.setDeviceMetricsOverride", metrics).await?;
    Ok(std::fs::write(folder.join("deploy.png"), page.screenshot().await?)?)
}
