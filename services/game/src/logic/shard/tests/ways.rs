//! A session that changes its gateway: over two ways for a moment, with the inputs of one client.

use proptest::prelude::*;

use super::*;

fn is_replaced(game: &mut Game, key: FlowKey) -> bool {
    game.heard(key).contains(&ToGateway::Replaced { flow: key.flow })
}

#[test]
fn a_session_that_changes_its_gateway_is_heard_over_both_ways() {
    let mut game = Game::new(LONG, 1);
    let old = game.attach(LINK, 0, (0, 0));
    game.steps(10);
    let at = |seq| (seq, 10 + seq, Controls { aim: seq as u8, ..Controls::default() });
    let send = |game: &mut Game, key, (seq, tick, controls)| game.input(key, seq, tick, controls);
    (1..=5).for_each(|seq| send(&mut game, old, at(seq)));
    game.steps(2);
    let new = game.attach(2, 0, (0, 0));
    assert_eq!(started(&game.heard(new)).input_seq, 5, "those after it are sent again");
    send(&mut game, old, at(6));
    game.said.frames.clear();
    game.steps(2);
    assert!(game.said.frames.iter().all(|it| it.0 == new), "shown over one way alone");
    assert!(!is_replaced(&mut game, old), "it goes on until the other one speaks");
    (6..=8).for_each(|seq| send(&mut game, new, at(seq)));
    send(&mut game, old, at(7));
    game.steps(1);
    assert!(is_replaced(&mut game, old));
    send(&mut game, old, at(9));
    assert_eq!(game.said.inputs, InputFigures { on_time: 8, late: 0, dropped: 3 });
    game.steps(3);
    let (head, view) = game.views(new).pop().unwrap();
    assert_eq!((head.input_seq, view.players[0].aim), (8, 8));
}

#[test]
fn a_former_way_ends_by_itself_or_with_its_gateway() {
    let mut game = Game::new(LONG, 1);
    let ways = [1, 2, 3].map(|link| game.attach(link, 0, (0, 0)));
    assert!(is_replaced(&mut game, ways[0]), "there are two at most");
    game.steps(29);
    assert!(!is_replaced(&mut game, ways[1]));
    game.steps(1);
    assert!(is_replaced(&mut game, ways[1]));
    let next = game.attach(4, 0, (0, 0));
    game.shard.detach(ways[2], Leave::Moved);
    game.steps(40);
    assert!(!is_replaced(&mut game, ways[2]), "it said goodbye itself");
    assert_eq!(load(&game).2, 1);
    game.shard.detach(next, Leave::Lost);
    assert_eq!(game.shard.describe()[0].players, 1, "held for a moment");
}

/// A client with its two ways, on which nothing is lost, but all takes its time.
#[derive(Debug, Default)]
struct Client {
    sent: u32,
    link: u64,
    /// Inputs under way, by link.
    under_way: BTreeMap<u64, VecDeque<u32>>,
    /// A start that has not come yet: its link, and the last input that the game had.
    start: Option<(u64, u32)>,
}

impl Client {
    fn send(&mut self) {
        self.sent += 1;
        self.under_way.entry(self.link).or_default().push_back(self.sent);
    }

    /// Goes over to the link of the start that has come: all that the game had not then is sent again.
    fn start(&mut self) {
        let Some((link, received)) = self.start.take() else { return };
        self.link = link;
        self.under_way.entry(link).or_default().extend(received + 1..=self.sent);
    }

    fn arrive(&mut self, link: u64, game: &mut Game) {
        let Some(seq) = self.under_way.get_mut(&link).and_then(VecDeque::pop_front) else { return };
        let key = FlowKey { link, flow: attach(0, (0, 0)).flow };
        let tick = game.tick() + 3;
        game.input(key, seq, tick, Controls::default());
    }
}

proptest! {
    #[test]
    fn every_input_counts_once_however_often_the_gateway_changes(
        steps in prop::collection::vec(0_u8..8, 1..300),
    ) {
        let mut game = Game::new(LONG, 1);
        game.attach(1, 0, (0, 0));
        game.steps(1);
        let mut client = Client { link: 1, ..Client::default() };
        for step in steps {
            match step {
                0 | 1 => client.send(),
                2 | 3 => client.arrive(client.link, &mut game),
                4 => client.arrive(client.start.map_or(client.link, |it| it.0), &mut game),
                5 if client.start.is_none() => {
                    let key = game.attach(client.link + 1, 0, (0, 0));
                    client.start = Some((key.link, started(&game.heard(key)).input_seq));
                }
                6 => client.start(),
                _ => game.steps(1),
            }
        }
        client.start();
        for link in 1..=client.link {
            while client.under_way.get(&link).is_some_and(|it| !it.is_empty()) {
                client.arrive(link, &mut game);
                game.steps(1);
            }
        }
        let InputFigures { on_time, late, .. } = game.said.inputs;
        prop_assert_eq!(on_time + late, u64::from(client.sent));
    }
}
