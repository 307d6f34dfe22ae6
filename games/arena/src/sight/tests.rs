use arena_sim::{
    Backend as _, CpuBackend, Input, MatchHandle, Rules, SeatInputs, TickOutput, bots, buttons,
};
use std::collections::VecDeque;

use arena_sdk::SENT_MAX;
use arena_types::{Epoch, Tick};
use arena_wire::play::{FrameHead, decode_frame};

use super::*;

/// A frame as a page gets it.
fn message(frame: &Frame) -> Vec<u8> {
    let head = FrameHead {
        tick: Tick(frame.tick),
        baseline: frame.baseline.map(Tick),
        input_seq: 0,
        lead: 0,
        finished: false,
        epoch: Epoch(1),
    };
    [head.encode(Vec::new()), frame.body.clone()].concat()
}

/// A real match of sixteen bots.
struct Bots {
    backend: CpuBackend,
    handle: MatchHandle,
    inputs: SeatInputs,
    scene: Scene,
}

impl Bots {
    fn new(rules: &Rules) -> Self {
        let mut backend = CpuBackend::new();
        let handle = backend.create(11, rules).unwrap();
        let join = Input { buttons: buttons::JOIN | buttons::BOT, ..Input::default() };
        Self { backend, handle, inputs: [join; SEATS], scene: Scene::default() }
    }

    fn step(&mut self) {
        self.backend.step(&[self.handle], &[self.inputs], &mut [TickOutput::default()]).unwrap();
        let world = self.backend.view(self.handle).unwrap();
        for (seat, input) in self.inputs.iter_mut().enumerate() {
            *input = bots::bot_input(&world, seat as u8, 5, world.tick());
        }
    }

    fn look(&mut self) -> &Scene {
        self.scene.look(&self.backend.view(self.handle).unwrap());
        &self.scene
    }
}

/// A client that acknowledges each frame `delay` frames after it was sent.
struct Client {
    views: VecDeque<View>,
    bytes: usize,
    frames: usize,
}

impl Client {
    fn play(sight: &mut Sight, game: &mut Bots, delay: usize, frames: usize) -> Self {
        let mut client = Self { views: VecDeque::new(), bytes: 0, frames: 0 };
        for _ in 0..frames {
            game.step();
            game.step();
            let scene = game.look();
            if let Some(frame) = sight.frame(scene) {
                client.receive(&message(&frame));
            }
            if let Some(held) = client.views.len().checked_sub(1 + delay) {
                sight.acknowledge(client.views[held].tick);
            }
        }
        client
    }

    fn receive(&mut self, bytes: &[u8]) {
        let baseline = FrameHead::peek(bytes).unwrap().baseline;
        let held = baseline.map(|tick| self.views.iter().find(|it| it.tick == tick.0).unwrap());
        let (_, view) = decode_frame(bytes, held).unwrap();
        self.views.push_back(view);
        if self.views.len() > SENT_MAX {
            self.views.pop_front();
        }
        self.bytes += bytes.len();
        self.frames += 1;
    }
}

#[test]
fn a_real_match_fits_64_kbit_whatever_the_delay() {
    for delay in [0, 3, 6, 12] {
        let mut game = Bots::new(&Rules::standard());
        let client = Client::play(&mut Sight::new(3), &mut game, delay, 900);
        let kbit_s = client.bytes * 8 / 30 / 1000;
        assert_eq!(client.frames, 900);
        assert!(kbit_s <= 64, "{kbit_s} kbit/s with acknowledgements {delay} frames late");
        assert!(kbit_s >= 4, "{kbit_s} kbit/s: the match is not alive");
    }
}

#[test]
fn what_is_shown_is_what_the_simulation_holds() {
    let mut game = Bots::new(&Rules::standard());
    let mut sight = Sight::new(0);
    let mut client = Client { views: VecDeque::new(), bytes: 0, frames: 0 };
    for frame in 0..600 {
        game.step();
        game.step();
        let scene = game.look();
        client.receive(&message(&sight.frame(scene).unwrap()));
        let view = client.views.back().unwrap();
        assert_eq!(view.own, scene.own[0]);
        assert_eq!(view.players[0], scene.players[0]);
        for seat in (0..SEATS).filter(|it| distance_m(scene.places[0], scene.places[*it]) <= NEAR_M)
        {
            assert_eq!(
                view.players[seat], scene.players[seat],
                "seat {seat} is near, frame {frame}"
            );
        }
        for shot in &view.shots {
            assert!(scene.shots.contains(shot), "{shot:?} is gone, frame {frame}");
        }
        sight.acknowledge(view.tick);
    }
    assert!(client.views.iter().any(|it| !it.shots.is_empty()));
}

#[test]
fn the_far_come_at_a_quarter_of_the_rate_and_none_starves() {
    let mut game = Bots::new(&Rules::standard());
    let mut sight = Sight::new(0);
    let mut age = [0_u32; SEATS];
    let mut worst = 0;
    for _ in 0..600 {
        game.step();
        game.step();
        let scene = game.look();
        sight.frame(scene).unwrap();
        let view = sight.sent.last().unwrap();
        for (age, (shown, held)) in age.iter_mut().zip(view.players.iter().zip(&scene.players)) {
            *age = if shown == held { 0 } else { *age + 1 };
            worst = worst.max(*age);
        }
        let tick = view.tick;
        sight.acknowledge(tick);
    }
    assert!((1..8).contains(&worst), "{worst} frames without news of someone");
}

#[test]
fn a_silent_client_gets_less_and_recovers_with_a_full_frame() {
    let mut game = Bots::new(&Rules::standard());
    let mut sight = Sight::new(0);
    let mut sent = Vec::new();
    for _ in 0..300 {
        game.step();
        game.step();
        sent.extend(sight.frame(game.look()));
    }
    assert!(sent.len() < 120, "{} frames for nobody", sent.len());
    let last = sent.last().unwrap();
    assert_eq!(last.baseline, None);
    sight.acknowledge(last.tick);
    game.step();
    game.step();
    assert!(sight.frame(game.look()).unwrap().baseline.is_some());
}

#[test]
fn who_comes_back_goes_on_from_the_frame_held() {
    let mut game = Bots::new(&Rules::standard());
    let mut sight = Sight::new(0);
    let client = Client::play(&mut sight, &mut game, 2, 30);
    let held = client.views[client.views.len() - 2].tick;
    for (tick, baseline) in [(held, Some(held)), (0, None), (held + 999, None)] {
        let mut sight = Sight { sent: sight.sent.clone(), ..sight };
        sight.resume(tick);
        game.step();
        game.step();
        let frame = sight.frame(game.look()).unwrap();
        assert_eq!(frame.baseline, baseline, "holding {tick}");
    }
}

#[test]
fn drones_flags_and_pick_ups_are_shown_as_they_are() {
    let document = r#"{"version": 1, "map": "fort", "match": {"mode": "capture"},
        "pickups": {"count": 6}, "drones": {"count": 64, "health": 20}}"#;
    let mut game = Bots::new(&Rules::parse(document).unwrap());
    let mut sight = Sight::new(3);
    let (mut views, mut drones, mut taken, mut carried) = (VecDeque::new(), 0, 0, 0);
    for _ in 0..1_800 {
        game.step();
        game.step();
        let scene = game.look();
        let bytes = message(&sight.frame(scene).unwrap());
        let baseline = FrameHead::peek(&bytes).unwrap().baseline;
        let held = baseline.map(|tick| views.iter().find(|it: &&View| it.tick == tick.0).unwrap());
        let (head, view) = decode_frame(&bytes, held).unwrap();
        sight.acknowledge(head.tick.0);
        let world = game.backend.view(game.handle).unwrap();
        let extras = view.extras.as_ref().unwrap();
        assert_eq!(extras.scores, world.team_scores().unwrap());
        let me = world.player(3);
        for it in &extras.drones {
            let real = world.drones().find(|real| real.index == it.index).unwrap();
            assert_eq!((it.x, it.y, it.health), (quantise(real.x), quantise(real.y), real.health));
            assert!(distance_m((me.x, me.y), (real.x, real.y)) <= SIGHT_M);
        }
        drones += extras.drones.len();
        taken += (6 - extras.pickups.count_ones()) as usize;
        carried += usize::from(matches!(extras.flags[0], Flag::Carried { .. }));
        let budget = 64_000 / 30 / 8 + 8;
        assert!(
            bytes.len() < 2 * budget,
            "{} bytes with {} drones",
            bytes.len(),
            extras.drones.len()
        );
        views.push_back(view);
        if views.len() > SENT_MAX {
            views.pop_front();
        }
    }
    assert!(drones > 1_000 && taken > 100 && carried > 10, "{drones} {taken} {carried}");
}
