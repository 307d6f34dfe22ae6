//! Ports on the nodes' own network: no two instances of a swarm have the same, whoever's they are.

use std::collections::{BTreeSet, HashMap};

use arena_types::{InstanceId, ServiceName};
use arenactl_planning::Digest;
use arenactl_planning::spec::{Kind as ServiceKind, Port, ServiceSpec as Wanted};
use bollard::query_parameters::ListServicesOptionsBuilder;

use super::SwarmBackend;
use super::observe::Seen;
use super::service::PortsTaken;
use super::start::siblings;
use crate::backend::BackendError;
use crate::swarm::{Kind, SwarmError, label};

/// Ports that arenactl gives to instances: below those that Linux gives to connections
/// (`net.ipv4.ip_local_port_range` begins with 32768), so that both never meet.
pub(crate) const PORTS: std::ops::Range<u16> = 21_000..29_000;
/// Every region begins at a multiple of this: two that deploy at the same time, and cannot know what the other one
/// is about to take, take the same only if both begin there.
const STRIDE: u16 = 100;
/// The labels that hold ports.
const LABELS: [&str; 3] = [label::SIDE_PORT, label::MESH_PORT, label::PUBLIC_PORT];

impl SwarmBackend {
    /// The ports that others know keep their numbers over releases: all of a service with data, whose predecessor
    /// has stopped, and the public one, which gateways share. An instance that is started again has its own.
    pub(super) async fn choose_ports(
        &self,
        seen: &Seen,
        service: &ServiceName,
        instance: &InstanceId,
        wanted: &Wanted,
    ) -> Result<PortsTaken, BackendError> {
        let mut taken = self.ports_of_others(instance).await?;
        let own = || seen.instances.get(instance);
        let sibling = |key| siblings(seen, service).find(|it| it.label(key).is_some());
        let is_data = wanted.kind == ServiceKind::Data;
        let kept = |key| {
            let is_known = is_data || key == label::PUBLIC_PORT;
            let known = own().or_else(|| is_known.then(|| sibling(key)).flatten());
            known.and_then(|it| it.label(key)?.parse::<u16>().ok())
        };
        let mut choose = |key, wanted: Port| {
            let fixed = Some(wanted.number()).filter(|port| *port != 0);
            let free = || self.candidates().find(|port| !taken.contains(port));
            let port =
                fixed.or_else(|| kept(key)).or_else(free).ok_or_else(|| BackendError::System {
                    doing: format!("find a port for {instance}: {PORTS:?} are all taken"),
                    source: std::io::ErrorKind::AddrInUse.into(),
                })?;
            taken.insert(port);
            Ok::<_, BackendError>(port)
        };
        Ok(PortsTaken {
            side: choose(label::SIDE_PORT, wanted.ports.side)?,
            mesh: choose(label::MESH_PORT, wanted.ports.mesh)?,
            public: wanted.ports.public.map(|port| choose(label::PUBLIC_PORT, port)).transpose()?,
        })
    }

    /// Returns every port to choose from, in the order of this region.
    fn candidates(&self) -> impl Iterator<Item = u16> + use<> {
        let (cluster, region) = (&self.swarm.cluster, &self.swarm.region);
        let hash = Digest::of(format!("{cluster}/{region}").as_bytes()).as_u64();
        let starts = u64::try_from(PORTS.len()).unwrap_or(1) / u64::from(STRIDE);
        let first = u16::try_from(hash % starts).unwrap_or(0) * STRIDE;
        PORTS.cycle().skip(usize::from(first)).take(PORTS.len())
    }

    /// Returns the ports of all instances but one, of other arenas and regions in this swarm, too.
    async fn ports_of_others(&self, besides: &InstanceId) -> Result<BTreeSet<u16>, SwarmError> {
        let filter = vec![format!("{}={}", label::KIND, Kind::Instance.word())];
        let filters = HashMap::from([("label".to_owned(), filter)]);
        let options = ListServicesOptionsBuilder::new().filters(&filters).build();
        let doing = || "list the services of the swarm".to_owned();
        let list = || self.swarm.docker.list_services(Some(options.clone()));
        let services = self.swarm.ask(doing, list).await?;
        let own = self.swarm.service_name(besides.as_str());
        let specs = services.into_iter().filter_map(|it| it.spec);
        let others = specs.filter(|it| it.name.as_ref() != Some(&own)).filter_map(|it| it.labels);
        let ports = |labels: HashMap<String, String>| {
            LABELS.into_iter().filter_map(move |key| labels.get(key)?.parse::<u16>().ok())
        };
        Ok(others.flat_map(ports).collect())
    }
}
