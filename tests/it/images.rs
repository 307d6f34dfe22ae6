//! `arenactl build` and `push` on a real engine with a real registry.

use std::path::{Path, PathBuf};
use std::process::Output;

use anyhow::Context as _;
use arena_tests::{Lab, LabSpec, binary};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::Command;

/// The registry as the engine sees it.
const REGISTRY: &str = "images.registry=127.0.0.1:5000/arena";
/// A base that is nothing but the record of one package.
const BASE: &str = "images.base=record:1";
const PACKAGE: &str =
    "Package: libc6\nStatus: install ok installed\nArchitecture: amd64\nVersion: 2.36-9+deb12u10\n";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ is in the root").to_owned()
}

/// A lab, and arenactl as a person calls it there.
struct Bench {
    lab: Lab,
    folder: tempfile::TempDir,
}

impl Bench {
    async fn start() -> anyhow::Result<Self> {
        let lab = Lab::start(LabSpec::default()).await?;
        let bench = Self { lab, folder: tempfile::tempdir()? };
        bench.import_base().await?;
        Ok(bench)
    }

    async fn import_base(&self) -> anyhow::Result<()> {
        let records = self.folder.path().join("base/var/lib/dpkg");
        std::fs::create_dir_all(&records)?;
        std::fs::write(records.join("status"), PACKAGE)?;
        let (base, tar) = (self.folder.path().join("base"), self.folder.path().join("base.tar"));
        let packed = Command::new("tar").arg("-cf").arg(&tar).arg("-C").arg(base).arg(".").status();
        anyhow::ensure!(packed.await?.success(), "tar fails");
        let import = ["import", &tar.display().to_string(), "record:1"];
        self.lab.docker(1, &import).await.map(drop)
    }

    /// Runs arenactl on the repository's own spec and Dockerfile, against the lab's engine.
    async fn run(&self, args: &[&str]) -> anyhow::Result<Output> {
        Ok(self.command(args)?.output().await?)
    }

    fn command(&self, args: &[&str]) -> anyhow::Result<Command> {
        let engine = format!("unix://{}", self.lab.socket(1).display());
        let mut command = Command::new(binary("arenactl")?);
        command.args(args).args(["--service", "arenactl", "--set", REGISTRY, "--set", BASE]);
        command.current_dir(root()).env("DOCKER_HOST", engine);
        // Whoever runs the tests may be logged in somewhere.
        command.env("DOCKER_CONFIG", self.folder.path()).env_remove("DOCKER_CERT_PATH");
        command.kill_on_drop(true);
        Ok(command)
    }

    /// Runs arenactl against the engine's port, with the certificates of a folder.
    async fn over_tls(&self, certificates: &Path, args: &[&str]) -> anyhow::Result<Output> {
        let mut command = self.command(args)?;
        command.env("DOCKER_HOST", self.lab.tcp_endpoint(1));
        Ok(command.env("DOCKER_CERT_PATH", certificates).output().await?)
    }

    /// Runs arenactl to a good end and returns the one image it tells of.
    async fn image(&self, args: &[&str]) -> anyhow::Result<Value> {
        let output = self.run(&[args, &["--output", "json"]].concat()).await?;
        let told = String::from_utf8_lossy(&output.stderr);
        anyhow::ensure!(output.status.success(), "{args:?}: {told}");
        let document: Value = serde_json::from_slice(&output.stdout)?;
        Ok(document["images"][0].clone())
    }

    /// Runs arenactl, which must fail with exit 4, and returns what it tells.
    async fn failure(&self, args: &[&str]) -> anyhow::Result<String> {
        let output = self.run(args).await?;
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(4), "{args:?}: {told}");
        Ok(told)
    }

    /// Asks the registry what it calls a tag.
    async fn registered(&self, tag: &str) -> anyhow::Result<String> {
        let mut stream = TcpStream::connect(self.lab.registry_address()).await?;
        let head = format!(
            "HEAD /v2/arena/arenactl/manifests/{tag} HTTP/1.1\r\nHost: lab\r\nConnection: close\r\n\
             Accept: application/vnd.docker.distribution.manifest.v2+json\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        let digest = answer.lines().find_map(|it| it.strip_prefix("Docker-Content-Digest: "));
        Ok(digest.with_context(|| answer.clone())?.to_owned())
    }

    async fn layers(&self, tag: &str) -> anyhow::Result<Vec<String>> {
        let image = format!("127.0.0.1:5000/arena/arenactl:{tag}");
        let inspect = ["image", "inspect", "--format", "{{json .RootFS.Layers}}", &image];
        Ok(serde_json::from_str(&self.lab.docker(1, &inspect).await?)?)
    }
}

#[tokio::test]
async fn an_image_is_built_and_pushed_under_the_digest_that_is_told() -> anyhow::Result<()> {
    let bench = Bench::start().await?;
    let told = bench.failure(&["push", "--tag", "one"]).await?;
    assert!(told.contains("`127.0.0.1:5000/arena/arenactl:one` is not built on"), "{told}");

    let sbom = bench.folder.path().join("sbom");
    let sbom = sbom.to_str().context("a name in UTF-8")?;
    let built = bench.image(&["build", "--tag", "one", "--sbom", sbom]).await?;
    assert_eq!((&built["user"], &built["service"]), (&"65532:65532".into(), &"arenactl".into()));
    assert!(built["size_bytes"].as_u64() > Some(1_000_000), "{built}");
    let bom = std::fs::read_to_string(format!("{sbom}/arenactl.cdx.json"))?;
    for part in ["pkg:deb/debian/libc6@2.36-9%2Bdeb12u10?arch=amd64", "pkg:cargo/bollard@"] {
        assert!(bom.contains(part), "{part}");
    }
    let again = bench.image(&["build", "--tag", "one"]).await?;
    assert_eq!(again["id"], built["id"]);

    let pushed = bench.image(&["push", "--tag", "one"]).await?;
    assert_eq!(pushed["digest"], bench.registered("one").await?.as_str());
    // Both in one command, and every event is an object.
    let output = bench.run(&["build", "--push", "--tag", "two", "--output", "jsonl"]).await?;
    let lines = String::from_utf8(output.stdout)?;
    let events: Vec<Value> = lines.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let last = events.last().context("events")?;
    assert_eq!(last["images"][0]["digest"], bench.registered("two").await?.as_str());
    assert!(events.iter().any(|it| it["phase"] == "build" && it["step"] == 1), "{lines}");

    bench.lab.stop_registry().await?;
    let told = bench.failure(&["push", "--tag", "one"]).await?;
    assert!(told.contains("registry `127.0.0.1:5000` is not reachable"), "{told}");
    assert!(told.contains("help:") && told.contains("curl -i http://127.0.0.1:5000/v2/"), "{told}");
    bench.lab.close().await
}

#[tokio::test]
async fn the_layer_of_a_program_is_the_same_with_an_empty_cache() -> anyhow::Result<()> {
    let bench = Bench::start().await?;
    bench.image(&["build", "--tag", "one"]).await?;
    let first = bench.layers("one").await?;
    bench.lab.docker(1, &["image", "rm", "127.0.0.1:5000/arena/arenactl:one"]).await?;
    bench.lab.docker(1, &["image", "prune", "--force"]).await?;
    bench.image(&["build", "--tag", "one"]).await?;
    let second = bench.layers("one").await?;
    assert_eq!(first.last(), second.last(), "{first:?} {second:?}");
    bench.lab.close().await
}

#[tokio::test]
async fn an_engine_over_tcp_wants_a_certificate_of_its_own_authority() -> anyhow::Result<()> {
    let bench = Bench::start().await?;
    let known = bench.over_tls(&bench.lab.certificates(), &["build", "--tag", "one"]).await?;
    assert!(known.status.success(), "{}", String::from_utf8_lossy(&known.stderr));

    let stranger = bench.folder.path();
    let own = rcgen::generate_simple_self_signed(["stranger".to_owned()])?;
    std::fs::copy(bench.lab.certificates().join("ca.pem"), stranger.join("ca.pem"))?;
    std::fs::write(stranger.join("cert.pem"), own.cert.pem())?;
    std::fs::write(stranger.join("key.pem"), own.signing_key.serialize_pem())?;
    let refused = bench.over_tls(stranger, &["build", "--tag", "one"]).await?;
    let told = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(4), "{told}");
    assert!(told.contains("certificate not accepted between arenactl and"), "{told}");
    bench.lab.close().await
}

#[tokio::test]
async fn a_step_that_fails_is_told_with_its_image_and_its_output() -> anyhow::Result<()> {
    let bench = Bench::start().await?;
    let dockerfile = bench.folder.path().join("Dockerfile");
    std::fs::write(&dockerfile, "ARG BASE\nFROM ${BASE} AS plain\nCOPY nothing /\n")?;
    let dockerfile = dockerfile.display().to_string();
    let told = bench.failure(&["build", "--tag", "one", "--dockerfile", &dockerfile]).await?;
    let wanted = "image `127.0.0.1:5000/arena/arenactl:one` failed at step 3/";
    assert!(told.contains(wanted) && told.contains("COPY nothing /"), "{told}");

    bench.lab.stop_daemon(1).await?;
    let told = bench.failure(&["build", "--tag", "one"]).await?;
    assert!(told.contains("no docker engine answers at"), "{told}");
    bench.lab.close().await
}
