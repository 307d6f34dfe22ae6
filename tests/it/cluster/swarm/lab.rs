//! The lab itself: its nodes, its registry, its images, and that nothing of it is left.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context as _;
use arena_tests::{Image, Lab, LabSpec, binary, wait_for};
use expect_test::expect;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::process::Command;

/// A service is up, or a node seen to be down, within this time, on a machine that also compiles.
const LIMIT: Duration = Duration::from_mins(1);
/// Where the stub listens on its node.
const SIDE_PORT: u16 = 21000;

/// Runs the stub's image as a service on the host network of whichever node.
async fn start_stub(lab: &Lab, image: &Image) -> anyhow::Result<()> {
    let token = lab.folder().join("drain_token");
    std::fs::write(&token, "a token of a test")?;
    let token = token.display().to_string();
    lab.docker(1, &["secret", "create", "drain_token", &token]).await?;
    let side = format!("ARENA_SIDE_ADDR=0.0.0.0:{SIDE_PORT}");
    let mut args = vec!["service", "create", "--detach", "--name", "stub", "--network", "host"];
    args.extend(["--read-only", "--cap-drop", "ALL", "--secret", "drain_token"]);
    for variable in [
        "ARENA_SERVICE=stub",
        "ARENA_INSTANCE=stub-r1-0",
        "ARENA_REGION=lab",
        "ARENA_RELEASE=r1",
        "ARENA_SECRETS_DIR=/run/secrets",
        &side,
    ] {
        args.extend(["--env", variable]);
    }
    args.push(&image.reference);
    lab.docker(1, &args).await.map(drop)
}

/// Asks the stub on a node, from this machine.
async fn readiness(lab: &Lab, node: u8) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect((lab.address(node), SIDE_PORT)).await?;
    stream.write_all(b"GET /readyz HTTP/1.1\r\n\r\n").await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer.lines().next().unwrap_or_default().to_owned())
}

async fn wait_for_state(lab: &Lab, node: u8, state: &str) -> anyhow::Result<()> {
    let name = format!("lab-{node}");
    wait_for(&format!("{name} to be {state}"), LIMIT, || async {
        let args = ["node", "inspect", "--format", "{{.Status.State}}", &name];
        Ok((lab.docker(1, &args).await? == state).then_some(()))
    })
    .await
}

#[tokio::test]
async fn an_image_of_ours_runs_on_the_host_network_of_a_node() -> anyhow::Result<()> {
    let lab = Lab::start(LabSpec::default()).await?;
    let image = lab.push_binary("stub", &binary("arena-stub")?, "test").await?;
    start_stub(&lab, &image).await?;
    wait_for("the stub to be healthy", LIMIT, || async {
        let healthy = lab.docker(1, &["ps", "--quiet", "--filter", "health=healthy"]).await?;
        Ok((!healthy.is_empty()).then_some(()))
    })
    .await?;
    assert_eq!(readiness(&lab, 1).await?, "HTTP/1.1 200 OK");
    let pinned = lab.docker(1, &["service", "inspect", "stub"]).await?;
    assert!(pinned.contains(&image.digest), "{} is not in {pinned}", image.digest);
    lab.close().await
}

#[tokio::test]
async fn an_image_tells_its_user_its_port_its_check_and_its_schemas() -> anyhow::Result<()> {
    let lab = Lab::start(LabSpec::default()).await?;
    let image = lab.push_image("game", "test").await?;
    lab.docker(1, &["pull", "--quiet", &image.reference]).await?;
    let format = "{{.Config.User}} {{json .Config.ExposedPorts}} {{json .Config.Healthcheck.Test}}\n\
                  {{.Config.StopSignal}} {{json .Config.Entrypoint}}\n\
                  {{index .Config.Labels \"org.opencontainers.image.title\"}}";
    let told = lab.docker(1, &["image", "inspect", "--format", format, &image.reference]).await?;
    expect![[r#"
        65532:65532 {"8080/tcp":{}} ["CMD","/service","healthcheck"]
        SIGTERM ["/service"]
        arena/game
    "#]]
    .assert_eq(&format!("{told}\n"));
    for (schema, version) in [
        ("rules", arena_sim::Rules::schema()),
        ("state", arena_sim::SCHEMA),
        ("play", u32::from(arena_wire::play::PROTOCOL_VERSION)),
    ] {
        let format = format!("{{{{index .Config.Labels \"arena.schema.{schema}\"}}}}");
        let args = ["image", "inspect", "--format", &format, &image.reference];
        let told = lab.docker(1, &args).await?;
        assert_eq!(told, version.to_string(), "label arena.schema.{schema} in Dockerfile.gpu");
    }
    // A fresh volume belongs to the user: a service can write there, and nowhere else.
    let args = ["run", "--rm", "--read-only", "--volume", "fresh:/data", &image.reference];
    let _ = lab.docker(1, &args).await; // without settings it ends at once, and the volume is there
    let args = ["volume", "inspect", "--format", "{{.Mountpoint}}", "fresh"];
    let owner = std::fs::metadata(lab.docker(1, &args).await?)?;
    assert_eq!(std::os::unix::fs::MetadataExt::uid(&owner), 65532);
    lab.close().await
}

#[tokio::test]
async fn an_engine_answers_over_tcp_to_a_client_that_shows_a_certificate() -> anyhow::Result<()> {
    let lab = Lab::start(LabSpec::default()).await?;
    let docker = |certificates: &Path| {
        let mut command = Command::new("docker");
        command.args(["--host", &lab.tcp_endpoint(1), "--tlsverify", "info"]);
        command.args(["--format", "{{.Name}}"]).env("DOCKER_CERT_PATH", certificates);
        command
    };
    let known = docker(&lab.certificates()).output().await?;
    assert_eq!(String::from_utf8_lossy(&known.stdout).trim_end(), "lab-1", "{known:?}");
    let unknown = docker(&lab.folder()).output().await?;
    assert!(!unknown.status.success(), "{unknown:?}");
    lab.close().await
}

#[tokio::test]
async fn three_nodes_count_their_gpus_and_refuse_one_too_many() -> anyhow::Result<()> {
    let lab = Lab::start(LabSpec { nodes: 3, gpus: 2, ..LabSpec::default() }).await?;
    let image = lab.push_binary("stub", &binary("arena-stub")?, "test").await?;
    for node in lab.nodes() {
        let format = "{{range .Description.Resources.GenericResources}}\
                      {{.NamedResourceSpec.Kind}}={{.NamedResourceSpec.Value}} {{end}}";
        let args = ["node", "inspect", "--format", format, &format!("lab-{node}")];
        let told = lab.docker(1, &args).await?;
        let gpus: Vec<_> = Lab::gpus(node, 2).iter().map(|it| format!("NVIDIA-GPU={it}")).collect();
        assert_eq!(told.trim_end(), gpus.join(" "), "node {node}");
    }
    let args = ["service", "create", "--detach", "--name", "greedy", "--generic-resource"];
    lab.docker(1, &[&args[..], &["NVIDIA-GPU=3", &image.reference]].concat()).await?;
    wait_for("the refusal", LIMIT, || async {
        let args = ["service", "ps", "--no-trunc", "--format", "{{.Error}}", "greedy"];
        Ok(lab.docker(1, &args).await?.contains("insufficient resources on 3 nodes").then_some(()))
    })
    .await?;
    lab.close().await
}

#[tokio::test]
async fn a_node_that_is_killed_paused_or_cut_off_is_down_until_it_is_back() -> anyhow::Result<()> {
    let lab = Lab::start(LabSpec { nodes: 3, gpus: 1, ..LabSpec::default() }).await?;
    lab.kill_node(3).await?;
    wait_for_state(&lab, 3, "down").await?;
    lab.start_node(3).await?;
    lab.pause_daemon(2).await?;
    wait_for_state(&lab, 2, "down").await?;
    lab.resume_daemon(2).await?;
    lab.wait_until_ready().await?;
    lab.restart_daemon(2).await?;
    lab.wait_until_ready().await?;
    lab.unplug(2).await?;
    wait_for_state(&lab, 2, "down").await?;
    lab.plug(2).await?;
    lab.wait_until_ready().await?;
    lab.close().await
}

#[tokio::test]
async fn nothing_is_pulled_while_the_registry_is_down() -> anyhow::Result<()> {
    let lab = Lab::start(LabSpec::default()).await?;
    let image = lab.push_binary("stub", &binary("arena-stub")?, "test").await?;
    // The name that this machine uses, and not only the nodes.
    let pinned = format!("{}/arena/stub@{}", lab.registry_address(), image.digest);
    lab.stop_registry().await?;
    let refused = lab.docker(1, &["pull", "--quiet", &pinned]).await.unwrap_err();
    assert!(format!("{refused:#}").contains("connection refused"), "{refused:#}");
    lab.start_registry().await?;
    lab.docker(1, &["pull", "--quiet", &pinned]).await?;
    lab.close().await
}

#[tokio::test]
async fn a_full_disk_takes_no_image_until_there_is_room() -> anyhow::Result<()> {
    let lab = Lab::start(LabSpec { nodes: 2, disk_mib: Some(256), ..LabSpec::default() }).await?;
    let image = lab.push_binary("stub", &binary("arena-stub")?, "test").await?;
    let pull = ["pull", "--quiet", &image.reference];
    lab.fill_disk(2).await?;
    let refused = lab.docker(2, &pull).await.unwrap_err();
    assert!(format!("{refused:#}").contains("no space left on device"), "{refused:#}");
    lab.free_disk(2).await?;
    lab.docker(2, &pull).await?;
    lab.close().await
}

/// Returns what of the lab in `folder` this machine still has.
fn left_of(folder: &Path, bridge: &str) -> Vec<String> {
    let mut left = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let read = |name: &str| std::fs::read(entry.path().join(name)).unwrap_or_default();
        let about = [read("cmdline"), read("mountinfo")].concat();
        let about = String::from_utf8_lossy(&about).replace('\0', " ");
        if about.contains(&format!("{}/", folder.display())) {
            left.push(format!("process {}: {about}", entry.file_name().display()));
        }
    }
    let is_link = |it: &std::fs::DirEntry| it.file_name().to_string_lossy().starts_with(bridge);
    let links = std::fs::read_dir("/sys/class/net").unwrap().flatten().filter(is_link);
    left.extend(links.map(|it| format!("link {}", it.file_name().display())));
    if folder.exists() {
        left.push(format!("folder {}", folder.display()));
    }
    left
}

fn bridge_of(lab: &Path) -> String {
    format!("arena-lab{}", lab.file_name().unwrap().display())
}

#[tokio::test]
async fn nothing_is_left_of_a_closed_lab() -> anyhow::Result<()> {
    let lab = Lab::start(LabSpec { nodes: 3, ..LabSpec::default() }).await?;
    let image = lab.push_binary("stub", &binary("arena-stub")?, "test").await?;
    start_stub(&lab, &image).await?;
    let (folder, bridge) = (lab.folder(), bridge_of(&lab.folder()));
    let before = left_of(&folder, &bridge);
    assert!(before.len() > 3 + 4, "three nodes, four links, a folder are in {before:?}");
    lab.close().await?;
    assert_eq!(left_of(&folder, &bridge), Vec::<String>::new());
    Ok(())
}

#[tokio::test]
async fn a_lab_whose_owner_was_killed_is_removed_by_the_next_one() -> anyhow::Result<()> {
    let mut owner = Command::new(binary("arena-lab")?)
        .args(["run", "--", "sh", "-c", "echo $DOCKER_HOST; exec cat"])
        .stdin(Stdio::piped()) // `cat` ends with its owner
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let mut told = BufReader::new(owner.stdout.take().context("its output")?).lines();
    let endpoint = told.next_line().await?.context("an endpoint")?;
    owner.kill().await?;
    let socket = Path::new(endpoint.strip_prefix("unix://").context("a unix socket")?);
    assert!(socket.exists(), "{endpoint} is left");
    let folder = socket.ancestors().nth(3).context("the lab's folder")?;
    Lab::start(LabSpec::default()).await?.close().await?;
    assert_eq!(left_of(folder, &bridge_of(folder)), Vec::<String>::new());
    Ok(())
}
