use std::net::TcpListener;

use super::*;

fn check(side: &str, markers: &Path) -> Result<&'static str, String> {
    let environment = [("ARENA_INSTANCE", "game-r1-0"), ("ARENA_SIDE_ADDR", side)];
    check_health(&environment, markers).map_err(|it| whole(&it))
}

#[test]
fn what_is_not_known_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let missing = check_health(&[("ARENA_SIDE_ADDR", "9100")], folder.path()).unwrap_err();
    let missing = whole(&missing);
    assert!(missing.contains("ARENA_INSTANCE is not set"), "{missing}");
    assert!(missing.contains("ARENA_SIDE_ADDR=`9100`: must be"), "{missing}");
    assert!(!missing.contains('\n'), "Docker keeps one line: {missing}");
    let unknown = check("0.0.0.0:0", folder.path()).unwrap_err();
    assert!(unknown.contains("ARENA_SIDE_ADDR a port other than 0"), "{unknown}");
}

#[test]
fn nobody_there_or_nobody_who_answers_is_unhealthy_in_time() {
    let folder = tempfile::tempdir().unwrap();
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = mute.local_addr().unwrap();
    let began = Instant::now();
    let error = check(&format!("0.0.0.0:{}", addr.port()), folder.path()).unwrap_err();
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    assert!(error.starts_with(&format!("get /readyz of {addr}: ")), "{error}");
    drop(mute);
    let error = check(&addr.to_string(), folder.path()).unwrap_err();
    assert!(error.contains("refused"), "{error}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "it was never ready");
}

#[test]
fn all_addresses_are_asked_on_the_loopback_one() {
    for (bound, asked) in [
        ("0.0.0.0:9100", "127.0.0.1:9100"),
        ("[::]:9100", "[::1]:9100"),
        ("10.0.0.7:9100", "10.0.0.7:9100"),
    ] {
        assert_eq!(reachable(bound.parse().unwrap()), asked.parse().unwrap(), "{bound}");
    }
}
