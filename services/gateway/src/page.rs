//! The web page, embedded: plain modules, no build step, nothing from elsewhere.

use std::fmt::Write as _;
use std::sync::LazyLock;

use sha2::{Digest as _, Sha256};
use warp::http::{HeaderMap, HeaderValue, StatusCode, header};
use warp::reply::{Reply as _, Response};

/// One file of the page.
#[derive(Clone, Copy, Debug)]
pub struct Asset {
    /// Its path, with the slash in front.
    pub path: &'static str,
    /// Its media type.
    pub kind: &'static str,
    /// Its bytes.
    pub bytes: &'static [u8],
}

macro_rules! assets {
    ($($path:literal, $file:literal, $kind:expr;)*) => {
        /// Every file of the page.
        pub const ASSETS: &[Asset] = &[$(Asset {
            path: $path,
            kind: $kind,
            bytes: include_bytes!(concat!("../page/", $file)),
        }),*];
    };
}

const SCRIPT: &str = "text/javascript; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";

assets! {
    "/", "index.html", HTML;
    "/style.css", "style.css", "text/css; charset=utf-8";
    "/icon.svg", "icon.svg", "image/svg+xml";
    "/main.js", "main.js", SCRIPT;
    "/play.js", "play.js", SCRIPT;
    "/games.js", "games.js", SCRIPT;
    "/games/arena.js", "games/arena.js", SCRIPT;
    "/games/snakes.js", "games/snakes.js", SCRIPT;
    "/net.js", "net.js", SCRIPT;
    "/rest.js", "rest.js", SCRIPT;
    "/codec.js", "codec.js", SCRIPT;
    "/bits.js", "bits.js", SCRIPT;
    "/frame.js", "frame.js", SCRIPT;
    "/predict.js", "predict.js", SCRIPT;
    "/timeline.js", "timeline.js", SCRIPT;
    "/shots.js", "shots.js", SCRIPT;
    "/things.js", "things.js", SCRIPT;
    "/render.js", "render.js", SCRIPT;
    "/sparks.js", "sparks.js", SCRIPT;
    "/backdrop.js", "backdrop.js", SCRIPT;
    "/input.js", "input.js", SCRIPT;
    "/lobby.js", "lobby.js", SCRIPT;
    "/watch.js", "watch.js", SCRIPT;
    "/hud.js", "hud.js", SCRIPT;
}

/// What the page may do: talk to where it came from, and nothing else. Styles are set by script
/// through the CSSOM, which no directive restricts.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
    connect-src 'self' ws: wss:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// Headers of every response of the public port.
pub const SECURITY_HEADERS: [(&str, &str); 5] = [
    ("content-security-policy", POLICY),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("permissions-policy", "camera=(), microphone=(), geolocation=()"),
];

static TAGS: LazyLock<Vec<HeaderValue>> = LazyLock::new(|| {
    let tag = |asset: &Asset| {
        let digest = Sha256::digest(asset.bytes);
        let hex = digest[..12].iter().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}"); // a String takes everything
            hex
        });
        HeaderValue::from_str(&format!("\"{hex}\"")).expect("hexadecimal digits are a header")
    };
    ASSETS.iter().map(tag).collect()
});

/// Answers a request for `path`; `None` if the page has no such file.
///
/// The browser asks each time whether its copy is still good (`no-cache` and an `ETag`), so that a
/// new release is seen at the next load and an unchanged file costs no bytes.
#[must_use]
pub fn answer(path: &str, request: &HeaderMap) -> Option<Response> {
    let index = ASSETS.iter().position(|it| it.path == path)?;
    let (asset, tag) = (&ASSETS[index], &TAGS[index]);
    let held = request.get(header::IF_NONE_MATCH).and_then(|it| it.to_str().ok());
    let fresh = held.is_some_and(|held| {
        held.split(',').any(|it| it.trim().trim_start_matches("W/").as_bytes() == tag.as_bytes())
    });
    let mut response =
        if fresh { StatusCode::NOT_MODIFIED.into_response() } else { asset.bytes.into_response() };
    let headers = response.headers_mut();
    headers.insert(header::ETAG, tag.clone());
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(asset.kind));
    Some(response)
}
