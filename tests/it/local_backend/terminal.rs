//! arenactl on a real pseudo-terminal, as `script` makes it, and without one.

use std::process::Stdio;

use anyhow::{Context as _, bail};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use super::{CHANGE, LIMIT, Region, units};

/// What a terminal sends for Ctrl-C.
const CTRL_C: &[u8] = b"\x03";
const HIDE_CURSOR: &str = "\x1b[?25l";
const SHOW_CURSOR: &str = "\x1b[?25h";

/// A command on a terminal of 100 × 40, and a person in front of it.
struct Terminal {
    child: Child,
    keys: ChildStdin,
    screen: ChildStdout,
    shown: String,
}

impl Terminal {
    fn open(region: &Region, args: &[&str]) -> anyhow::Result<Self> {
        let arenactl = arena_tests::binary("arenactl")?;
        let line = format!("stty cols 100 rows 40; exec {} {}", arenactl.display(), args.join(" "));
        let mut child = Command::new("script")
            .args(["--quiet", "--return", "--flush", "--command", &line, "/dev/null"])
            .current_dir(region.folder.path())
            .env("XDG_STATE_HOME", region.folder.path().join("state"))
            .env("TERM", "xterm-256color")
            .env_remove("NO_COLOR")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("script: it is in Debian's bsdutils")?;
        let keys = child.stdin.take().context("stdin")?;
        let screen = child.stdout.take().context("stdout")?;
        Ok(Self { child, keys, screen, shown: String::new() })
    }

    /// Reads until the screen has shown `text`.
    async fn until(&mut self, text: &str) -> anyhow::Result<()> {
        while !self.shown.contains(text) {
            if self.read().await? == 0 {
                bail!("it ended without `{text}`:\n{}", self.shown);
            }
        }
        Ok(())
    }

    /// Reads to the end; returns the exit code.
    async fn end(&mut self) -> anyhow::Result<i32> {
        while self.read().await? > 0 {}
        let status = timeout(LIMIT, self.child.wait()).await??;
        status.code().context("`script` was killed")
    }

    async fn read(&mut self) -> anyhow::Result<usize> {
        let mut bytes = [0; 4096];
        let count = timeout(LIMIT, self.screen.read(&mut bytes))
            .await
            .with_context(|| format!("nothing for {LIMIT:?} after:\n{}", self.shown))??;
        self.shown += &String::from_utf8_lossy(&bytes[..count]);
        Ok(count)
    }
}

#[tokio::test]
async fn ctrl_c_leaves_a_deploy_where_it_stands_and_resume_finishes_it() {
    let region = Region::deployed().unwrap();
    let go = region.folder.path().join("go");
    let setting = format!("services.play.env.STUB_READY_ONCE={}", go.display());
    let mut terminal = Terminal::open(&region, &["deploy", "--set", &setting]).unwrap();
    terminal.until("play-r2-0 to be ready").await.unwrap();
    terminal.keys.write_all(CTRL_C).await.unwrap();
    let code = terminal.end().await.unwrap();
    assert_eq!(code, 130, "{}", terminal.shown);
    assert!(terminal.shown.contains("press again to take it back"), "{}", terminal.shown);
    assert!(terminal.shown.contains("`arenactl resume --region local`"), "{}", terminal.shown);

    let status = region.status().unwrap();
    assert!(status["lock"].is_null() && !status["rollout"].is_null(), "{status:#}");
    std::fs::write(go, "").unwrap();
    let resumed = region.run(&["resume"]).unwrap();
    assert_eq!(resumed.code, Some(0), "{}", resumed.stderr);
    let ready = |name: &str| (name.to_owned(), "ready".to_owned());
    let expected = [ready("gateway-r1-0"), ready("keeper-r1-0"), ready("play-r2-0")];
    assert_eq!(units(&region.status().unwrap()), expected);
}

#[tokio::test]
async fn ctrl_c_twice_takes_a_deploy_back() {
    let region = Region::deployed().unwrap();
    let never = "services.play.env.STUB_NEVER_READY=1";
    let mut terminal = Terminal::open(&region, &["deploy", "--set", never]).unwrap();
    terminal.until("play-r2-0 to be ready").await.unwrap();
    terminal.keys.write_all(CTRL_C).await.unwrap();
    terminal.until("press again to take it back").await.unwrap();
    terminal.keys.write_all(CTRL_C).await.unwrap();
    assert_eq!(terminal.end().await.unwrap(), 10, "{}", terminal.shown);
    super::assert_serving(&region.status().unwrap(), "r1");
}

#[tokio::test]
async fn a_person_sees_plan_progress_and_address_and_gets_the_cursor_back() {
    let region = Region::new().unwrap();
    let mut terminal = Terminal::open(&region, &["deploy"]).unwrap();
    assert_eq!(terminal.end().await.unwrap(), 0, "{}", terminal.shown);
    let shown = &terminal.shown;
    for part in [
        "local (dev): nothing -> r1",
        "keeper: recreate (one process alone may open its data)",
        "play-r1-0                    \x1b[32mready\x1b[0m in ",
        "\x1b[32m✓ local runs r1",
        "play at http://127.0.0.1:",
    ] {
        assert!(shown.contains(part), "no `{part}` in:\n{shown}");
    }
    let last_lines = shown.trim_end().rsplit("\r\n").take(5).collect::<Vec<_>>();
    assert!(last_lines[4].contains("gateway-r1-0"), "rows stay as lines: {last_lines:?}");
    // Rows are drawn in place, and a cursor that was hidden is shown again.
    assert!(shown.contains("\x1b[2K") || shown.contains("\x1b[1A"), "{shown:?}");
    let (hidden, back) = (shown.rfind(HIDE_CURSOR), shown.rfind(SHOW_CURSOR));
    assert!(hidden.is_none() || back > hidden, "{shown:?}");
}

#[test]
fn a_pipe_gets_plain_lines() {
    let region = Region::deployed().unwrap();
    let args: Vec<&str> = ["deploy"].into_iter().chain(CHANGE).collect();
    let answer = region.run(&args).unwrap();
    assert_eq!(answer.code, Some(0), "{}", answer.stderr);
    assert!(!answer.stderr.contains('\x1b'), "{:?}", answer.stderr);
    assert!(answer.stderr.contains("local play-r2-0 is ready\n"), "{}", answer.stderr);
    assert!(answer.stderr.contains("play at http://127.0.0.1:"), "{}", answer.stderr);
}
