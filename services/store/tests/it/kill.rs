//! A real store process, killed in the middle of acknowledged writes: nothing acknowledged is lost.

use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arena_mesh::testing::{TEST_CLUSTER, TestMesh, loopback, mesh_of};
use arena_mesh::{Endpoint, SpiffeId};
use arena_store::conformance::eventually;
use arena_store::{JournalAppend, Stores, TransactionOutcome};
use arena_types::registry::INSTANCES;
use bytes::Bytes;

/// Kills of one run.
const KILLS: u64 = 5;
/// Writes that must be acknowledged between two kills.
const WRITES_BETWEEN: u64 = 200;
/// Writers of each kind.
const WRITERS: u64 = 4;

/// A store process with its certificate, secrets and data.
struct Process {
    mesh: TestMesh,
    addr: SocketAddr,
    folder: tempfile::TempDir,
    child: Option<Child>,
}

impl Process {
    fn start() -> Self {
        let (mesh, folder) = (mesh_of(0), tempfile::tempdir().unwrap());
        let id = SpiffeId::new(TEST_CLUSTER, "store", "store-r1-0").unwrap();
        let leaf = mesh.ca().issue(&id, Duration::from_hours(1)).unwrap();
        for name in ["identity", "secrets", "data"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        leaf.save(&folder.path().join("identity")).unwrap();
        let secret = "0a11181f262d343b".repeat(4);
        fs::write(folder.path().join("secrets/drain_token"), secret).unwrap();
        let (socket, addr) = loopback();
        drop(socket); // the process binds it, every time it starts
        let mut process = Self { mesh, addr, folder, child: None };
        process.run();
        process
    }

    fn run(&mut self) {
        let path = |name: &str| self.folder.path().join(name);
        let log = fs::OpenOptions::new().create(true).append(true).open(path("log")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_store"));
        command
            .env_clear()
            .env("ARENA_CLUSTER", TEST_CLUSTER)
            .env("ARENA_REGION", "local")
            .env("ARENA_SERVICE", "store")
            .env("ARENA_INSTANCE", "store-r1-0")
            .env("ARENA_RELEASE", "r1")
            .env("ARENA_MESH_ADDR", self.addr.to_string())
            .env("ARENA_IDENTITY_DIR", path("identity"))
            .env("ARENA_SECRETS_DIR", path("secrets"))
            .env("ARENA_DATA_DIR", path("data"))
            .env("ARENA_LOG_FORMAT", "text")
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        self.child = Some(command.spawn().unwrap());
    }

    fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap(); // SIGKILL
        child.wait().unwrap();
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    fn stores(&self, service: &str) -> Stores {
        let channel = self.mesh.channel(service, "store");
        let channel = channel.idempotent(arena_store_remote::is_idempotent);
        arena_store_remote::connect(channel.pinned(Endpoint::at(self.addr)))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let _ = std::io::stderr().write_all(self.log().as_bytes());
        }
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Writes numbered keys one after another; returns the numbers that were acknowledged.
async fn write_keys(stores: Stores, writer: u64, done: Arc<AtomicU64>) -> Vec<u64> {
    let mut acknowledged = Vec::new();
    for number in 0.. {
        if done.load(Ordering::Relaxed) >= KILLS {
            break;
        }
        let key = format!("match/{writer}-{number}");
        if stores.registry.put(&key, Bytes::from(number.to_string()), None).await.is_ok() {
            acknowledged.push(number);
        }
    }
    acknowledged
}

/// Appends to a journal; returns the number of the last entry that was acknowledged.
async fn write_journal(stores: Stores, writer: u64, done: Arc<AtomicU64>) -> u64 {
    let mut last = 0;
    while done.load(Ordering::Relaxed) < KILLS {
        let append = JournalAppend {
            journal: format!("match/{writer}/1"),
            after: None,
            entries: vec![Bytes::from(vec![7; 100])],
            ttl: Duration::from_hours(1),
        };
        if let Ok(lasts) = stores.hot.journal_append(vec![append]).await {
            last = lasts[0];
        }
    }
    last
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_when_the_store_is_killed() {
    let mut process = Process::start();
    let done = Arc::new(AtomicU64::new(0));
    let game = process.stores("game");
    let keys: Vec<_> =
        (0..WRITERS).map(|it| tokio::spawn(write_keys(game.clone(), it, done.clone()))).collect();
    let journals: Vec<_> = (0..WRITERS)
        .map(|it| tokio::spawn(write_journal(game.clone(), it, done.clone())))
        .collect();
    let mut floor = 0;
    for kill in 1..=KILLS {
        eventually(&format!("writes go on before kill {kill}"), async || {
            let listing = game.registry.list("match/").await;
            listing.is_ok_and(|it| it.entries.len() as u64 >= floor + WRITES_BETWEEN)
        })
        .await;
        process.kill();
        process.run();
        eventually("it is back", async || game.registry.get("match/0-0").await.is_ok()).await;
        floor = game.registry.list("match/").await.unwrap().entries.len() as u64;
        done.store(kill, Ordering::Relaxed);
    }
    let mut checked = 0;
    for (writer, task) in keys.into_iter().enumerate() {
        for number in task.await.unwrap() {
            let found = game.registry.get(&format!("match/{writer}-{number}")).await.unwrap();
            assert!(found.is_some(), "match/{writer}-{number} was acknowledged\n{}", process.log());
            checked += 1;
        }
    }
    assert!(checked >= KILLS * WRITES_BETWEEN, "{checked}");
    for (writer, task) in journals.into_iter().enumerate() {
        let last = task.await.unwrap();
        let found = game.hot.journal_read(&format!("match/{writer}/1"), last - 1, 1).await.unwrap();
        assert_eq!(found.first().map(|it| it.number), Some(last), "journal {writer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_store_on_the_folder_exits_and_names_the_first() {
    let process = Process::start();
    let operator = process.stores("operator");
    eventually("it is registered", async || {
        let listing = operator.registry.list(INSTANCES).await;
        listing.is_ok_and(|it| it.entries.iter().any(|it| it.key == "instances/store/store-r1-0"))
    })
    .await;
    let path = |name: &str| process.folder.path().join(name);
    let second = Command::new(env!("CARGO_BIN_EXE_store"))
        .env_clear()
        .env("ARENA_CLUSTER", TEST_CLUSTER)
        .env("ARENA_REGION", "local")
        .env("ARENA_SERVICE", "store")
        .env("ARENA_INSTANCE", "store-r1-0")
        .env("ARENA_RELEASE", "r1")
        .env("ARENA_IDENTITY_DIR", path("identity"))
        .env("ARENA_SECRETS_DIR", path("secrets"))
        .env("ARENA_DATA_DIR", path("data"))
        .env("ARENA_STORE_LOCK_WAIT_S", "1")
        .output()
        .unwrap();
    let pid = process.child.as_ref().unwrap().id().to_string();
    let said = String::from_utf8_lossy(&second.stderr);
    assert_eq!(second.status.code(), Some(1), "{said}");
    assert!(said.contains(&pid), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_whose_answer_is_lost_is_never_half_done() {
    let mut process = Process::start();
    let game = process.stores("game");
    eventually("it is up", async || game.registry.get("match/x").await.is_ok()).await;
    let writer = tokio::spawn({
        let game = game.clone();
        async move {
            for number in 0_u64.. {
                let pair = arena_store::Transaction::new()
                    .put(format!("match/a-{number}"), "1")
                    .put(format!("match/b-{number}"), "1");
                match game.registry.transact(pair).await {
                    Ok(TransactionOutcome::Committed { .. }) => {}
                    _ => return,
                }
            }
        }
    });
    eventually("pairs are written", async || {
        game.registry.list("match/a-").await.is_ok_and(|it| it.entries.len() > 100)
    })
    .await;
    process.kill();
    writer.await.unwrap();
    process.run();
    eventually("it is back", async || game.registry.get("match/x").await.is_ok()).await;
    let names = async |prefix: &str| -> Vec<String> {
        let listing = game.registry.list(prefix).await.unwrap();
        listing.entries.into_iter().map(|it| it.key[prefix.len()..].to_owned()).collect()
    };
    assert_eq!(names("match/a-").await, names("match/b-").await);
}

/// The path is part of the contract with the supervisor: nothing else is written beside it.
#[tokio::test(flavor = "multi_thread")]
async fn only_the_data_folder_is_written() {
    let process = Process::start();
    let operator = process.stores("operator");
    eventually("it is up", async || operator.registry.list("").await.is_ok()).await;
    let mut names: Vec<_> = fs::read_dir(process.folder.path())
        .unwrap()
        .map(|it| it.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["data", "identity", "log", "secrets"]);
    let data = |name: &str| Path::new(&process.folder.path().join("data")).join(name).exists();
    let databases = ["registry.db", "hot.db", "journals.db", "players.db", "analytics.db"];
    for file in databases.iter().chain(&["objects", "store.lock"]) {
        assert!(data(file), "{file}");
    }
}
