//! `configs`: plain files that instances find. Their content is never written here, in a plan or in a
//! release: those know its hash.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::spec::error::Problem;
use crate::spec::section::Section;

/// One plain file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConfigSpec {
    /// The file that holds its content, from the folder of `arena.yaml`.
    pub from: String,
}

impl ConfigSpec {
    pub(super) fn read(section: &mut Section<'_, '_, '_>) -> Self {
        let from: Option<String> = section.value("from");
        if from.as_deref().is_none_or(str::is_empty) {
            let help = "name the file that holds the content".to_owned();
            section.mistake("from", Problem::Missing { help });
        }
        Self { from: from.unwrap_or_default() }
    }
}
