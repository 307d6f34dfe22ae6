//! Verbs that talk to a running arena: flags, rules, certificates, one instance, one service.

use arena_tests::{Ran, TestRegion};
use serde_json::Value;

use super::SETTINGS;

async fn json(region: &TestRegion, args: &[&str]) -> anyhow::Result<Value> {
    let args: Vec<&str> = args.iter().copied().chain(["--output", "json"]).collect();
    region.run(&args).await?.expect_code(0)?.json()
}

/// Runs a command that must be refused with exit 3, and returns what it told people.
async fn refused(region: &TestRegion, args: &[&str]) -> anyhow::Result<String> {
    let Ran { stderr, .. } = region.run(args).await?.expect_code(3)?;
    Ok(stderr)
}

#[tokio::test]
async fn flags_rules_certificates_and_instances_are_seen_and_changed() -> anyhow::Result<()> {
    let region = TestRegion::new(SETTINGS).await?;
    region.deploy(&[]).await?.expect_code(0)?;
    flags(&region).await?;
    rules(&region).await?;
    certificates(&region).await?;
    one_instance(&region).await?;
    region.close().await
}

async fn flags(region: &TestRegion) -> anyhow::Result<()> {
    let on = json(region, &["flag", "on", "fog", "--rollout", "12.5"]).await?;
    assert_eq!(on["flags"][0]["rollout_percent"], 12.5, "{on}");
    let off = json(region, &["flag", "off", "fog"]).await?;
    assert_eq!(off["flags"][0]["enabled"], false, "{off}");
    assert_eq!(json(region, &["flag", "list"]).await?, off);
    assert_eq!(json(region, &["flag", "remove", "fog"]).await?["flags"], serde_json::json!([]));
    let told = refused(region, &["flag", "on", "Fog"]).await?;
    assert!(told.contains("`config` failed to write name"), "{told}");
    Ok(())
}

/// The rules of arena.yaml are version 2 and in force; a person publishes a third and goes back to the first.
async fn rules(region: &TestRegion) -> anyhow::Result<()> {
    let active = |list: &Value| {
        let versions = list["versions"].as_array().cloned().unwrap_or_default();
        let active = versions.iter().find(|it| it["active"] == true);
        active.and_then(|it| it["version"].as_u64())
    };
    assert_eq!(active(&json(region, &["rules", "list"]).await?), Some(2));
    let file = region.state_home().join("rules.json");
    std::fs::write(&file, r#"{"match": {"frag_limit": 7}}"#)?;
    let path = file.display().to_string();
    let later = json(region, &["rules", "publish", "--inactive", &path]).await?;
    assert_eq!((active(&later), later["versions"].as_array().map(Vec::len)), (Some(2), Some(3)));
    let shown = region.run(&["rules", "show", "3"]).await?.expect_code(0)?.json()?;
    assert_eq!(shown["match"]["frag_limit"], 7, "{shown}");
    assert_eq!(active(&json(region, &["rules", "activate", "1"]).await?), Some(1));
    assert_eq!(active(&json(region, &["rules", "publish", &path]).await?), Some(3));
    let told = refused(region, &["rules", "show", "99"]).await?;
    assert!(told.contains("version 99"), "{told}");
    Ok(())
}

async fn certificates(region: &TestRegion) -> anyhow::Result<()> {
    let list = json(region, &["certs", "list"]).await?;
    let ids = list["certificates"].as_array().cloned().unwrap_or_default();
    assert_eq!(ids.len(), 8, "one an instance: {list}");
    assert!(ids.iter().any(|it| it["id"] == "spiffe://arena/game/game-r1-0"), "{list}");
    let folder = region.state_home().join("operator");
    let args = ["certs", "issue", &folder.display().to_string(), "--name", "ada"];
    assert_eq!(json(region, &args).await?["id"], "spiffe://arena/operator/ada");
    for name in ["cert.pem", "key.pem", "roots.pem"] {
        assert!(folder.join(name).is_file(), "{name}");
    }
    Ok(())
}

async fn one_instance(region: &TestRegion) -> anyhow::Result<()> {
    region.run(&["scale", "game=2", "--yes"]).await?.expect_code(0)?;
    assert_eq!(region.instances("game").await?.len(), 2);
    let drained = region.run(&["drain", "game-r1-1"]).await?.expect_code(0)?;
    assert!(drained.stderr.contains("game-r1-1 is empty"), "{}", drained.stderr);
    assert_eq!(region.instances("game").await?[1]["state"], "empty");
    region.run(&["drain", "game-r1-1", "--cancel"]).await?.expect_code(0)?;
    assert_eq!(region.instances("game").await?[1]["state"], "ready");
    region.run(&["scale", "game=1", "--yes"]).await?.expect_code(0)?;
    assert_eq!(region.instances("game").await?.len(), 1);
    let logs = region.run(&["logs", "game-r1-1"]).await?.expect_code(0)?;
    assert!(logs.stdout.contains("state changes"), "also of one that has stopped: {}", logs.stdout);
    Ok(())
}
