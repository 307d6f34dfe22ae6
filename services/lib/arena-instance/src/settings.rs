use std::fs::DirBuilder;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use arena_env::{FromVariable, HostPort, Reader, Seconds, Variable, names};
use arena_telemetry::logs;
use arena_types::{ClusterName, InstanceId, Region, ReleaseId, ServiceName};

use crate::StartError;

/// What a program is: the same for all its instances.
#[derive(Clone, Copy, Debug)]
pub struct Program {
    /// Its name in messages, `arena-auth`.
    pub name: &'static str,
    /// What it cannot run without, beyond what every instance needs.
    pub needs: &'static [Need],
    /// Versions of what it can read and write, by name; `rules` is also told to the registry.
    pub schema: &'static [(&'static str, u32)],
    /// Threads that run its tasks.
    pub threads: Threads,
}

/// Something a program cannot run without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// The service `store`: all but `store` itself.
    Store,
    /// A folder of its own.
    DataDir,
    /// A port for players.
    PublicPort,
}

/// Threads that run a program's tasks. Blocking work has its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Threads {
    /// One: half the processor time a call (`reference/rpc.md` §3), enough for most services.
    One,
    /// One a core.
    Cores,
}

/// What every instance is told by its environment.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `ARENA_CLUSTER`.
    pub cluster: ClusterName,
    /// `ARENA_REGION`.
    pub region: Region,
    /// `ARENA_SERVICE`.
    pub service: ServiceName,
    /// `ARENA_INSTANCE`.
    pub instance: InstanceId,
    /// `ARENA_RELEASE`.
    pub release: ReleaseId,
    /// `ARENA_SIDE_ADDR`.
    pub side_addr: SocketAddr,
    /// `ARENA_MESH_ADDR`.
    pub mesh_addr: SocketAddr,
    /// `ARENA_PUBLIC_ADDR`.
    pub public_addr: Option<SocketAddr>,
    /// `ARENA_PUBLIC_SHARED`.
    pub public_shared: bool,
    /// `ARENA_ADVERTISE_IP`.
    pub advertise_ip: Option<IpAddr>,
    /// `ARENA_STORE_ADDR`.
    pub store_addr: Option<HostPort>,
    /// `ARENA_IDENTITY_DIR`.
    pub identity_dir: PathBuf,
    /// `ARENA_SECRETS_DIR`.
    pub secrets_dir: PathBuf,
    /// `ARENA_DATA_DIR`.
    pub data_dir: Option<PathBuf>,
    /// `ARENA_LOG`.
    pub log: String,
    /// `ARENA_LOG_FORMAT`.
    pub log_format: Option<logs::Format>,
    /// `ARENA_DRAIN_DEADLINE_S`.
    pub drain_deadline: Duration,
}

impl Settings {
    /// Reads what every instance needs; mistakes stay in `reader`.
    pub fn read(program: &Program, reader: &mut Reader<'_>) -> Option<Self> {
        let cluster = reader.read(&names::CLUSTER);
        let region = reader.read(&names::REGION);
        let service = reader.read(&names::SERVICE);
        let instance = reader.read(&names::INSTANCE);
        let release = reader.read(&names::RELEASE);
        let side_addr = reader.read(&names::SIDE_ADDR);
        let mesh_addr = reader.read(&names::MESH_ADDR);
        let public_addr = if_needed(program, Need::PublicPort, reader, &names::PUBLIC_ADDR);
        let public_shared = reader.read(&names::PUBLIC_SHARED);
        let advertise_ip = reader.optional(&names::ADVERTISE_IP);
        let store_addr = if_needed(program, Need::Store, reader, &names::STORE_ADDR);
        let identity_dir = reader.read(&names::IDENTITY_DIR);
        let secrets_dir = reader.read(&names::SECRETS_DIR);
        let data_dir = if_needed(program, Need::DataDir, reader, &names::DATA_DIR);
        let log = checked(reader, &names::LOG, |it| logs::filter(it).map(|_| it.to_owned()));
        let log_format = match reader.optional::<String>(&names::LOG_FORMAT) {
            Some(Some(_)) => checked(reader, &names::LOG_FORMAT, str::parse).map(Some),
            Some(None) => Some(None),
            None => None,
        };
        let drain_deadline = reader.read::<Seconds>(&names::DRAIN_DEADLINE_S);
        Some(Self {
            cluster: cluster?,
            region: region?,
            service: service?,
            instance: instance?,
            release: release?,
            side_addr: side_addr?,
            mesh_addr: mesh_addr?,
            public_addr: public_addr?,
            public_shared: public_shared?,
            advertise_ip: advertise_ip?,
            store_addr: store_addr?,
            identity_dir: identity_dir?,
            secrets_dir: secrets_dir?,
            data_dir: data_dir?,
            log: log?,
            log_format: log_format?,
            drain_deadline: drain_deadline?.duration(),
        })
    }

    /// Returns who logs.
    #[must_use]
    pub fn origin(&self) -> logs::Origin {
        logs::Origin {
            service: self.service.to_string(),
            instance: self.instance.to_string(),
            release: self.release.to_string(),
            region: self.region.to_string(),
        }
    }

    /// Returns the folder of this instance's own files, and makes it, for this user alone, if it is
    /// missing.
    ///
    /// # Errors
    /// [`StartError::Undeclared`] without [`Need::DataDir`], [`StartError::DataDir`] if it cannot be
    /// made.
    pub fn data_folder(&self) -> Result<&Path, StartError> {
        let what = names::DATA_DIR.name;
        let folder = self.data_dir.as_deref().ok_or(StartError::Undeclared { what })?;
        let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.map_err(|source| StartError::DataDir { folder: folder.to_owned(), source })?;
        Ok(folder)
    }

    /// Returns `bound` as others reach it: at `ARENA_ADVERTISE_IP`, or where it is bound, or, if that
    /// means all addresses, at `own`; `None` if that is not known either.
    #[must_use]
    pub fn advertised(&self, bound: SocketAddr, own: Option<IpAddr>) -> Option<SocketAddr> {
        let ip = match self.advertise_ip {
            Some(ip) => ip,
            None if bound.ip().is_unspecified() => own?,
            None => return Some(bound),
        };
        Some(SocketAddr::new(ip, bound.port()))
    }
}

#[expect(clippy::option_option, reason = "the outer one is `?`, as for `Reader::optional`")]
fn if_needed<T: FromVariable>(
    program: &Program,
    need: Need,
    reader: &mut Reader<'_>,
    variable: &Variable,
) -> Option<Option<T>> {
    if program.needs.contains(&need) {
        reader.read(variable).map(Some)
    } else {
        reader.optional(variable)
    }
}

/// Reads a text that another crate knows how to parse.
fn checked<T>(
    reader: &mut Reader<'_>,
    variable: &Variable,
    parse: impl Fn(&str) -> Result<T, logs::LogError>,
) -> Option<T> {
    let text = reader.read::<String>(variable)?;
    parse(&text)
        .map_err(|error| {
            let rule = error.to_string();
            let rule = rule.split_once("must be ").map_or(rule.as_str(), |(_, rule)| rule);
            reader.refuse(variable, Some(text.clone()), rule.to_owned());
        })
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROGRAM: Program = Program {
        name: "arena-gateway",
        needs: &[Need::Store, Need::PublicPort],
        schema: &[],
        threads: Threads::One,
    };

    fn read(source: &dyn arena_env::Source) -> Result<Settings, arena_env::EnvError> {
        let mut reader = Reader::new(source);
        let settings = Settings::read(&PROGRAM, &mut reader);
        reader.finish(|| settings)
    }

    #[test]
    fn a_program_is_told_what_it_needs() {
        let error = read(&[
            ("ARENA_CLUSTER", "demo"),
            ("ARENA_SERVICE", "gateway"),
            ("ARENA_PUBLIC_SHARED", "yes"),
            ("ARENA_LOG", "loudly=x=y"),
            ("ARENA_LOG_FORMAT", "yaml"),
        ])
        .unwrap_err();
        let names: Vec<_> = error.mistakes.iter().map(|it| it.name).collect();
        assert_eq!(
            names,
            [
                "ARENA_REGION",
                "ARENA_INSTANCE",
                "ARENA_RELEASE",
                "ARENA_PUBLIC_ADDR",
                "ARENA_PUBLIC_SHARED",
                "ARENA_STORE_ADDR",
                "ARENA_IDENTITY_DIR",
                "ARENA_SECRETS_DIR",
                "ARENA_LOG",
                "ARENA_LOG_FORMAT"
            ]
        );
        assert!(error.to_string().contains("ARENA_LOG_FORMAT=`yaml`: must be `text` or `json`"));
    }

    fn settings() -> Settings {
        read(&[
            ("ARENA_CLUSTER", "demo"),
            ("ARENA_REGION", "local"),
            ("ARENA_SERVICE", "gateway"),
            ("ARENA_INSTANCE", "gateway-r1-0"),
            ("ARENA_RELEASE", "r1"),
            ("ARENA_PUBLIC_ADDR", "0.0.0.0:8080"),
            ("ARENA_STORE_ADDR", "store:7000"),
            ("ARENA_IDENTITY_DIR", "/identity"),
            ("ARENA_SECRETS_DIR", "/secrets"),
        ])
        .unwrap()
    }

    #[test]
    fn a_missing_data_folder_is_made_for_this_user_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let volume = tempfile::tempdir().unwrap();
        let folder = volume.path().join("store-r1-0");
        let mut settings = settings();
        assert!(matches!(settings.data_folder(), Err(StartError::Undeclared { .. })));
        settings.data_dir = Some(folder.clone());
        for _ in 0..2 {
            assert_eq!(settings.data_folder().unwrap(), folder);
        }
        let mode = std::fs::metadata(&folder).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        let file = folder.join("file");
        std::fs::write(&file, "").unwrap();
        settings.data_dir = Some(file.join("below"));
        let error = settings.data_folder().unwrap_err().to_string();
        assert!(error.contains("file/below") && error.contains("ARENA_DATA_DIR"), "{error}");
    }

    #[test]
    fn an_instance_on_all_addresses_must_know_its_own() {
        let mut settings = settings();
        let (all, one) = ("0.0.0.0:80".parse().unwrap(), "127.0.0.1:80".parse().unwrap());
        let own = Some("10.0.0.6".parse().unwrap());
        assert_eq!(settings.advertised(all, None), None);
        assert_eq!(settings.advertised(all, own), Some("10.0.0.6:80".parse().unwrap()));
        assert_eq!(settings.advertised(one, own), Some(one));
        settings.advertise_ip = Some("10.0.0.7".parse().unwrap());
        assert_eq!(settings.advertised(all, own), Some("10.0.0.7:80".parse().unwrap()));
    }
}
