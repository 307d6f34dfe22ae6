use proptest::prelude::*;

use super::super::strategies::{head, view, view_after};
use super::*;

const HEAD: FrameHead = FrameHead {
    tick: Tick(0),
    baseline: None,
    input_seq: 7,
    lead: 2,
    finished: false,
    epoch: Epoch(1),
};

fn shot(slot: u16, at: u32) -> Shot {
    Shot { slot, owner: 3, at, until: at + 90, x: 5 << 16, y: 9 << 16, vx: 900, vy: -900 }
}

/// `players` fighters, all of them moved and turned by `step` since the start, and `shots` of 90
/// ticks, the oldest first.
fn busy_view(tick: u32, players: usize, shots: usize) -> View {
    let mut view = View { tick, ..View::default() };
    for (seat, player) in view.players.iter_mut().take(players).enumerate() {
        *player = PlayerView {
            here: true,
            alive: true,
            health: 100,
            x: 2000 + (tick * 32) as u16 % 2000,
            y: 1000 + 200 * seat as u16,
            aim: (tick * 3) as u8,
            kills: 4,
            deaths: 5,
        };
    }
    view.own = Some(OwnView { x: tick << 12, y: 9, vx: 1000, vy: -3, cooldown: 4, respawn: 0 });
    view.shots = (0..shots as u32)
        .map(|age| shot(((tick - age * 3) / 3 % 2048) as u16, (tick - age * 3) / 3 * 3))
        .collect();
    view.shots.sort_unstable_by_key(|it| it.slot);
    view
}

#[test]
fn a_second_of_a_busy_match_fits_64_kbit() {
    // The acknowledged frame is four frames (133 ms) old; a shot enters sight every third tick.
    let frames = (0..30_u32).map(|frame| 600 + 2 * frame);
    let bytes: usize = frames
        .map(|tick| {
            let baseline = busy_view(tick - 8, SEATS, 30);
            let view = busy_view(tick, SEATS, 30);
            encode_frame(HEAD, &view, Some(&baseline), Vec::new()).len()
        })
        .sum();
    assert!(bytes * 8 <= 64_000, "{} kbit/s", bytes * 8 / 1000);
    assert!(bytes * 8 > 20_000, "the example is not busy: {} kbit/s", bytes * 8 / 1000);
}

#[test]
fn an_expired_shot_costs_no_bits() {
    let flying = View { tick: 100, shots: vec![shot(1, 100)], ..View::default() };
    let gone = View { tick: 190, ..View::default() };
    let unseen = encode_frame(HEAD, &gone, Some(&View { tick: 100, ..View::default() }), vec![]);
    let bytes = encode_frame(HEAD, &gone, Some(&flying), vec![]);
    assert_eq!(bytes.len(), unseen.len());
    assert_eq!(decode_frame(&bytes, Some(&flying)).unwrap().1, gone);
}

#[test]
fn a_frame_needs_its_own_baseline() {
    let baseline = busy_view(600, 4, 4);
    let bytes = encode_frame(HEAD, &busy_view(602, 4, 4), Some(&baseline), Vec::new());
    assert_eq!(FrameHead::peek(&bytes).unwrap().baseline, Some(Tick(600)));
    for other in [None, Some(&busy_view(599, 4, 4))] {
        assert_eq!(decode_frame(&bytes, other), Err(DecodeError::NoBaseline { tick: 600 }));
    }
}

#[test]
fn a_baseline_too_old_for_its_byte_gives_a_full_frame() {
    let view = busy_view(900, 4, 4);
    for baseline in [busy_view(644, 4, 4), busy_view(900, 4, 4), busy_view(902, 4, 4)] {
        let bytes = encode_frame(HEAD, &view, Some(&baseline), Vec::new());
        assert_eq!(decode_frame(&bytes, None).unwrap().1, view, "from {}", baseline.tick);
    }
}

#[test]
fn a_hostile_count_is_refused_by_what_the_bytes_can_hold() {
    let mut out = BitWriter::after(FrameHead { tick: Tick(5), ..HEAD }.encode(Vec::new()));
    out.bits(0, 3 + SEATS as u32);
    out.gamma(0);
    out.gamma(2000);
    let error = decode_frame(&out.finish(), None).unwrap_err();
    assert!(matches!(error, DecodeError::TooLong { field: "added", len: 2000, .. }), "{error:?}");
}

#[test]
fn a_slot_given_twice_is_refused() {
    let mut out = BitWriter::after(FrameHead { tick: Tick(100), ..HEAD }.encode(Vec::new()));
    out.bits(0, 3 + SEATS as u32);
    out.gamma(0);
    out.gamma(2);
    write_shot(&shot(4, 99), 100, &mut out);
    write_shot(&shot(4, 98), 100, &mut out);
    let error = decode_frame(&out.finish(), None).unwrap_err();
    assert!(matches!(error, DecodeError::BadValue { field: "slot", .. }), "{error:?}");
}

#[test]
fn a_body_of_any_game_follows_its_head() {
    for (epoch, body) in [(1, vec![]), (7, vec![0xff]), (1_000, vec![1, 2, 3])] {
        let head = FrameHead { tick: Tick(9), epoch: Epoch(epoch), finished: true, ..HEAD };
        let mut bytes = head.encode(vec![4]);
        bytes.extend(&body);
        assert_eq!(FrameHead::split(&bytes), Ok((head, body.as_slice())));
    }
    let mut bytes = HEAD.encode(Vec::new());
    bytes[1] = 5; // tick 5
    *bytes.last_mut().unwrap() |= 0x80;
    let error = FrameHead::split(&bytes).unwrap_err();
    assert!(matches!(error, DecodeError::BadValue { field: "padding", .. }), "{error:?}");
}

proptest! {
    #[test]
    fn any_view_reads_back_against_any_baseline(
        head in head(),
        (baseline, next) in view().prop_flat_map(|it| (Just(it.clone()), view_after(it))),
        full in any::<bool>(),
    ) {
        let against = (!full).then_some(&baseline);
        let bytes = encode_frame(head, &next, against, Vec::new());
        let (read, decoded) = decode_frame(&bytes, against).unwrap();
        prop_assert_eq!(&decoded, &next);
        prop_assert_eq!(read, FrameHead::peek(&bytes).unwrap());
        prop_assert_eq!((read.input_seq, read.lead, read.finished, read.epoch),
            (head.input_seq, head.lead, head.finished, head.epoch));
    }

    #[test]
    fn arbitrary_bytes_never_panic(
        mut bytes in prop::collection::vec(any::<u8>(), 0..600),
        baseline in view(),
    ) {
        if let Some(first) = bytes.first_mut() {
            *first = FRAME_TYPE;
        }
        drop(decode_frame(&bytes, Some(&baseline)));
        if bytes.len() > 6 {
            bytes[1..5].copy_from_slice(&(baseline.tick + 2).to_le_bytes());
            bytes[5] = 2;
            drop(decode_frame(&bytes, Some(&baseline)));
        }
    }

    #[test]
    fn a_flipped_bit_never_panics(
        (baseline, next) in view().prop_flat_map(|it| (Just(it.clone()), view_after(it))),
        at in any::<prop::sample::Index>(),
    ) {
        let mut bytes = encode_frame(HEAD, &next, Some(&baseline), Vec::new());
        let bit = at.index(bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        drop(decode_frame(&bytes, Some(&baseline)));
    }
}
