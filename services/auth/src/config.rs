use arena_env::{Reader, names};
use arena_instance::{Need, Program, Threads};

/// What this program is. Calls are short; passwords are hashed on threads of their own.
pub const PROGRAM: Program = Program {
    name: "arena-auth",
    needs: &[Need::Store],
    schema: &[("token", 1)],
    threads: Threads::One,
};

/// What is set for this service alone.
#[derive(Clone, Copy, Debug)]
pub struct AuthSettings {
    /// `ARENA_AUTH_LOGINS_PER_IP`.
    pub logins_per_ip: u32,
}

impl AuthSettings {
    /// Reads it; mistakes stay in `reader`.
    pub fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let logins_per_ip = reader.read::<u32>(&names::AUTH_LOGINS_PER_IP)?;
        if logins_per_ip == 0 {
            let rule = "at least 1: 0 would lock everybody out".to_owned();
            reader.refuse(&names::AUTH_LOGINS_PER_IP, Some("0".to_owned()), rule);
            return None;
        }
        Some(Self { logins_per_ip })
    }
}
