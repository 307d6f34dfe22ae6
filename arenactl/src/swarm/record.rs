//! Configs as records: data written once, labels swapped under the version that was read.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bollard::models::{Config, ConfigSpec};
use bollard::query_parameters::{ListConfigsOptionsBuilder, UpdateConfigOptionsBuilder};

use super::error::CONFIG_LEN_MAX;
use super::{Kind, Swarm, SwarmError, label};

/// A config as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) id: String,
    pub(crate) name: String,
    /// The version under which its labels may be swapped; every write of it is another.
    pub(crate) version: u64,
    pub(crate) labels: HashMap<String, String>,
    pub(crate) data: Vec<u8>,
}

/// What became of a swap of labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Swap {
    /// The new labels are there.
    Done,
    /// Somebody wrote first.
    Beaten,
}

impl Record {
    fn of(config: Config) -> Option<Self> {
        let spec = config.spec?;
        Some(Self {
            id: config.id?,
            name: spec.name?,
            version: config.version?.index?,
            labels: spec.labels.unwrap_or_default(),
            data: STANDARD.decode(spec.data.unwrap_or_default()).ok()?,
        })
    }

    pub(crate) fn label(&self, key: &str) -> Option<&str> {
        self.labels.get(key).map(String::as_str)
    }

    /// Parses the data.
    pub(crate) fn parse<T: serde::de::DeserializeOwned>(&self) -> Result<T, SwarmError> {
        let corrupt = |source: serde_json::Error| self.corrupt(source);
        serde_json::from_slice(&self.data).map_err(corrupt)
    }

    pub(crate) fn corrupt(
        &self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> SwarmError {
        SwarmError::Corrupt { name: self.name.clone(), source: source.into() }
    }
}

impl Swarm {
    /// Returns every record of a kind, in no order.
    pub(crate) async fn records(&self, kind: Kind) -> Result<Vec<Record>, SwarmError> {
        let options = ListConfigsOptionsBuilder::new().filters(&self.filters(Some(kind))).build();
        let doing = || format!("list the configs of {}", self.region);
        let configs = self.ask(doing, || self.docker.list_configs(Some(options.clone()))).await?;
        Ok(configs.into_iter().filter_map(Record::of).collect())
    }

    /// Returns the record of a name, if it is there and ours.
    pub(crate) async fn record(&self, name: &str) -> Result<Option<Record>, SwarmError> {
        let doing = || format!("read the config `{name}`");
        let found = match self.ask(doing, || self.docker.inspect_config(name)).await {
            Err(error) if error.is_not_found() => return Ok(None),
            found => Record::of(found?),
        };
        // An id that begins like the name would be found, too.
        let Some(record) = found.filter(|record| record.name == name) else { return Ok(None) };
        if record.label(label::REGION) == Some(self.region.as_str())
            && record.label(label::CLUSTER) == Some(self.cluster.as_str())
        {
            return Ok(Some(record));
        }
        Err(SwarmError::Taken { what: "config", name: record.name })
    }

    /// Creates a record; `false` if the name is taken.
    pub(crate) async fn create_record(
        &self,
        name: &str,
        labels: HashMap<String, String>,
        data: &[u8],
    ) -> Result<bool, SwarmError> {
        if data.len() > CONFIG_LEN_MAX {
            return Err(SwarmError::TooLarge { name: name.to_owned(), length: data.len() });
        }
        let spec = ConfigSpec {
            name: Some(name.to_owned()),
            labels: Some(labels),
            data: Some(STANDARD.encode(data)),
            templating: None,
        };
        let doing = || format!("create the config `{name}`");
        match self.ask(doing, || self.docker.create_config(spec.clone())).await {
            Ok(_) => Ok(true),
            Err(error) if error.status() == Some(409) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Replaces the labels of a record as it was read.
    pub(crate) async fn swap_labels(
        &self,
        record: &Record,
        labels: HashMap<String, String>,
    ) -> Result<Swap, SwarmError> {
        let options = UpdateConfigOptionsBuilder::new().version(record.version as i64).build();
        let spec = ConfigSpec {
            name: Some(record.name.clone()),
            labels: Some(labels.clone()),
            data: None,
            templating: None,
        };
        let doing = || format!("write the config `{}`", record.name);
        let written = self
            .ask(doing, || self.docker.update_config(&record.id, spec.clone(), options.clone()))
            .await;
        match written {
            Ok(()) => Ok(Swap::Done),
            // The first try may have been done before its answer was lost.
            Err(error) if error.is_out_of_sequence() => {
                let now = self.record(&record.name).await?;
                let is_ours = now.is_some_and(|now| now.labels == labels);
                Ok(if is_ours { Swap::Done } else { Swap::Beaten })
            }
            Err(error) => Err(error),
        }
    }

    /// Removes a config; says whether it was there.
    pub(crate) async fn remove_record(&self, id: &str) -> Result<bool, SwarmError> {
        let doing = || format!("remove the config `{id}`");
        match self.ask(doing, || self.docker.delete_config(id)).await {
            Ok(()) => Ok(true),
            Err(error) if error.is_not_found() => Ok(false),
            Err(error) => Err(error),
        }
    }
}
