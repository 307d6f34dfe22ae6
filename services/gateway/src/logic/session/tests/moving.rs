//! A match that moves while a session plays it.

use super::*;

fn moving(epoch: u32, owner: &str) -> Event {
    Event::Moving(instance(owner), Epoch(epoch))
}

fn event(seq: u32) -> Event {
    let kind = EventKind::Kill { killer: 3, victim: 4 };
    Event::Match(Box::new(MatchEvent { seq, tick: Tick(90), kind }))
}

#[test]
fn a_match_moves_under_a_session_that_goes_on_without_a_start() {
    check(
        playing(),
        vec![
            (100, event(1)),
            (200, moving(2, "game-r2-1")),
            (210, event(2)),
            (400, start(2, "game-r2-1", 77)),
            (401, event(2)),
            (402, event(3)),
            (403, Event::Moved(Epoch(2))),
            (404, Event::LinkLost(Epoch(1))),
            (9_000, end()),
        ],
        &expect![[r"
            100: say event
            200: attach to game-r2-1 e2 too, from tick 0, event 0
            210: say event
            400: go over · say owner game-r2-1 e2 · save match at game-r2-1 e2
            401: 
            402: say event
            403: 
            404: 
            9000: say event · follow the rating
        "]],
    );
}

#[test]
fn a_move_that_is_called_off_changes_nothing() {
    check(
        playing(),
        vec![
            (200, moving(2, "game-r2-1")),
            (300, Event::Staying),
            (310, Event::Staying),
            (400, event(1)),
            (500, moving(2, "game-r2-2")),
            (600, Event::AttachRefused(AttachRefusal::Unreachable, Epoch(2))),
            (700, event(2)),
        ],
        &expect![[r"
            200: attach to game-r2-1 e2 too, from tick 0, event 0
            300: detach there: Moved
            310: 
            400: say event
            500: attach to game-r2-2 e2 too, from tick 0, event 0
            600: detach there: Lost
            700: say event
        "]],
    );
}

#[test]
fn an_owner_that_lets_go_before_the_next_one_plays_is_waited_for_a_while() {
    check(
        playing(),
        vec![
            (200, moving(2, "game-r2-1")),
            (300, Event::Moved(Epoch(2))),
            (320, start(2, "game-r2-1", 0)),
            (400, moving(3, "game-r3-1")),
            (500, Event::LinkLost(Epoch(2))),
            (1_400, Event::Timer),
            (1_500, Event::Timer),
            (1_510, placement(3, "game-r3-1")),
        ],
        &expect![[r"
            200: attach to game-r2-1 e2 too, from tick 0, event 0
            300: 
            320: go over · say owner game-r2-1 e2 · save match at game-r2-1 e2
            400: attach to game-r3-1 e3 too, from tick 0, event 0
            500: 
            1400: 
            1500: detach there: Lost · detach: Lost · locate
            1510: say moving to game-r3-1 e3 · attach to game-r3-1 e3 from tick 0, event 0
        "]],
    );
}

#[test]
fn without_a_seat_at_the_next_owner_the_registry_is_asked() {
    check(
        playing(),
        vec![
            (300, Event::Moved(Epoch(2))),
            (310, placement(2, "game-r2-1")),
            (320, start(2, "game-r2-1", 0)),
            (400, moving(3, "game-r3-1")),
            (500, Event::Moved(Epoch(3))),
            (510, Event::LinkLost(Epoch(3))),
        ],
        &expect![[r"
            300: locate
            310: say moving to game-r2-1 e2 · attach to game-r2-1 e2 from tick 0, event 0
            320: say start at game-r2-1 e2
            400: attach to game-r3-1 e3 too, from tick 0, event 0
            500: 
            510: detach there: Lost · locate
        "]],
    );
}

#[test]
fn an_owner_of_the_past_moves_nobody() {
    let mut session = playing();
    for event in [moving(1, "game-r9-9"), moving(0, "game-r9-9"), Event::Moved(Epoch(1))] {
        assert_eq!(session.on(event, 100), []);
    }
    assert_eq!(session.on(moving(2, "game-r2-1"), 200).len(), 1);
    assert_eq!(session.on(moving(2, "game-r9-9"), 200), [], "the second one for the same epoch");
    assert_eq!(session.on(start(1, "game-r1-1", 0), 300), [], "the present owner starts nothing");
}

#[test]
fn whoever_stops_playing_lets_go_of_both_seats_for_the_same_reason() {
    let leave = || Event::Client(ClientMessage::Leave);
    let to = || moving(2, "game-r2-1");
    let play = |events: Vec<Event>, expect: Expect| {
        let events = events.into_iter().zip(1..).map(|(event, at)| (at, event)).collect();
        check(playing(), events, &expect);
    };
    play(
        vec![to(), Event::Replaced],
        expect![[r"
        1: attach to game-r2-1 e2 too, from tick 0, event 0
        2: detach there: Moved · close TakenOver
    "]],
    );
    play(
        vec![to(), leave()],
        expect![[r"
        1: attach to game-r2-1 e2 too, from tick 0, event 0
        2: detach there: Left · detach: Left · save lobby · say idle
    "]],
    );
    play(
        vec![to(), Event::Close],
        expect![[r"
        1: attach to game-r2-1 e2 too, from tick 0, event 0
        2: detach there: Lost · detach: Lost
    "]],
    );
    play(
        vec![drain(), to(), Event::Close],
        expect![[r"
        1: save match at game-r1-1 e1 · say move
        2: attach to game-r2-1 e2 too, from tick 0, event 0
        3: detach there: Moved · detach: Moved
    "]],
    );
    play(
        vec![to(), Event::Ended(MATCH)],
        expect![[r"
        1: attach to game-r2-1 e2 too, from tick 0, event 0
        2: detach there: Lost · detach: Lost · save lobby
    "]],
    );
    play(
        vec![to(), Event::Moved(Epoch(3)), Event::LinkLost(Epoch(2))],
        expect![[r"
        1: attach to game-r2-1 e2 too, from tick 0, event 0
        2: detach there: Lost · locate
        3: 
    "]],
    );
    play(
        vec![end(), to(), Event::LinkLost(Epoch(1))],
        expect![[r"
        1: say event · follow the rating
        2: 
        3: detach: Lost · save lobby
    "]],
    );
}
