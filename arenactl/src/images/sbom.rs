//! What is in an image, as a CycloneDX 1.5 document: the program, its crates, and the packages of the base.
//!
//! Field by field: <https://cyclonedx.org/docs/1.5/json/>. The document has no date, so that the same image gives
//! the same bytes.

mod crates;
mod packages;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::recipe::Recipe;
use crate::artifacts::hex;

pub use crates::{CrateError, Workspace};
pub use packages::{Installed, installed};

/// The reference of the image itself.
const IMAGE_REF: &str = "image";

/// A document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Bom {
    #[serde(rename = "bomFormat")]
    format: &'static str,
    spec_version: &'static str,
    serial_number: String,
    version: u32,
    metadata: Metadata,
    components: Vec<Component>,
    dependencies: Vec<Dependency>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Metadata {
    tools: Tools,
    component: Component,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Tools {
    components: Vec<Component>,
}

/// One thing that an image holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Component {
    #[serde(rename = "type")]
    kind: Kind,
    #[serde(rename = "bom-ref")]
    reference: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    purl: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hashes: Vec<Hash>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    licenses: Vec<License>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    Application,
    Container,
    Library,
    OperatingSystem,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Hash {
    alg: &'static str,
    content: String,
}

/// SPDX.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct License {
    expression: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Dependency {
    #[serde(rename = "ref")]
    reference: String,
    #[serde(rename = "dependsOn", skip_serializing_if = "BTreeSet::is_empty")]
    depends_on: BTreeSet<String>,
}

/// What is known of an image.
#[derive(Clone, Debug)]
pub struct Contents<'a> {
    /// The image.
    pub recipe: &'a Recipe,
    /// SHA-256 of its program, hex.
    pub program: String,
    /// The crates in the program.
    pub workspace: &'a Workspace,
    /// The packages below the program.
    pub installed: Installed,
}

impl Component {
    fn new(kind: Kind, reference: &str, name: &str) -> Self {
        Self {
            kind,
            reference: reference.to_owned(),
            name: name.to_owned(),
            version: None,
            purl: None,
            hashes: Vec::new(),
            licenses: Vec::new(),
        }
    }
}

impl Contents<'_> {
    /// Writes the document.
    ///
    /// # Errors
    /// [`CrateError::Unresolved`].
    pub fn bom(&self) -> Result<Bom, CrateError> {
        let mut components = BTreeMap::new();
        let mut depends = BTreeMap::new();
        let below = self.add_packages(&mut components);
        let program = self.add_program(&mut components, &mut depends)?;
        depends.insert(IMAGE_REF.to_owned(), below.into_iter().chain([program]).collect());
        let (name, tag) = super::push::split_tag(&self.recipe.image);
        let mut image = Component::new(Kind::Container, IMAGE_REF, name);
        image.version = Some(tag.to_owned());
        let mut tool = Component::new(Kind::Application, "arenactl-sbom", "arenactl");
        tool.version = Some(env!("CARGO_PKG_VERSION").to_owned());
        let components: Vec<Component> = components.into_values().collect();
        Ok(Bom {
            format: "CycloneDX",
            spec_version: "1.5",
            serial_number: serial_number(&image, &components),
            version: 1,
            metadata: Metadata { tools: Tools { components: vec![tool] }, component: image },
            components,
            dependencies: depends
                .into_iter()
                .map(|(reference, depends_on)| Dependency { reference, depends_on })
                .collect(),
        })
    }

    fn add_packages(&self, components: &mut BTreeMap<String, Component>) -> Vec<String> {
        let Installed { os, packages } = &self.installed;
        let mut references = Vec::new();
        if !os.id.is_empty() {
            let mut system = Component::new(Kind::OperatingSystem, "os", &os.id);
            system.version = Some(os.version.clone()).filter(|it| !it.is_empty());
            references.push(system.reference.clone());
            components.insert(system.reference.clone(), system);
        }
        for package in packages {
            let purl = package.purl(os);
            let mut library = Component::new(Kind::Library, &purl, &package.name);
            library.version = Some(package.version.clone());
            library.purl = Some(purl.clone());
            references.push(purl.clone());
            components.insert(purl, library);
        }
        references
    }

    /// Returns the reference of the program.
    fn add_program(
        &self,
        components: &mut BTreeMap<String, Component>,
        depends: &mut BTreeMap<String, BTreeSet<String>>,
    ) -> Result<String, CrateError> {
        let binary = &self.recipe.binary;
        let reference = format!("program/{binary}");
        let mut program = Component::new(Kind::Application, &reference, binary);
        program.hashes.push(Hash { alg: "SHA-256", content: self.program.clone() });
        let crates = self.workspace.crates_of(binary)?;
        // A program that is not of this workspace has no crates that are known.
        program.version = crates.root.as_ref().map(|root| root.version.clone());
        for (purl, found) in &crates.all {
            let mut library = Component::new(Kind::Library, purl, &found.name);
            library.version = Some(found.version.clone());
            library.purl = Some(purl.clone());
            let license = found.license.as_ref();
            library.licenses.extend(license.map(|it| License { expression: it.clone() }));
            components.insert(purl.clone(), library);
            depends.insert(purl.clone(), found.depends_on.clone());
        }
        let root = crates.root.map(|root| root.purl());
        depends.insert(reference.clone(), root.into_iter().collect());
        components.insert(reference.clone(), program);
        Ok(reference)
    }
}

/// Names the content, in the form of a UUID version 8 (RFC 9562, section 5.8).
fn serial_number(image: &Component, components: &[Component]) -> String {
    let text = serde_json::to_vec(&(image, components)).expect("our own types serialise to JSON");
    let mut bytes: [u8; 32] = Sha256::digest(text).into();
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = hex(&bytes[..16]);
    let parts = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]];
    format!("urn:uuid:{}", parts.join("-"))
}

/// Percent-encodes one part of a package URL.
fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_' | b'~' | b':' => {
                encoded.push(char::from(byte));
            }
            byte => write!(encoded, "%{byte:02X}").expect("a String takes any text"),
        }
        encoded
    })
}

#[cfg(test)]
mod tests;
