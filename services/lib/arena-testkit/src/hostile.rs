use proptest::prelude::*;

/// Bytes of a message of noise, at most.
const NOISE_LEN_MAX: usize = 200;

/// What happens to a message on its way.
#[derive(Clone, Debug)]
enum Harm {
    None,
    Cut(prop::sample::Index),
    Flip(prop::sample::Index, u8),
    Longer(Vec<u8>),
    Noise(Vec<u8>),
}

/// Returns messages as a broken or hostile peer sends them: one of `valid` as it is, cut short, with
/// a bit turned, with bytes behind its end, or noise that begins like it.
///
/// # Panics
/// If `valid` or one of its messages is empty.
pub fn hostile(valid: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    assert!(valid.iter().all(|it| !it.is_empty()), "a message has a type");
    let noise = || prop::collection::vec(any::<u8>(), 0..NOISE_LEN_MAX);
    let harm = prop_oneof![
        3 => Just(Harm::None),
        2 => any::<prop::sample::Index>().prop_map(Harm::Cut),
        3 => (any::<prop::sample::Index>(), 0..8_u8).prop_map(|(at, bit)| Harm::Flip(at, bit)),
        1 => noise().prop_map(Harm::Longer),
        2 => noise().prop_map(Harm::Noise),
    ];
    (prop::sample::select(valid), harm).prop_map(|(mut message, harm)| {
        match harm {
            Harm::None => {}
            Harm::Cut(at) => message.truncate(at.index(message.len())),
            Harm::Flip(at, bit) => {
                let at = at.index(message.len());
                message[at] ^= 1 << bit;
            }
            Harm::Longer(more) => message.extend(more),
            Harm::Noise(noise) => {
                message.truncate(1);
                message.extend(noise);
            }
        }
        message
    })
}
