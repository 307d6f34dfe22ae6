use arena_replay::testing::{by_bots, header, record};
use arena_sim::Rules;
use arena_types::{MatchId, ReleaseId};
use arena_wire::play::{Event, View, decode_frame};

use super::*;

const ID: ReplayId = ReplayId { match_id: MatchId::from_u64(7), epoch: Epoch(1) };

/// Twenty seconds of bots.
fn replay() -> Bytes {
    let rules = Rules::parse(r#"{"version": 1, "match": {"time_limit_ticks": 1200}}"#).unwrap();
    record(&header(&rules, 11), u32::MAX, by_bots).into()
}

fn owner() -> Owner {
    Owner { instance: "game-r1-1".parse().unwrap(), release: ReleaseId(1) }
}

fn open(file: &Bytes, tick: u32, pace: u8, delay_ticks: u32) -> Result<Film, FilmError> {
    let watch = Watch { match_id: ID.match_id, tick: Tick(tick), pace };
    let span = Span { last: Tick(0), is_live: false }; // no more than the file has
    Film::open((ID, file.clone()), (arena_games::standard(), owner()), (watch, span), delay_ticks)
}

/// A viewer without losses, who says what it holds.
#[derive(Default)]
struct Screen {
    views: Vec<View>,
    events: Vec<Event>,
    words: Vec<play::Playback>,
}

impl Screen {
    fn turns(&mut self, film: &mut Film, turns: u32) -> bool {
        let mut wants_more = false;
        for _ in 0..turns {
            let turn = film.turn().unwrap();
            wants_more |= turn.wants_more;
            for (seq, bytes) in turn.events {
                let Ok(ServerMessage::Event(event)) = ServerMessage::decode(&bytes) else {
                    panic!()
                };
                assert_eq!((event.seq, seq), (self.events.len() as u32 + 1, seq));
                self.events.push(event);
            }
            if let Some(bytes) = turn.playback {
                let Ok(ServerMessage::Playback(word)) = ServerMessage::decode(&bytes) else {
                    panic!()
                };
                self.words.push(word);
            }
            if let Some((tick, bytes)) = turn.frame {
                let baseline = FrameHead::peek(&bytes).unwrap().baseline;
                let held = baseline.and_then(|at| self.views.iter().find(|it| it.tick == at.0));
                let (head, view) = decode_frame(&bytes, held).unwrap();
                assert_eq!((head.tick, tick), (Tick(view.tick), tick));
                self.views.push(view);
                film.acknowledge(tick);
            }
        }
        wants_more
    }

    fn ticks(&self) -> Vec<u32> {
        self.views.iter().map(|it| it.tick).collect()
    }
}

#[test]
fn a_match_is_shown_as_it_was_played_and_then_its_end() {
    let file = replay();
    let mut film = open(&file, 0, Watch::REAL_TIME, 600).unwrap();
    let Ok(ServerMessage::Start(start)) = ServerMessage::decode(&film.start()) else { panic!() };
    assert_eq!((start.seat, start.match_id), (MatchStart::WATCHES, ID.match_id));
    assert_eq!(start.seats[0].name, "Ada");
    let mut screen = Screen::default();
    screen.turns(&mut film, 640);
    assert_eq!(screen.ticks(), (2..=1_200).step_by(2).collect::<Vec<u32>>());
    let seen =
        screen.views.iter().filter(|it| it.players.iter().filter(|it| it.here).count() == 16);
    assert!(seen.count() > 590, "who watches sees everyone");
    assert!(screen.views.iter().all(|it| it.own.is_none()));
    let kills = |it: &&Event| matches!(it.kind, EventKind::Kill { .. });
    let deaths: u32 =
        screen.views.last().unwrap().players.iter().map(|it| u32::from(it.deaths)).sum();
    assert_eq!(screen.events.iter().filter(kills).count(), deaths as usize);
    let EventKind::End { standings } = &screen.events.last().unwrap().kind else { panic!() };
    assert_eq!((standings.len(), standings[0].rank), (16, 1));
    let word = screen.words.last().unwrap();
    assert_eq!(
        (word.first, word.last, word.tick, word.live),
        (Tick(0), Tick(1_200), Tick(1_200), false)
    );
}

#[test]
fn a_viewer_chooses_place_and_pace() {
    let file = replay();
    for (tick, pace, ticks) in [
        (700, Watch::REAL_TIME, vec![702, 704, 706, 708]),
        (700, 1, vec![701, 702]),
        (700, 16, vec![708, 716, 724, 732]),
        (700, 64, vec![732, 764, 796, 828]),
        (u32::MAX, Watch::REAL_TIME, vec![1_200]),
    ] {
        let mut screen = Screen::default();
        screen.turns(&mut open(&file, tick, pace, 600).unwrap(), 4);
        let shown = screen.ticks();
        assert_eq!(shown[shown.len() - ticks.len()..], ticks, "from {tick} at pace {pace}");
    }
    // Where the same place is reached in another way, the same is seen.
    let (mut walked, mut jumped) = (Screen::default(), Screen::default());
    walked.turns(&mut open(&file, 0, Watch::REAL_TIME, 600).unwrap(), 400);
    jumped.turns(&mut open(&file, 700, Watch::REAL_TIME, 600).unwrap(), 50);
    let at =
        |screen: &Screen, tick| screen.views.iter().find(|it| it.tick == tick).unwrap().players;
    assert_eq!(at(&walked, 800), at(&jumped, 800));
}

#[test]
fn what_stands_still_is_shown_until_it_is_held() {
    let file = replay();
    let mut film = open(&file, 700, 0, 600).unwrap();
    let silent: Vec<u32> =
        (0..200).filter_map(|_| film.turn().unwrap().frame).map(|it| it.0.0).collect();
    assert_eq!(silent, (700..=708).collect::<Vec<u32>>(), "a frame that was lost comes again");
    let mut screen = Screen::default();
    screen.turns(&mut open(&file, 700, 0, 600).unwrap(), 200);
    assert_eq!(screen.ticks(), [700]);
}

#[test]
fn a_match_that_runs_is_shown_with_its_delay_and_goes_on_as_it_grows() {
    let whole = replay();
    let cut = |share: usize| whole.slice(..whole.len() * share / 100);
    let reached = |file: &Bytes| Reader::open(Cursor::new(file.clone())).unwrap().last_tick();
    let early = open(&cut(5), 0, Watch::REAL_TIME, 600);
    assert!(matches!(early, Err(FilmError::TooEarly)), "{early:?}");
    let (first, then) = (cut(75), cut(90));
    let delay = 120;
    let mut film = open(&first, u32::MAX, Watch::REAL_TIME, delay).unwrap();
    let mut screen = Screen::default();
    assert!(screen.turns(&mut film, 200), "it asks for more before it runs out");
    let newest = |screen: &Screen| *screen.ticks().last().unwrap();
    assert_eq!(newest(&screen), reached(&first) - delay);
    assert!(screen.ticks()[0] >= reached(&first) - delay - AHEAD_TICKS);
    film.extend(then.clone()).unwrap();
    screen.turns(&mut film, 200);
    assert_eq!(newest(&screen), reached(&then) - delay);
    assert!(screen.ticks().is_sorted_by(|a, b| a < b), "it never goes back");
    assert!(film.extend(Bytes::from_static(b"nothing")).is_err());
    film.extend(whole.clone()).unwrap();
    screen.turns(&mut film, 300);
    assert_eq!(newest(&screen), 1_200);
    assert!(matches!(screen.events.last().unwrap().kind, EventKind::End { .. }));
}

#[test]
fn what_is_no_replay_of_this_game_is_not_shown() {
    let file = replay();
    let mut damaged = file.to_vec();
    damaged[file.len() / 2] ^= 1;
    let error = open(&damaged.into(), 1_100, Watch::REAL_TIME, 600).unwrap_err();
    assert!(matches!(error, FilmError::Play(PlaybackError::Untrue(_))), "{error:?}");
    let error = open(&Bytes::from_static(b"hello"), 0, 4, 600).unwrap_err();
    assert!(matches!(error, FilmError::Read(_)), "{error:?}");
}
