//! arenactl on a real pseudo-terminal, as `script` makes it, and without one.

use arena_tests::Terminal;

use super::Region;
use super::down::busy;
use crate::conformance::{CHANGE, Place, units};

const COLUMNS: usize = 100;
const HIDE_CURSOR: &str = "\x1b[?25l";
const SHOW_CURSOR: &str = "\x1b[?25h";

fn open(region: &Region, args: &[&str]) -> anyhow::Result<Terminal> {
    let folder = region.folder.path();
    Terminal::open(folder, &folder.join("state"), COLUMNS, args)
}

#[tokio::test]
async fn ctrl_c_leaves_a_deploy_where_it_stands_and_resume_finishes_it() {
    let region = Region::deployed().unwrap();
    let go = region.folder.path().join("go");
    let setting = format!("services.play.env.STUB_READY_ONCE={}", go.display());
    let mut terminal = open(&region, &["deploy", "--set", &setting]).unwrap();
    terminal.until("play-r2-0 to be ready").await.unwrap();
    terminal.press_ctrl_c().await.unwrap();
    let code = terminal.end().await.unwrap();
    assert_eq!(code, 130, "{}", terminal.shown());
    assert!(terminal.shown().contains("press again to take it back"), "{}", terminal.shown());
    assert!(terminal.shown().contains("`arenactl resume --region local`"), "{}", terminal.shown());

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
    let mut terminal = open(&region, &["deploy", "--set", never]).unwrap();
    terminal.until("play-r2-0 to be ready").await.unwrap();
    terminal.press_ctrl_c().await.unwrap();
    terminal.until("press again to take it back").await.unwrap();
    terminal.press_ctrl_c().await.unwrap();
    assert_eq!(terminal.end().await.unwrap(), 10, "{}", terminal.shown());
    region.serves("r1");
}

#[tokio::test]
async fn a_person_sees_plan_progress_and_address_and_gets_the_cursor_back() {
    let region = Region::new().unwrap();
    let mut terminal = open(&region, &["deploy"]).unwrap();
    assert_eq!(terminal.end().await.unwrap(), 0, "{}", terminal.shown());
    let shown = terminal.shown();
    for part in [
        "\x1b[1mlocal (dev): nothing -> r1",
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

#[tokio::test]
async fn a_person_sees_what_is_left_of_a_drain_and_until_when() {
    let (region, busy) = busy().unwrap();
    let change = ["deploy", "--set", "services.play.env.MODE=new"];
    let mut terminal = open(&region, &change).unwrap();
    let row = "\x1b[33mmoving\x1b[0m: 3 players, 1 match left, 1 moving; about 30 s to go";
    terminal.until(row).await.unwrap();
    let status = region.run(&["status"]).unwrap().stdout;
    let line = "play: 1 of 1 ready, 0 occupied, 1 draining; 3 players, 1 match left, 1 moving; \
                about 30 s to go, deadline in 60 s\n";
    assert!(status.contains(line), "{status}");
    std::fs::remove_file(busy).unwrap();
    assert_eq!(terminal.end().await.unwrap(), 0, "{}", terminal.shown());
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
