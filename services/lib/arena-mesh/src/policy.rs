//! Which service may call which method; what is not allowed is refused.

use std::sync::Arc;

use arc_swap::ArcSwap;
use serde::{Deserialize, Serialize};

use crate::SpiffeId;

/// The method name under which links are authorised.
pub const LINK_METHOD: &str = "link";

/// One line of the table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Methods as `package.Service/Method`; a trailing `*` matches any rest. `link` stands for links.
    pub methods: Vec<String>,
    /// Callers as `service` or `service/instance`; a trailing `*` matches any rest.
    pub allow: Vec<String>,
}

/// The authorisation table of one server: deny by default, a call is allowed if any rule allows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// The rules; their order means nothing.
    pub rules: Vec<Rule>,
}

/// Why a text is no policy.
#[derive(Debug, thiserror::Error)]
#[error("cannot parse the authorisation table")]
pub struct PolicyError {
    #[from]
    source: serde_json::Error,
}

impl Policy {
    /// Returns the table that refuses every call.
    #[must_use]
    pub fn deny_all() -> Self {
        Self::default()
    }

    /// Adds a rule: `callers` may call `methods`.
    #[must_use]
    pub fn allow(mut self, callers: &[&str], methods: &[&str]) -> Self {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        self.rules.push(Rule { methods: owned(methods), allow: owned(callers) });
        self
    }

    /// Parses `{"rules": [{"methods": ["arena.auth.v1.Auth/*"], "allow": ["gateway"]}]}`.
    ///
    /// # Errors
    /// [`PolicyError`] with line and column; unknown keys are errors.
    pub fn from_json(text: &str) -> Result<Self, PolicyError> {
        Ok(serde_json::from_str(text)?)
    }

    /// Returns whether `caller` may call `method` (`package.Service/Method`, without a leading slash).
    #[must_use]
    pub fn allows(&self, caller: &SpiffeId, method: &str) -> bool {
        self.rules.iter().any(|rule| {
            rule.methods.iter().any(|pattern| matches(pattern, method))
                && rule.allow.iter().any(|pattern| allows_caller(pattern, caller))
        })
    }
}

fn allows_caller(pattern: &str, caller: &SpiffeId) -> bool {
    match pattern.split_once('/') {
        Some((service, instance)) => {
            matches(service, caller.service()) && matches(instance, caller.instance())
        }
        None => matches(pattern, caller.service()),
    }
}

fn matches(pattern: &str, text: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => text.starts_with(prefix),
        None => pattern == text,
    }
}

/// A policy that can be swapped while servers use it; clones share it.
#[derive(Clone, Debug)]
pub struct PolicyHandle(Arc<ArcSwap<Policy>>);

impl PolicyHandle {
    /// Replaces the table for every call that arrives from now on.
    pub fn store(&self, policy: Policy) {
        self.0.store(Arc::new(policy));
    }

    /// Returns whether `caller` may call `method` now.
    #[must_use]
    pub fn allows(&self, caller: &SpiffeId, method: &str) -> bool {
        self.0.load().allows(caller, method)
    }
}

impl From<Policy> for PolicyHandle {
    fn from(policy: Policy) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(policy)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_rule_names_is_allowed() {
        let policy = Policy::deny_all()
            .allow(&["gateway"], &["arena.auth.v1.Auth/*"])
            .allow(&["operator/ann", "game"], &["arena.config.v1.Config/Get"])
            .allow(&["gateway", "operator/*"], &[LINK_METHOD]);
        for (caller, method, allowed) in [
            ("gateway/g1", "arena.auth.v1.Auth/Login", true),
            ("game/g1", "arena.auth.v1.Auth/Login", false),
            ("gateway2/g1", "arena.auth.v1.Auth/Login", false),
            ("gateway/g1", "arena.auth.v1.AuthAdmin/Ban", false),
            ("operator/ann", "arena.config.v1.Config/Get", true),
            ("operator/bob", "arena.config.v1.Config/Get", false),
            ("operator/bob", "link", true),
            ("game/g1", "arena.config.v1.Config/GetAll", false),
            ("game/g1", "link", false),
        ] {
            let id: SpiffeId = format!("spiffe://dev/{caller}").parse().unwrap();
            assert_eq!(policy.allows(&id, method), allowed, "{caller} {method}");
        }
    }

    #[test]
    fn the_file_form_is_the_same_table() {
        let text = r#"{"rules":[{"methods":["a.B/*"],"allow":["game"]}]}"#;
        assert_eq!(
            Policy::from_json(text).unwrap(),
            Policy::deny_all().allow(&["game"], &["a.B/*"])
        );
        assert!(Policy::from_json(r#"{"rules":[{"methods":[],"alow":[]}]}"#).is_err());
    }
}
