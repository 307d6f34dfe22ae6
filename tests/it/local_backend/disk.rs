//! A full disk, end to end: the state folder is a small disk of its own.

use std::process::Command;

use super::Region;
use crate::conformance::Place;

/// The disk exists in a mount namespace of this shell, and is gone with the last process in it. Prints the exit
/// code of each command; what they say goes to `out`.
const SCRIPT: &str = r#"
mkdir -p state && mount -t tmpfs -o size="$1" tmpfs state || exit 99
shift
run() { "$ARENACTL" "$@" >>out 2>&1; echo "$1 $?"; }
run deploy
ledger=state/arena/demo/local/ledger.sqlite
if [ "$1" = fill ]; then
  # A log that was left behind, because arenactl ended before SQLite had closed it, would give room later.
  tries=0
  while [ -e $ledger-wal ] && [ $tries -lt 99 ]; do "$ARENACTL" status >>out 2>&1; tries=$((tries + 1)); done
  head -c 1G /dev/zero >state/fill 2>/dev/null
  run deploy --set services.play.env.MODE=new
  run status --output json
  rm state/fill
  run deploy --set services.play.env.MODE=new
fi
case "$1" in killed*)
  "$ARENACTL" deploy --set services.play.env.MODE=new >>out 2>&1 &
  tries=0
  until [ -s $ledger-wal ]; do tries=$((tries + 1)); [ $tries -lt 9999 ] || exit 98; sleep 0.001; done
  kill -9 $!
  wait $!
  head -c 1G /dev/zero >state/fill 2>/dev/null
  rm $ledger-shm
  head -c 1G /dev/zero >state/fill2 2>/dev/null
  if [ "$1" = killed ]; then
    run status --output json
  else
    # How far it comes hangs on where the other one was killed.
    "$ARENACTL" deploy --set services.play.env.MODE=new >>out 2>&1 && exit 97
  fi
  rm state/fill state/fill2
  [ "$1" = killed ] && run deploy --set services.play.env.MODE=new
esac
run down --yes --now
"#;

/// Returns the exit codes, and what was said.
fn on_disk_of(size: &str, then: &str) -> anyhow::Result<(String, String)> {
    let region = Region::new()?;
    let mut command = Command::new("unshare");
    if !rustix::process::geteuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    let output = command
        .args(["--mount", "sh", "-c", SCRIPT, "sh", size, then])
        .current_dir(region.folder.path())
        .env("ARENACTL", arena_tests::binary("arenactl")?)
        .env("XDG_STATE_HOME", region.folder.path().join("state"))
        .output()?;
    assert!(output.status.success(), "{output:?}");
    let said = std::fs::read_to_string(region.folder.path().join("out"))?;
    Ok((String::from_utf8(output.stdout)?, said))
}

#[test]
fn programs_that_do_not_fit_change_nothing_and_the_error_names_path_and_way_out() {
    let (codes, said) = on_disk_of("1m", "end").unwrap();
    assert_eq!(codes, "deploy 4\ndown 0\n", "{said}");
    assert!(said.contains("no space left to write `"), "{said}");
    assert!(said.contains("state/arena/demo/artifacts/sha256/"), "{said}");
    assert!(said.contains("help: free space on the disk of `"), "{said}");
}

#[test]
fn a_disk_that_fills_up_leaves_the_old_release_serving_and_looked_at() {
    let (codes, said) = on_disk_of("512m", "fill").unwrap();
    assert_eq!(codes, "deploy 0\ndeploy 4\nstatus 0\ndeploy 0\ndown 0\n", "{said}");
    assert!(said.contains("ledger.sqlite`, nothing was changed there"), "{said}");
    assert!(said.contains("help: free space on the disk of `"), "{said}");
    assert!(said.contains("\"release\": \"r1\""), "{said}");
    assert!(said.contains("\"state\": \"ready\""), "{said}");
}

#[test]
fn a_region_whose_deploy_was_killed_is_looked_at_on_a_full_disk() {
    let (codes, said) = on_disk_of("512m", "killed").unwrap();
    assert_eq!(codes, "deploy 0\nstatus 0\ndeploy 0\ndown 0\n", "{said}");
    assert!(said.contains("\"release\": \"r1\""), "{said}");
}

#[test]
fn a_deploy_after_one_that_was_killed_says_that_the_disk_is_full() {
    let (codes, said) = on_disk_of("512m", "killed and deployed").unwrap();
    assert_eq!(codes, "deploy 0\ndown 0\n", "{said}");
    assert!(said.contains("no space left to write `"), "{said}");
    assert!(said.contains("help: free space on the disk of `"), "{said}");
}
