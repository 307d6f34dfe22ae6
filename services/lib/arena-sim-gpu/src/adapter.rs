//! Which devices there are and which may step matches.
use std::fmt;

/// What a device must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Accept {
    /// A graphics card with memory of its own.
    Discrete,
    /// That, or one that shares the memory of the processor.
    Integrated,
    /// Anything, even a driver that computes on the CPU: for tests, never for players.
    Software,
}

/// What a device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AdapterKind {
    /// With memory of its own.
    Discrete,
    /// Shares the memory of the processor.
    Integrated,
    /// A share of a device of the host.
    Virtual,
    /// The driver does not say.
    Unknown,
    /// Computes on the CPU.
    Software,
}

/// A device as operators see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdapterFacts {
    /// The device's name, as its driver gives it.
    pub name: String,
    /// The driver and its version.
    pub driver: String,
    /// What it is.
    pub kind: AdapterKind,
}

impl Accept {
    /// Says whether a device of this kind may be used.
    #[must_use]
    pub fn allows(self, kind: AdapterKind) -> bool {
        match self {
            Self::Discrete => matches!(kind, AdapterKind::Discrete | AdapterKind::Virtual),
            Self::Integrated => kind < AdapterKind::Unknown,
            Self::Software => true,
        }
    }
}

impl AdapterFacts {
    pub(crate) fn of(info: &wgpu::AdapterInfo) -> Self {
        let kind = match info.device_type {
            wgpu::DeviceType::DiscreteGpu => AdapterKind::Discrete,
            wgpu::DeviceType::IntegratedGpu => AdapterKind::Integrated,
            wgpu::DeviceType::VirtualGpu => AdapterKind::Virtual,
            wgpu::DeviceType::Other => AdapterKind::Unknown,
            wgpu::DeviceType::Cpu => AdapterKind::Software,
        };
        let driver = format!("{} {}", info.driver, info.driver_info).trim().to_owned();
        Self { name: info.name.clone(), driver, kind }
    }
}

impl fmt::Display for AdapterKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Discrete => "discrete",
            Self::Integrated => "integrated",
            Self::Virtual => "virtual",
            Self::Unknown => "unknown",
            Self::Software => "cpu",
        })
    }
}

impl fmt::Display for AdapterFacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}, {})", self.name, self.kind, self.driver)
    }
}

#[cfg(test)]
mod tests {
    use super::{Accept, AdapterKind as Kind};

    #[test]
    fn only_a_test_computes_on_a_software_device() {
        for (accept, allowed) in [
            (Accept::Discrete, [true, false, true, false, false]),
            (Accept::Integrated, [true, true, true, false, false]),
            (Accept::Software, [true, true, true, true, true]),
        ] {
            let kinds =
                [Kind::Discrete, Kind::Integrated, Kind::Virtual, Kind::Unknown, Kind::Software];
            assert_eq!(kinds.map(|kind| accept.allows(kind)), allowed, "{accept:?}");
        }
    }
}
