use arena_env::{Reader, Variable, names};
use arena_instance::{Need, Program, Threads};

use crate::policy::Bounds;

/// What this program is.
pub const PROGRAM: Program = Program {
    name: "arena-autoscaler",
    needs: &[Need::Store],
    schema: &[("scale", 1)],
    threads: Threads::One,
};

/// What is set for this service alone.
#[derive(Clone, Copy, Debug)]
pub struct AutoscalerSettings {
    /// `ARENA_AUTOSCALER_GAME_MIN` and `_MAX`.
    pub game: Bounds,
    /// `ARENA_AUTOSCALER_GATEWAY_MIN` and `_MAX`.
    pub gateway: Bounds,
}

impl AutoscalerSettings {
    /// Reads it; mistakes stay in `reader`.
    pub fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let game = bounds(reader, &names::AUTOSCALER_GAME_MIN, &names::AUTOSCALER_GAME_MAX);
        let gateway =
            bounds(reader, &names::AUTOSCALER_GATEWAY_MIN, &names::AUTOSCALER_GATEWAY_MAX);
        Some(Self { game: game?, gateway: gateway? })
    }
}

fn bounds(reader: &mut Reader<'_>, min: &Variable, max: &Variable) -> Option<Bounds> {
    let (least, most) = (reader.read::<u32>(min), reader.read::<u32>(max));
    let (least, most) = (least?, most?);
    let bounds = Bounds::new(least, most);
    if bounds.is_none() {
        let rule = format!("at least 1 and at least {}, which is {least}", min.name);
        reader.refuse(max, Some(most.to_string()), rule);
    }
    bounds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_that_cross_are_a_mistake() {
        let source = [("ARENA_AUTOSCALER_GAME_MIN", "3"), ("ARENA_AUTOSCALER_GAME_MAX", "2")];
        let mut reader = Reader::new(&source);
        let settings = AutoscalerSettings::read(&mut reader);
        let error = reader.finish(|| settings).unwrap_err().to_string();
        let expected = "ARENA_AUTOSCALER_GAME_MAX=`2`: must be at least 1 and at least \
                        ARENA_AUTOSCALER_GAME_MIN, which is 3";
        assert!(error.contains(expected), "{error}");
    }
}
