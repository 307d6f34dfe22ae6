//! What instances show of themselves, asked from this machine.

use std::path::Path;
use std::time::Duration;

use arena_mesh::{Ca, CaError, Identity, SpiffeId};

use super::{Local, unit};
use crate::backend::{BackendError, Unit};
use crate::config_client::{AnyChannel, any};
use crate::sample::{self, Asked, Channels, Reading};
use crate::supervisor::operator_uri;

/// arenactl's own certificate is made for one command, and stays in its memory.
const OWN_LIFE: Duration = Duration::from_hours(1);

impl Local {
    pub(super) async fn read_all(&mut self) -> Result<Vec<Reading>, BackendError> {
        let (mut units, mut asked) = (Vec::new(), Vec::new());
        for folder in unit::folders(&self.folder.instances())? {
            let Some((unit, side)) = unit::stand(&folder)? else { continue };
            if let Some(address) = side {
                asked.push((units.len(), Asked::of(&unit, address)));
            }
            units.push(unit);
        }
        // Without an authority nothing was ever deployed; what can be asked without one still is.
        let channels = self.mesh_channels().ok();
        let targets: Vec<Asked> = asked.iter().map(|(_, asked)| asked.clone()).collect();
        let samples = sample::take(&targets, channels).await;
        Ok(sample::readings(units, &asked, samples))
    }

    /// Returns a channel to the mesh port of an instance.
    pub(super) fn mesh_channel(&mut self, unit: &Unit) -> Result<AnyChannel, BackendError> {
        let address = unit.addresses.get("mesh").copied();
        let asked = address.map(|address| Asked::of(unit, address));
        let channels = self.mesh_channels().map_err(|source| BackendError::Authority { source })?;
        let channel = asked.and_then(|asked| channels.to(&asked));
        channel.map(any).ok_or_else(|| BackendError::no_mesh(unit))
    }

    fn mesh_channels(&mut self) -> Result<&Channels, CaError> {
        let (cluster, authority) = (&self.cluster, self.folder.authority());
        Channels::fresh(&mut self.channels, || own(cluster.as_str(), &authority))
    }
}

/// A certificate of arenactl's own that no file is written for: who looks changes nothing.
fn own(cluster: &str, authority: &Path) -> Result<Identity, CaError> {
    let id: SpiffeId = operator_uri(cluster).parse().expect("a cluster's name is part of an id");
    Ok(Identity::new(Ca::load(cluster, authority)?.issue(&id, OWN_LIFE)?))
}
