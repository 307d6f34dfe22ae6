use proptest::prelude::*;

use super::*;

fn datagrams(flow: u32, seq: u32, frame: &[u8], len: usize) -> Vec<Bytes> {
    split((7, flow, seq), frame, len).unwrap().collect()
}

fn push(state: &mut Reassembly, mut datagram: Bytes) -> Option<Bytes> {
    let header = Header::take(&mut datagram).unwrap();
    assert_eq!(header.link, 7);
    state.push(header, datagram)
}

proptest! {
    #[test]
    fn frames_survive_any_order_of_their_fragments(
        frame in prop::collection::vec(any::<u8>(), 0..4000),
        len in 100_usize..1500,
        order in any::<u64>(),
    ) {
        let mut parts = datagrams(1, 1, &frame, len);
        prop_assert!(parts.iter().all(|part| part.len() <= len));
        let pivot = (order as usize) % parts.len();
        parts.rotate_left(pivot);
        let mut state = Reassembly::default();
        let whole: Vec<Bytes> = parts.into_iter().filter_map(|part| push(&mut state, part)).collect();
        prop_assert_eq!(whole, vec![Bytes::from(frame)]);
        prop_assert_eq!(state.partial_bytes, 0);
    }

    #[test]
    fn arbitrary_datagrams_never_panic_and_stay_bounded(
        datagrams in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..200),
    ) {
        let mut state = Reassembly::default();
        for datagram in datagrams {
            let mut datagram = Bytes::from(datagram);
            if let Some(header) = Header::take(&mut datagram) {
                state.push(header, datagram);
            }
        }
        prop_assert!(state.partial_bytes <= PARTIAL_BYTES_MAX);
    }
}

#[test]
fn a_newer_frame_replaces_an_unfinished_one() {
    let mut state = Reassembly::default();
    let old = datagrams(1, 1, &[1; 300], 200);
    let new = datagrams(1, 2, &[2; 300], 200);
    assert_eq!(push(&mut state, old[0].clone()), None);
    assert_eq!(push(&mut state, new[0].clone()), None);
    assert_eq!(push(&mut state, old[1].clone()), None);
    assert_eq!(push(&mut state, new[1].clone()), Some(Bytes::from(vec![2; 300])));
    assert_eq!(push(&mut state, old[0].clone()), None, "stale");
    assert_eq!(push(&mut state, new[0].clone()), None, "delivered once");
}

#[test]
fn flows_do_not_disturb_each_other_and_sequences_wrap() {
    let mut state = Reassembly::default();
    let mut deliver = |flow, seq| push(&mut state, datagrams(flow, seq, b"x", 200)[0].clone());
    assert!(deliver(1, u32::MAX).is_some());
    assert!(deliver(2, 5).is_some());
    assert!(deliver(1, 0).is_some());
    assert!(deliver(1, u32::MAX).is_none());
    assert!(deliver(2, 4).is_none());
}

#[test]
fn the_flow_unused_for_longest_is_forgotten_first() {
    let mut state = Reassembly::default();
    for flow in 0..=FLOWS_MAX as u32 {
        assert!(push(&mut state, datagrams(flow, 1, b"x", 200)[0].clone()).is_some());
    }
    assert_eq!(state.flows.len(), FLOWS_MAX);
    assert!(!state.flows.contains_key(&0));
}

#[test]
fn a_frame_of_too_many_fragments_is_not_cut() {
    assert!(split((1, 1, 1), &vec![0; 65 * 184], 200).is_none());
    assert!(split((1, 1, 1), &[0], HEADER_LEN).is_none());
}
