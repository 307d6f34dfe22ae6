//! `images`: where images come from and what they are built on.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::spec::section::{Rule, Section};

/// Where `Dockerfile.gpu` puts the program of an image.
pub const PROGRAM: &str = "/service";

/// Where images come from and what they are built on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Images {
    /// Where they are pushed to and pulled from: `host[:port][/path]`. Without one they stay on the node
    /// that built them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registry: Option<String>,
    /// Their tag. A release pins digests; the tag is for people.
    pub tag: String,
    /// What the plain images are built on.
    pub base: String,
    /// What images with a Vulkan loader are built on.
    pub gpu_base: String,
}

impl Default for Images {
    /// What is true of a file that says nothing of images, and of releases stored before files could.
    fn default() -> Self {
        Self {
            registry: None,
            tag: "latest".to_owned(),
            base: "debian:bookworm-slim".to_owned(),
            gpu_base: "nvidia/cuda:12.6.3-base-ubuntu24.04".to_owned(),
        }
    }
}

const REGISTRY: Rule = Rule {
    what: "a registry",
    help: "write `host[:port][/path]` in lower case, without `https://`: `ghcr.io/example`",
    holds: is_registry,
};
const TAG: Rule = Rule {
    what: "a tag",
    help: "use 1 to 128 of letters, digits, `_`, `.` and `-`, not starting with `.` or `-`",
    holds: is_tag,
};
const BASE: Rule = Rule {
    what: "an image",
    help: "write `name:tag` or `name@sha256:…`: `debian:bookworm-slim`",
    holds: is_image,
};

impl Images {
    /// Returns whether nothing was said; releases leave it out then.
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Returns the image of a program: `[registry/]<program>:<tag>`.
    #[must_use]
    pub fn named(&self, program: &str) -> String {
        let tag = &self.tag;
        self.registry
            .as_ref()
            .map_or_else(|| format!("{program}:{tag}"), |it| format!("{it}/{program}:{tag}"))
    }

    pub(super) fn read(section: &mut Section<'_, '_, '_>) -> Self {
        let default = Self::default();
        Self {
            registry: section.text_by("registry", &REGISTRY),
            tag: section.text_by("tag", &TAG).unwrap_or(default.tag),
            base: section.text_by("base", &BASE).unwrap_or(default.base),
            gpu_base: section.text_by("gpu_base", &BASE).unwrap_or(default.gpu_base),
        }
    }
}

/// distribution/reference, `reference.go`: without a dot or a port the first part would be no host but a
/// user of Docker Hub.
fn is_registry(text: &str) -> bool {
    let (host, path) = text.split_once('/').map_or((text, None), |(host, path)| (host, Some(path)));
    let (name, port) = host.split_once(':').map_or((host, None), |(name, port)| (name, Some(port)));
    let is_host = !name.is_empty()
        && name.split('.').all(|it| is_component(it, b"-"))
        && port.is_none_or(|it| it.parse::<u16>().is_ok_and(|it| it > 0))
        && (name == "localhost" || name.contains('.') || port.is_some());
    is_host && path.is_none_or(|it| it.split('/').all(|it| is_component(it, b"._-")))
}

fn is_component(text: &str, inside: &[u8]) -> bool {
    let word = |it: &u8| it.is_ascii_lowercase() || it.is_ascii_digit();
    let bytes = text.as_bytes();
    bytes.first().is_some_and(word)
        && bytes.last().is_some_and(word)
        && bytes.iter().all(|it| word(it) || inside.contains(it))
}

fn is_tag(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && !text.starts_with(['.', '-'])
        && text.bytes().all(|it| it.is_ascii_alphanumeric() || b"_.-".contains(&it))
}

fn is_image(text: &str) -> bool {
    let (name, digest) = text.split_once('@').map_or((text, None), |it| (it.0, Some(it.1)));
    let at = name.rfind('/').map_or(0, |it| it + 1);
    let (last, tag) =
        name[at..].split_once(':').map_or((&name[at..], None), |it| (it.0, Some(it.1)));
    let before = name[..at].trim_end_matches('/');
    let is_digest = |it: &str| {
        let hex = it.strip_prefix("sha256:");
        hex.is_some_and(|it| it.len() == 64 && it.bytes().all(|it| it.is_ascii_hexdigit()))
    };
    is_component(last, b"._-")
        && tag.is_none_or(is_tag)
        && digest.is_none_or(is_digest)
        && (before.is_empty()
            || is_registry(before)
            || before.split('/').all(|it| is_component(it, b"._-")))
}
