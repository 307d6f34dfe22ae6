//! `services.<name>.ports`: the sockets of the instance contract.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::spec::section::Section;
use crate::spec::services::Kind;
use crate::units::UnitError;

/// A port number; `auto` lets the system choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Port(u16); // 0 = auto

/// How the public port of a container is reached from outside.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Publish {
    /// On the node that runs it, without anything in between. Swarm's ingress mesh is no choice: it loses
    /// UDP after an update (moby/moby#36878), needs IPVS and drops long connections.
    #[default]
    Host,
}

/// The sockets of the instance contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Ports {
    /// HTTP for probes, metrics and drains (TCP).
    pub side: Port,
    /// The mesh between services (UDP).
    pub mesh: Port,
    /// What players connect to (TCP); only a `sessions` service has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public: Option<Port>,
    /// How the public port is reached from outside.
    #[serde(default, skip_serializing_if = "Publish::is_default")]
    pub publish: Publish,
}

impl Publish {
    /// Returns whether this is how a port is published where nothing is said; releases leave it out then.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde lends the field")]
    fn is_default(&self) -> bool {
        *self == Self::default()
    }

    fn read(section: &mut Section<'_, '_, '_>, kind: Kind) -> Self {
        let reason = "is ingress, which loses QUIC after an update (moby/moby#36878), needs IPVS on every \
                      node and drops long-lived connections";
        match section.value::<String>("publish").as_deref() {
            Some("ingress") => section.conflict("publish", reason, "write `host`"),
            Some(_) if kind != Kind::Sessions => section.conflict(
                "publish",
                "only a service of kind `sessions` has a public port",
                "remove it, or set `kind: sessions`",
            ),
            Some(_) => {
                return section.choice("publish", &[("host", Self::Host)]).unwrap_or_default();
            }
            None => {}
        }
        Self::Host
    }
}

impl Ports {
    pub(super) fn read(section: &mut Section<'_, '_, '_>, kind: Kind) -> Self {
        let (side, mesh) = (section.or("side", Port::AUTO), section.or("mesh", Port::AUTO));
        let public: Option<Port> = section.value("public");
        if public.is_some() && kind != Kind::Sessions {
            section.conflict(
                "public",
                "only a service of kind `sessions` talks to players",
                "remove it, or set `kind: sessions`",
            );
        }
        if public.is_some_and(|it| it != Port::AUTO && it == side) {
            section.conflict("public", "is the same as `side`", "choose another port");
        }
        let public = (kind == Kind::Sessions).then_some(public.unwrap_or(Port::AUTO));
        Self { side, mesh, public, publish: Publish::read(section, kind) }
    }
}

impl Port {
    /// Any port the system chooses.
    pub const AUTO: Self = Self(0);

    /// Returns a port; 0 is [`Port::AUTO`].
    #[must_use]
    pub const fn new(number: u16) -> Self {
        Self(number)
    }

    /// Returns the number to bind: 0 lets the system choose.
    #[must_use]
    pub const fn number(self) -> u16 {
        self.0
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 { f.pad("auto") } else { f.pad(&self.0.to_string()) }
    }
}

impl FromStr for Port {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let error = || UnitError {
            text: text.to_owned(),
            what: "a port",
            help: "write a number from 1 to 65535, or `auto` (0) to let the system choose",
        };
        match text {
            "auto" => Ok(Self::AUTO),
            _ => match text.parse() {
                Ok(number) => Ok(Self(number)),
                Err(_) => Err(error()),
            },
        }
    }
}

impl TryFrom<String> for Port {
    type Error = UnitError;

    fn try_from(text: String) -> Result<Self, UnitError> {
        text.parse()
    }
}

impl From<Port> for String {
    fn from(port: Port) -> Self {
        port.to_string()
    }
}

impl JsonSchema for Port {
    fn schema_name() -> Cow<'static, str> {
        "Port".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [
            { "type": "integer", "minimum": 0, "maximum": u16::MAX },
            { "const": "auto" },
        ] })
    }
}
