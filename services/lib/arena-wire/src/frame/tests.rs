use proptest::prelude::*;

use super::*;

/// Decodes `bytes` given in pieces cut at `cuts`, joining neighbouring DATA.
fn decode(bytes: &[u8], cuts: &[usize]) -> Result<Vec<Event>, FrameError> {
    let mut decoder = Decoder::default();
    let mut events: Vec<Event> = Vec::new();
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
    cuts.extend([0, bytes.len()]);
    cuts.sort_unstable();
    for piece in cuts.windows(2) {
        decoder.push(Bytes::copy_from_slice(&bytes[piece[0]..piece[1]]));
        while let Some(event) = decoder.next_event()? {
            match (events.last_mut(), event) {
                (Some(Event::Data(last)), Event::Data(more)) => {
                    *last = [last.as_ref(), more.as_ref()].concat().into();
                }
                (_, event) => events.push(event),
            }
        }
    }
    decoder.finish()?;
    Ok(events)
}

fn kinds() -> impl Strategy<Value = Kind> {
    prop::sample::select(vec![
        Kind::Data,
        Kind::Trailers,
        Kind::Head,
        Kind::GoAway,
        Kind::Link,
        Kind::Message,
    ])
}

fn frames() -> impl Strategy<Value = Vec<(Kind, Vec<u8>)>> {
    prop::collection::vec((kinds(), prop::collection::vec(any::<u8>(), 0..64)), 0..8)
}

fn fields() -> impl Strategy<Value = Vec<(String, Vec<u8>)>> {
    let name =
        prop_oneof!["[a-z-]{1,20}", prop::sample::select(&KNOWN_NAMES[..]).prop_map(str::to_owned)];
    prop::collection::vec((name, prop::collection::vec(any::<u8>(), 0..40)), 0..10)
}

proptest! {
    #[test]
    fn frames_survive_any_split(frames in frames(), cuts in prop::collection::vec(any::<usize>(), 0..6)) {
        let mut out = BytesMut::new();
        let mut expected: Vec<Event> = Vec::new();
        for (kind, payload) in &frames {
            put_frame(&mut out, *kind, payload).unwrap();
            match (expected.last_mut(), kind) {
                (_, Kind::Data) if payload.is_empty() => {}
                (Some(Event::Data(last)), Kind::Data) => *last = [last.as_ref(), payload].concat().into(),
                (_, Kind::Data) => expected.push(Event::Data(payload.clone().into())),
                _ => expected.push(Event::Frame(*kind, payload.clone().into())),
            }
        }
        prop_assert_eq!(decode(&out, &cuts).unwrap(), expected);
    }

    #[test]
    fn a_stream_cut_short_is_an_error(payload in prop::collection::vec(any::<u8>(), 1..64), kind in kinds(), cut in any::<usize>()) {
        let mut out = BytesMut::new();
        put_frame(&mut out, kind, &payload).unwrap();
        let cut = 1 + cut % (out.len() - 1);
        prop_assert_eq!(decode(&out[..cut], &[]), Err(FrameError::Truncated));
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..256), cuts in prop::collection::vec(any::<usize>(), 0..6)) {
        let _ = decode(&bytes, &cuts);
        if let Ok(head) = Head::parse(bytes.into()) {
            head.for_each(drop);
        }
    }

    #[test]
    fn heads_round_trip(path in "[a-zA-Z0-9/.]{0,60}", fields in fields()) {
        let mut out = BytesMut::new();
        put_head(&mut out, Kind::Head, &path, fields.iter().map(|(n, v)| (n.as_str(), v.as_slice()))).unwrap();
        let events = decode(&out, &[]).unwrap();
        let [Event::Frame(Kind::Head, payload)] = events.as_slice() else { panic!("{events:?}") };
        let head = Head::parse(payload.clone()).unwrap();
        prop_assert_eq!(&head.path[..], path.as_bytes());
        let found: Vec<(Vec<u8>, Vec<u8>)> = head.map(|f| f.map(|(n, v)| (n.as_ref().to_vec(), v.to_vec())).unwrap()).collect();
        let sent: Vec<(Vec<u8>, Vec<u8>)> = fields.into_iter().map(|(n, v)| (n.into_bytes(), v)).collect();
        prop_assert_eq!(found, sent);
    }
}

#[test]
fn payloads_above_the_limit_are_refused_by_both_sides() {
    for kind in [Kind::Data, Kind::Trailers, Kind::Head, Kind::GoAway, Kind::Link, Kind::Message] {
        let (len, max) = (kind.len_max() + 1, kind.len_max());
        let mut out = BytesMut::new();
        let refused = FrameError::TooLong { kind, len, max };
        assert_eq!(put_header(&mut out, kind, len), Err(refused));
        assert!(out.is_empty());
        out.put_u8(kind as u8);
        out.put_u32(len as u32);
        assert_eq!(decode(&out, &[]), Err(refused));
    }
}

#[test]
fn a_head_above_the_limit_leaves_nothing_behind() {
    let mut out = BytesMut::from(&b"before"[..]);
    let value = vec![b'x'; HEAD_LEN_MAX];
    let fields = [("a", value.as_slice()), ("b", value.as_slice())];
    assert!(matches!(
        put_head(&mut out, Kind::Head, "/p", fields.into_iter()),
        Err(FrameError::TooLong { kind: Kind::Head, .. })
    ));
    assert_eq!(&out[..], b"before");
    let nameless = [("", &b""[..])];
    assert_eq!(
        put_head(&mut out, Kind::Head, "/p", nameless.into_iter()),
        Err(FrameError::MalformedHead)
    );
    assert_eq!(&out[..], b"before");
}

#[test]
fn an_unknown_kind_is_named() {
    assert_eq!(decode(&[9, 0, 0, 0, 0], &[]), Err(FrameError::UnknownKind { kind: 9 }));
}
