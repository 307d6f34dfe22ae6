//! A real headless Chromium, driven by its `DevTools` protocol
//! (<https://chromedevtools.github.io/devtools-protocol/>).

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};
use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::region::wait_for;

/// Chromium starts within this time, on a machine that also compiles.
const START_LIMIT: Duration = Duration::from_mins(1);
/// One command of the protocol is answered within this time.
const CALL_LIMIT: Duration = Duration::from_mins(1);
/// Lines of the page's console kept for a failure message.
const CONSOLE_LINES_MAX: usize = 200;

/// A running browser with an empty profile.
pub struct Browser {
    _child: Child,
    profile: TempDir,
}

impl Browser {
    /// Starts Chromium, inside a tokio runtime. `make test` installs it.
    ///
    /// # Errors
    /// If it is missing or does not open its port.
    pub fn start() -> anyhow::Result<Self> {
        let profile = TempDir::with_prefix("arena-browser-")?;
        let child = Command::new("chromium")
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic"])
            .args(["--no-first-run", "--disable-background-networking", "--disable-sync"])
            .args(["--disable-component-update", "--remote-debugging-port=0"])
            .args(["--window-size=1280,800", "--mute-audio", "--disable-dev-shm-usage"])
            .args(["--disable-renderer-backgrounding", "--disable-background-timer-throttling"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("chromium: `make test` installs it")?;
        Ok(Self { _child: child, profile })
    }

    /// Opens a page of its own at `url`.
    ///
    /// # Errors
    /// If the browser does not answer.
    pub async fn open(&self, url: &str) -> anyhow::Result<Page> {
        let file = self.profile.path().join("DevToolsActivePort");
        let address = wait_for("Chromium's port", START_LIMIT, || devtools_address(&file)).await?;
        let (socket, _) = tokio_tungstenite::connect_async(address).await?;
        let mut page =
            Page { socket, session: None, next_id: 1, console: Vec::new(), exceptions: Vec::new() };
        let target = page.call("Target.createTarget", json!({"url": "about:blank"})).await?;
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let attached = page.call("Target.attachToTarget", attach).await?;
        page.session = Some(attached["sessionId"].as_str().context("a session id")?.to_owned());
        page.call("Runtime.enable", json!({})).await?;
        page.call("Page.enable", json!({})).await?;
        page.call("Page.navigate", json!({"url": url})).await?;
        Ok(page)
    }
}

async fn devtools_address(file: &Path) -> anyhow::Result<Option<String>> {
    let text = tokio::fs::read_to_string(file).await?;
    let mut lines = text.lines();
    Ok(lines.next().zip(lines.next()).map(|(port, path)| format!("ws://127.0.0.1:{port}{path}")))
}

/// A page, with what its console said.
pub struct Page {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    session: Option<String>,
    next_id: u64,
    console: Vec<String>,
    exceptions: Vec<String>,
}

impl Page {
    /// Calls a method of the protocol and returns its result.
    ///
    /// # Errors
    /// If the browser answers with an error, or not in a minute.
    pub async fn call(&mut self, method: &str, params: Value) -> anyhow::Result<Value> {
        let id = self.next_id;
        self.next_id += 1;
        let mut request = json!({"id": id, "method": method, "params": params});
        if let Some(session) = &self.session {
            request["sessionId"] = json!(session);
        }
        self.socket.send(Message::text(request.to_string())).await?;
        tokio::time::timeout(CALL_LIMIT, self.answer(id))
            .await
            .with_context(|| format!("{method}: no answer in {CALL_LIMIT:?}"))?
            .with_context(|| method.to_owned())
    }

    async fn answer(&mut self, id: u64) -> anyhow::Result<Value> {
        while let Some(message) = self.socket.next().await {
            let Message::Text(text) = message? else { continue };
            let mut message: Value = serde_json::from_str(&text)?;
            if message["id"] == id {
                if !message["error"].is_null() {
                    bail!("{}", message["error"]);
                }
                return Ok(message["result"].take());
            }
            self.note(&message);
        }
        bail!("the browser closed the connection")
    }

    fn note(&mut self, event: &Value) {
        let params = &event["params"];
        match event["method"].as_str() {
            Some("Runtime.consoleAPICalled") if self.console.len() < CONSOLE_LINES_MAX => {
                self.console.push(format!("{}: {}", params["type"], params["args"]));
            }
            Some("Runtime.exceptionThrown") => {
                self.exceptions.push(params["exceptionDetails"].to_string());
            }
            _ => {}
        }
    }

    /// Evaluates JavaScript and returns its value; promises are awaited.
    ///
    /// # Errors
    /// If the script throws.
    pub async fn evaluate(&mut self, script: &str) -> anyhow::Result<Value> {
        let params = json!({"expression": script, "awaitPromise": true, "returnByValue": true});
        let mut result = self.call("Runtime.evaluate", params).await?;
        if !result["exceptionDetails"].is_null() {
            bail!("`{script}` threw {}", result["exceptionDetails"]);
        }
        Ok(result["result"]["value"].take())
    }

    /// Waits until `script` gives something true and returns it.
    ///
    /// # Errors
    /// After `limit`: with the page's console and uncaught exceptions.
    pub async fn wait(&mut self, script: &str, limit: Duration) -> anyhow::Result<Value> {
        let end = tokio::time::Instant::now() + limit;
        let mut last = String::new();
        while tokio::time::Instant::now() < end {
            match self.evaluate(script).await {
                Ok(value) if is_true(&value) => return Ok(value),
                Ok(value) => last = value.to_string(),
                Err(error) => last = format!("{error:#}"),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        bail!(
            "waited {limit:?} for `{script}`, last: {last}\nconsole: {:#?}\nexceptions: {:#?}",
            self.console,
            self.exceptions
        )
    }

    /// Presses or lets go of a key, by its `code` (`KeyW`, `Space`).
    ///
    /// # Errors
    /// If the browser refuses.
    pub async fn key(&mut self, code: &str, direction: KeyDirection) -> anyhow::Result<()> {
        let kind = match direction {
            KeyDirection::Down => "rawKeyDown",
            KeyDirection::Up => "keyUp",
        };
        let key = code.strip_prefix("Key").unwrap_or(code).to_lowercase();
        self.call("Input.dispatchKeyEvent", json!({"type": kind, "code": code, "key": key}))
            .await?;
        Ok(())
    }

    /// Moves the mouse, with the left button held or not.
    ///
    /// # Errors
    /// If the browser refuses.
    pub async fn mouse(&mut self, kind: &str, x: f64, y: f64) -> anyhow::Result<()> {
        let buttons = u8::from(kind != "mouseReleased");
        let params = json!({"type": kind, "x": x, "y": y, "button": "left", "buttons": buttons,
            "clickCount": 1});
        self.call("Input.dispatchMouseEvent", params).await?;
        Ok(())
    }

    /// Returns a PNG of what the page shows.
    ///
    /// # Errors
    /// If the browser refuses.
    pub async fn screenshot(&mut self) -> anyhow::Result<Vec<u8>> {
        use base64::Engine as _;
        let shot = self.call("Page.captureScreenshot", json!({"format": "png"})).await?;
        let data = shot["data"].as_str().context("picture data")?;
        Ok(base64::engine::general_purpose::STANDARD.decode(data)?)
    }

    /// Returns uncaught exceptions of the page so far.
    #[must_use]
    pub fn exceptions(&self) -> &[String] {
        &self.exceptions
    }
}

/// Which way a key goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyDirection {
    /// It is pressed.
    Down,
    /// It is let go.
    Up,
}

fn is_true(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(it) => *it,
        Value::Number(it) => it.as_f64() != Some(0.0),
        Value::String(it) => !it.is_empty(),
        Value::Array(_) | Value::Object(_) => true,
    }
}
