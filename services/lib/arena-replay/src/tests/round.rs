//! What was written is what is read, whatever it was.
use std::io::Cursor;

use arena_sim::{Input, SeatInputs};
use proptest::prelude::*;

use crate::testing::sums_header;
use crate::{
    Content, Encoder, Event, Header, Note, Outcome, Place, Player, Reader, Safety, Settings,
    TickHash, WriteError, Writer,
};

/// What a writer was given, in order.
#[derive(Clone, Debug, Default, PartialEq)]
struct Given {
    inputs: Vec<SeatInputs>,
    hashes: Vec<TickHash>,
    keyframes: Vec<(u32, Vec<u8>)>,
    events: Vec<Event>,
    notes: Vec<Note>,
}

/// One tick: which seats change, to what, and what comes beside the inputs.
type Tick = (u16, u32, Option<(String, Option<u32>)>, bool);

fn ticks() -> impl Strategy<Value = Vec<Tick>> {
    let text = "[a-zé\\PC]{0,12}";
    let event = prop::option::weighted(0.1, (text, any::<Option<u32>>()));
    // Most seats hold their input most of the time.
    let seats = prop_oneof![4 => Just(0u16), 2 => any::<u16>(), 1 => Just(u16::MAX)];
    let word = prop_oneof![any::<u32>(), (0..4u32).prop_map(|it| 0x7f << (8 * it))];
    prop::collection::vec((seats, word, event, prop::bool::weighted(0.05)), 0..400)
}

fn headers() -> impl Strategy<Value = Header> {
    let text = || "\\PC{0,20}";
    let player = (any::<u32>(), text(), text());
    let players = prop::collection::vec(player, 0..4);
    let numbers = (any::<u32>(), any::<u64>(), any::<u64>(), 1..=1_000u32, any::<u32>());
    let cadence = (1..=40u32, 1..=90u32, 0..2u32, 0..1_000_000u32);
    (text(), text(), players, numbers, cadence).prop_map(|(release, rules, players, n, cadence)| {
        let (hash_ticks, keyframe_ticks, is_cut, first_tick) = cadence;
        Header {
            release,
            rules,
            players: players
                .into_iter()
                .map(|(seat, id, name)| Player { seat, id, name })
                .collect(),
            seed: n.0,
            rules_hash: n.1,
            started_ms: n.2,
            tick_rate_hz: n.3,
            schema: n.4,
            hash_ticks,
            keyframe_ticks,
            first_tick: is_cut * first_tick,
            ..Header::default()
        }
    })
}

/// Bytes of a state for a tick: of any length, words or not.
fn state(tick: u32) -> Vec<u8> {
    (0..tick % 37).map(|it| (it * tick) as u8).collect()
}

fn write(header: &Header, settings: Settings, ticks: &[Tick]) -> (Vec<u8>, Given, Outcome) {
    let mut encoder = Encoder::new().unwrap();
    let mut writer = Writer::new(header, settings).unwrap();
    let (mut file, mut given) = (Vec::new(), Given::default());
    let mut inputs = SeatInputs::default();
    let keyframe = |writer: &mut Writer, given: &mut Given, encoder: &mut Encoder| {
        writer.keyframe(&state(writer.tick()), encoder).unwrap();
        given.keyframes.push((writer.tick(), state(writer.tick())));
    };
    if writer.is_keyframe_due() {
        keyframe(&mut writer, &mut given, &mut encoder);
    }
    for (seats, word, event, is_note) in ticks {
        let tick = writer.tick();
        if let Some((text, seat)) = event.clone() {
            writer.event("said", seat, &text, &mut encoder).unwrap();
            given.events.push(Event { tick, kind: "said".to_owned(), seat, text });
        }
        if *is_note {
            let (name, value) = (format!("n{tick}"), word.to_string());
            writer.note(&name, &value, &mut encoder).unwrap();
            given.notes.push(Note { name, value });
        }
        for (seat, input) in inputs.iter_mut().enumerate() {
            if seats >> seat & 1 != 0 {
                *input = Input::unpack(word.rotate_left(seat as u32));
            }
        }
        writer.inputs(tick, &inputs, &mut encoder).unwrap();
        given.inputs.push(inputs);
        // Some hashes never come: a machine that was busy, a GPU that was lost.
        if writer.is_hash_due() && word % 5 != 0 {
            let hash = TickHash { tick: writer.tick(), hash: u64::from(*word) << 20 };
            writer.hash(hash.hash, &mut encoder).unwrap();
            given.hashes.push(hash);
        }
        if writer.is_keyframe_due() {
            keyframe(&mut writer, &mut given, &mut encoder);
        }
        file.extend(writer.take().into_iter().flat_map(|it| it.bytes));
    }
    let standings = vec![Place { seat: 3, rank: 1, kills: 9, deaths: 2, bot: true }];
    let outcome =
        Outcome { reason: "time".to_owned(), ended_ms: 77, standings, team_scores: vec![3, 0] };
    file.extend(writer.finish(outcome.clone(), 99, &mut encoder).unwrap().bytes);
    (file, given, outcome)
}

fn read(reader: &mut Reader<Cursor<&[u8]>>) -> Given {
    let mut read = Given::default();
    while let Some(chunk) = reader.next_chunk().unwrap() {
        match chunk.content {
            Content::Inputs(inputs) => read.inputs.extend(inputs),
            Content::Hashes(hashes) => read.hashes.extend(hashes),
            Content::Keyframe(state) => read.keyframes.push((chunk.head.from, state)),
            Content::Events(events) => read.events.extend(events),
            Content::Meta(notes) => read.notes.extend(notes),
            Content::Other => panic!("nothing else was written"),
        }
    }
    read
}

fn settings() -> impl Strategy<Value = Settings> {
    let safety = prop_oneof![Just(Safety::Keyframes), Just(Safety::Chunks)];
    (1..=70u32, safety).prop_map(|(chunk_ticks, safety)| Settings { chunk_ticks, safety })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn what_was_written_is_what_is_read(
        header in headers(),
        settings in settings(),
        ticks in ticks(),
    ) {
        let (file, given, outcome) = write(&header, settings, &ticks);
        let mut reader = Reader::open(Cursor::new(file.as_slice())).unwrap();
        prop_assert_eq!(reader.header(), &header);
        prop_assert_eq!(reader.recovery(), None);
        prop_assert_eq!(reader.last_tick(), header.first_tick + ticks.len() as u32);
        prop_assert_eq!(&reader.footer().unwrap().outcome, &outcome);
        prop_assert_eq!(reader.footer().unwrap().last_hash, 99);
        prop_assert_eq!(read(&mut reader), given.clone());
        let audit = crate::audit(&mut reader).unwrap();
        prop_assert!(audit.problems.is_empty(), "{:?}", audit.problems);
        for (tick, state) in &given.keyframes {
            let place = reader.seek(*tick).unwrap();
            prop_assert_eq!(place.tick, *tick);
            let chunk = reader.next_chunk().unwrap().unwrap();
            prop_assert_eq!(&chunk.content, &Content::Keyframe(state.clone()));
        }
        // Inputs after a keyframe need nothing from before it.
        if let Some((tick, _)) = given.keyframes.last() {
            reader.seek(u32::MAX).unwrap();
            let rest = read(&mut reader);
            let from = (tick - header.first_tick) as usize;
            prop_assert_eq!(rest.inputs.as_slice(), &given.inputs[from..]);
        }
    }

    #[test]
    fn a_file_without_its_end_has_what_came_before(
        header in headers(),
        ticks in ticks(),
        cut in any::<prop::sample::Index>(),
    ) {
        let (file, given, _) = write(&header, Settings { chunk_ticks: 7, ..Settings::default() }, &ticks);
        let torn = &file[..cut.index(file.len())];
        let Ok(mut reader) = Reader::open(Cursor::new(torn)) else {
            let first = header.encoded_bytes();
            prop_assert!(torn.len() < first, "only a header that is not whole is an error");
            return Ok(());
        };
        prop_assert!(reader.recovery().is_some());
        let read = read(&mut reader);
        prop_assert!(given.inputs.starts_with(&read.inputs));
        prop_assert!(given.hashes.starts_with(&read.hashes));
        prop_assert!(given.keyframes.starts_with(&read.keyframes));
        prop_assert!(given.events.starts_with(&read.events));
        prop_assert!(given.notes.starts_with(&read.notes));
        prop_assert_eq!(reader.last_tick(), header.first_tick + read.inputs.len() as u32);
    }
}

impl Header {
    /// The bytes of a file before its first chunk.
    fn encoded_bytes(&self) -> usize {
        let mut writer = Writer::new(self, Settings::default()).unwrap();
        writer.take().unwrap().bytes.len()
    }
}

#[test]
fn a_writer_refuses_what_no_reader_would_take() {
    let mut encoder = Encoder::new().unwrap();
    let header = sums_header(1);
    let mut bad = header.clone();
    bad.hash_ticks = 0;
    let refused = Writer::new(&bad, Settings::default()).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "cannot write a replay with this header: it has an impossible ticks between hashes: 0"
    );
    let long = Header { rules: "x".repeat(70_000), ..header.clone() };
    assert!(matches!(Writer::new(&long, Settings::default()), Err(WriteError::Limit { .. })));
    let mut writer = Writer::new(&header, Settings::default()).unwrap();
    let inputs = SeatInputs::default();
    let order = WriteError::Order { found: 1, expected: 0 };
    assert_eq!(writer.inputs(1, &inputs, &mut encoder), Err(order));
    writer.inputs(0, &inputs, &mut encoder).unwrap();
    let too_long = "x".repeat(4_096);
    let refused = writer.event("chat", None, &too_long, &mut encoder);
    assert!(matches!(refused, Err(WriteError::Limit { what: "bytes of event", .. })));
    writer.keyframe(&[1, 2, 3], &mut encoder).unwrap();
    let again = WriteError::Order { found: 1, expected: 2 };
    assert_eq!(writer.keyframe(&[1, 2, 3], &mut encoder), Err(again));
    let mut late = Writer::new(&Header { first_tick: 9, ..header }, Settings::default()).unwrap();
    let refused = late.inputs(9, &inputs, &mut encoder);
    assert_eq!(refused, Err(WriteError::NoKeyframe { tick: 9 }));
}

#[test]
fn bytes_that_nobody_takes_stop_a_writer() {
    let mut encoder = Encoder::new().unwrap();
    let header = sums_header(1);
    let mut writer = Writer::new(&header, Settings::default()).unwrap();
    let mut noise = 1u32;
    let refused = (0..).find_map(|tick| {
        let state: Vec<u8> = std::iter::repeat_with(|| {
            noise = noise.wrapping_mul(0x0019_660d).wrapping_add(0x3c6e_f35f);
            (noise >> 24) as u8
        })
        .take(1 << 20)
        .collect();
        writer.inputs(tick, &SeatInputs::default(), &mut encoder).ok()?;
        writer.keyframe(&state, &mut encoder).err()
    });
    assert!(matches!(refused, Some(WriteError::Limit { what: "bytes that nobody takes", .. })));
    assert!(writer.take().is_some());
    writer.inputs(writer.tick(), &SeatInputs::default(), &mut encoder).unwrap();
}

#[test]
fn the_file_is_to_be_safe_where_a_keyframe_is_or_after_every_chunk() {
    let syncs = |safety| {
        let mut encoder = Encoder::new().unwrap();
        let mut writer =
            Writer::new(&sums_header(1), Settings { chunk_ticks: 10, safety }).unwrap();
        let mut syncs = vec![writer.take().unwrap().is_sync];
        for tick in 0..50 {
            writer.inputs(tick, &SeatInputs::default(), &mut encoder).unwrap();
            if writer.is_keyframe_due() {
                writer.keyframe(&[0; 4], &mut encoder).unwrap();
            }
            syncs.extend(writer.take().map(|it| it.is_sync));
        }
        syncs
    };
    assert_eq!(syncs(Safety::Keyframes), [true, false, false, false, false, true]);
    assert_eq!(syncs(Safety::Chunks), [true; 6]);
}
