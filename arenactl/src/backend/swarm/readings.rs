//! What instances show of themselves, asked through the relay.

use super::SwarmBackend;
use super::observe::settle;
use crate::backend::BackendError;
use crate::error::causes;
use crate::relay::{Call, Reply, Target};
use crate::sample::{self, Asked, Reading, Sample};

impl SwarmBackend {
    pub(super) async fn read_all(&mut self) -> Result<Vec<Reading>, BackendError> {
        let seen = self.see().await?;
        let all: Vec<_> = seen.instances.keys().cloned().collect();
        let (units, targets) = self.stand(&seen, &all);
        let asked: Vec<(usize, Asked)> = targets
            .into_iter()
            .map(|(index, target)| (index, Asked::of(&units[index], target.address)))
            .collect();
        let samples = self.samples(&asked).await;
        let mut readings = sample::readings(units, &asked, samples);
        for reading in &mut readings {
            settle(&mut reading.unit, &seen);
        }
        Ok(readings)
    }

    /// Asks through the relay. One of an older release only knows how to probe: then there are no matches and no
    /// tick times. Without one nobody knows what instances say.
    async fn samples(&mut self, asked: &[(usize, Asked)]) -> Vec<Sample> {
        if asked.is_empty() {
            return Vec::new();
        }
        let cluster = self.swarm.cluster.to_string();
        let call =
            Call::Sample { cluster, asked: asked.iter().map(|(_, it)| it.clone()).collect() };
        let why = match self.call(&call).await {
            Ok(Reply::Samples { samples }) if samples.len() == asked.len() => return samples,
            Ok(Reply::Failed { .. }) => {
                let targets: Vec<(usize, Target)> =
                    asked.iter().map(|(index, it)| (*index, it.target.clone())).collect();
                let probes = self.probe(&targets).await.into_iter();
                return probes.map(|probe| Sample { probe, ticks: None, matches: None }).collect();
            }
            Ok(reply) => format!("unexpected reply of the relay: {reply:?}"),
            Err(error) => causes(&error),
        };
        vec![Sample::silent(&why); asked.len()]
    }
}
