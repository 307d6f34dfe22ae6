//! Kernels that are wrong on purpose: a test that lets one of them live would let a real mistake live.
use crate::kernel::Kernel;

/// What must become of a mutant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Its outcomes or states differ from those of the CPU.
    Differs,
    /// It looks at what an atomic returns, which only the lint sees.
    Refused,
    /// It does the same in another order, and stays equal.
    Equal,
}

/// One change of the kernel.
#[derive(Clone, Copy, Debug)]
pub struct Mutant {
    /// What is wrong with it.
    pub name: &'static str,
    /// The text that it replaces, which stands once in the kernel.
    pub old: &'static str,
    /// What stands there instead.
    pub new: &'static str,
    /// What must become of it.
    pub fate: Fate,
}

impl Mutant {
    /// Returns the changed kernel.
    #[must_use]
    pub fn kernel(&self) -> Kernel {
        Kernel::new().altered(self.old, self.new)
    }
}

const fn mutant(name: &'static str, fate: Fate, old: &'static str, new: &'static str) -> Mutant {
    Mutant { name, old, new, fate }
}

/// How many of the first of [`MUTANTS`] every run of the tests tries; `make sim` tries them all.
pub const FIRST: usize = 5;

/// All mutants. A device with one lane a core hides missing barriers: compare on 64 lanes and more.
pub const MUTANTS: [Mutant; 9] = [
    mutant(
        "no barrier after the players",
        Fate::Differs,
        "workgroupBarrier(); // after the players: all masks of seats are whole\n",
        "\n",
    ),
    mutant(
        "no barrier after the shots",
        Fate::Differs,
        "storageBarrier(); // after the shots: all projectiles are there\n            workgroupBarrier();",
        "",
    ),
    mutant(
        "no barrier before the damage",
        Fate::Differs,
        "storageBarrier(); // before the damage: all impacts are summed\n            workgroupBarrier();",
        "",
    ),
    mutant(
        "the last projectile gets the kill",
        Fate::Differs,
        "atomicMin(&least_slot[victim], slot);",
        "atomicStore(&least_slot[victim], slot);",
    ),
    mutant(
        "projectiles from the last slot to the first",
        Fate::Equal,
        "for (var slot = lane; slot < N; slot += WG) {\n        let word = slabs[slab + PROJECTILES_AT + 3u * N + slot];",
        "for (var back = lane; back < N; back += WG) {\n        let slot = N - 1u - back;\n        let word = slabs[slab + PROJECTILES_AT + 3u * N + slot];",
    ),
    mutant(
        "the last projectile sets the damage",
        Fate::Differs,
        "atomicAdd(&damage_sum[victim], damage);",
        "atomicStore(&damage_sum[victim], damage);",
    ),
    mutant(
        "projectiles of emptied seats fly on",
        Fate::Differs,
        "if ((gone >> owner(word)) & 1u) != 0u {",
        "if false {",
    ),
    mutant(
        "shots race for a slot",
        Fate::Refused,
        "let slot = (header[CURSOR] + rank * pellets + pellet) & (N - 1u);",
        "let slot = (header[CURSOR] + atomicAdd(&most_kills, 1u)) & (N - 1u);",
    ),
    mutant(
        "shots in a scattered order",
        Fate::Equal,
        "for (var shot = lane; shot < PLAYERS * pellets; shot += WG) {\n        let p = shot / pellets;",
        "for (var turn = lane; turn < PLAYERS * pellets; turn += WG) {\n        let shot = (turn * 77u + 5u) % (PLAYERS * pellets);\n        let p = shot / pellets;",
    ),
];

#[cfg(test)]
mod tests {
    use super::{Fate, MUTANTS};
    use crate::testing::used_atomic_results;

    #[test]
    fn the_lint_refuses_those_it_must_and_no_other() {
        for mutant in MUTANTS {
            let used = used_atomic_results(mutant.kernel().text()).unwrap();
            assert_eq!(!used.is_empty(), mutant.fate == Fate::Refused, "{}", mutant.name);
        }
    }
}
