//! Source, target and registry in one thread, under every order of things that a seed can think of: messages that
//! wait, ways that break, answers that are lost, writes that happen after nobody waited for them, a target that dies.

use super::*;

const SCHEDULES: u64 = 20_000;
/// Steps of one schedule with trouble, and without, until all must be settled.
const TROUBLE: u32 = 120;
const CALM: u32 = 4_000;
const EPOCH: Epoch = Epoch(1);

/// `SplitMix64` (Steele, Lea & Flood 2014).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Source,
    Target,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Record {
    owner: Who,
    epoch: Epoch,
    revision: u32,
}

/// A write on its way to the registry.
#[derive(Clone, Copy, Debug)]
struct Sent {
    over: u32,
    owner: Who,
    epoch: Epoch,
    /// Whether the target's lease must be there, or must not.
    lease: Option<bool>,
}

#[derive(Clone, Copy, Debug)]
enum ToTarget {
    Tick(u32),
    Closing(u32),
    Own,
}

#[derive(Clone, Copy, Debug)]
enum ToSource {
    Accepted,
    Level(u32),
    Unequal,
    Owning,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Log {
    Open(Epoch),
    Closing,
    Closed,
    Gone,
}

/// Everything there is.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact that a schedule changes")]
struct World {
    dice: Dice,
    seed: u64,
    now_ms: u64,
    calm: bool,
    registry: Record,
    /// Writes that nobody waits for any more, and that may still happen.
    ghosts: Vec<Sent>,
    source: Source,
    log: Log,
    tick: u32,
    /// The record as the source read or wrote it last.
    known: Record,
    target: Target,
    target_tick: u32,
    end: Option<u32>,
    owns: Option<Epoch>,
    lives: bool,
    lease: bool,
    differs: bool,
    /// The source's process is gone.
    dead: bool,
    /// The target's process stands still.
    paused: bool,
    /// The source waits for its turn.
    waits: bool,
    connected: bool,
    to_target: VecDeque<ToTarget>,
    to_source: VecDeque<ToSource>,
    outcome: Option<Outcome>,
    died_owning: bool,
}

impl World {
    fn new(seed: u64) -> Self {
        let registry = Record { owner: Who::Source, epoch: EPOCH, revision: 1 };
        let mut dice = Dice(seed);
        let differs = dice.roll(20) == 0;
        Self {
            dice,
            seed,
            now_ms: 0,
            calm: false,
            registry,
            ghosts: Vec::new(),
            source: Source::new(0, 0),
            log: Log::Open(EPOCH),
            tick: 100,
            known: registry,
            target: Target::new(Epoch(2)),
            target_tick: 100,
            end: None,
            owns: None,
            lives: true,
            lease: true,
            differs,
            dead: false,
            paused: false,
            waits: false,
            connected: true,
            to_target: VecDeque::new(),
            to_source: VecDeque::from([ToSource::Accepted]),
            outcome: None,
            died_owning: false,
        }
    }

    /// Half of the schedules are mild, so that most of these moves come to their end.
    fn trouble(&mut self, one_in: u64) -> bool {
        let one_in = one_in * if self.seed.is_multiple_of(2) { 20 } else { 1 };
        !self.calm && self.dice.roll(one_in) == 0
    }

    fn step(&mut self) {
        match self.dice.roll(8) {
            0 | 1 if self.waits && self.dice.roll(3) == 0 => {
                self.waits = false;
                self.give(Event::Turn);
            }
            0 | 1 => self.source_ticks(),
            2 => self.source_hears(),
            3 | 4 if self.paused => {}
            3 => self.target_hears(),
            4 => self.target_ticks(),
            5 => {
                self.now_ms += self.dice.roll(50);
                self.give(Event::Time);
            }
            6 => {
                self.now_ms += self.dice.roll(50);
                if !self.paused {
                    self.give_target(TargetEvent::Time);
                }
            }
            _ => self.mischief(),
        }
        self.check();
    }

    fn mischief(&mut self) {
        if !self.ghosts.is_empty() && (self.calm || self.dice.roll(3) == 0) {
            let ghost = self.ghosts.remove(0);
            let _ = self.apply(ghost);
        }
        if self.connected && self.trouble(12) {
            self.connected = false;
            self.to_target.clear();
            self.to_source.clear();
            self.give(Event::Gone);
            self.give_target(TargetEvent::Gone);
        }
        if self.lives && self.trouble(25) {
            (self.lives, self.connected) = (false, false);
            self.died_owning = self.owns.is_some();
            self.to_target.clear();
            self.give(Event::Gone);
        }
        if !self.lives && (self.calm || self.dice.roll(4) == 0) {
            self.lease = false;
        }
        if self.trouble(60) {
            self.give(Event::Cancel);
        }
        self.paused =
            if self.paused { !self.calm && self.dice.roll(4) > 0 } else { self.trouble(20) };
        if self.trouble(80) {
            self.source_dies();
        }
    }

    fn source_dies(&mut self) {
        self.dead = true;
        if self.connected {
            self.connected = false;
            self.to_source.clear();
            self.give_target(TargetEvent::Gone);
        }
        self.to_target.clear();
    }

    fn source_ticks(&mut self) {
        if self.dead {
            return;
        }
        if self.log == Log::Closing {
            self.log = Log::Closed;
            return self.give(Event::Closed);
        }
        if let Log::Open(_) = self.log {
            self.tick += 1;
            if self.outcome.is_none() {
                self.send(ToTarget::Tick(self.tick));
                let hash = self.tick.is_multiple_of(8).then_some(u64::from(self.tick));
                self.give(Event::Stepped { tick: self.tick, hash });
            }
        }
    }

    fn send(&mut self, message: ToTarget) {
        if self.connected {
            self.to_target.push_back(message);
        }
    }

    fn answer(&mut self, message: ToSource) {
        if self.connected {
            self.to_source.push_back(message);
        }
    }

    fn source_hears(&mut self) {
        let event = match self.to_source.pop_front() {
            None => return,
            Some(ToSource::Accepted) => Event::Accepted,
            Some(ToSource::Level(tick)) => {
                Event::Level { tick, hash: u64::from(tick), sessions: 0 }
            }
            Some(ToSource::Unequal) => Event::Unequal,
            Some(ToSource::Owning) => Event::Owning,
        };
        self.give(event);
    }

    fn target_hears(&mut self) {
        if !self.lives {
            return;
        }
        match self.to_target.pop_front() {
            None => {}
            Some(ToTarget::Tick(tick)) => {
                assert_eq!(tick, self.target_tick + 1, "seed {}", self.seed);
                self.target_tick = tick;
                if tick.is_multiple_of(8) {
                    self.answer(ToSource::Level(tick));
                }
            }
            Some(ToTarget::Closing(tick)) => {
                self.end = Some(tick);
                self.give_target(TargetEvent::Closed);
            }
            Some(ToTarget::Own) => self.give_target(TargetEvent::Asked),
        }
    }

    fn target_ticks(&mut self) {
        if self.end.is_none_or(|it| it != self.target_tick) || !self.lives {
            return;
        }
        if self.differs {
            self.differs = false;
            self.answer(ToSource::Unequal);
            return self.give_target(TargetEvent::Broken);
        }
        self.give_target(TargetEvent::Ready);
    }

    fn give(&mut self, event: Event) {
        if self.dead {
            return;
        }
        let effects = self.source.on(event, self.now_ms);
        for effect in effects {
            self.act(effect);
        }
    }

    fn act(&mut self, effect: Effect) {
        match effect {
            Effect::Announce => {}
            Effect::AskTurn => self.waits = true,
            Effect::CloseLog => self.log = Log::Closing,
            Effect::SendClosing => {
                self.send(ToTarget::Closing(self.tick));
                self.give(if self.connected { Event::Sent } else { Event::Gone });
            }
            Effect::Swap => {
                let sent = self.write(Who::Target, Epoch(2), Some(true));
                self.wrote(sent);
            }
            Effect::Fence => {
                let Record { owner, epoch, .. } = self.known;
                let written = match self.write(owner, epoch, None) {
                    Written::Committed => Written::Fenced,
                    other => other,
                };
                self.wrote(written);
            }
            Effect::SendOwn => self.send(ToTarget::Own),
            Effect::Find => {
                let found = self.find();
                self.give(Event::Found(found));
            }
            Effect::TakeBack { dead } => {
                let epoch = self.known.epoch.next().unwrap();
                let sent = self.write(Who::Source, epoch, dead.then_some(false));
                self.wrote(sent);
            }
            Effect::Stay => self.log = Log::Open(EPOCH),
            Effect::StayLater => self.log = Log::Open(self.known.epoch),
            Effect::LetGo | Effect::Yield(..) => self.log = Log::Gone,
            Effect::Finish(outcome) => self.outcome = Some(outcome),
        }
    }

    fn wrote(&mut self, written: Written) {
        self.give(Event::Written(written));
    }

    /// Writes for the source: it may be told, or not, and what it is not told of may happen now, later or never.
    fn write(&mut self, owner: Who, epoch: Epoch, lease: Option<bool>) -> Written {
        let sent = Sent { over: self.known.revision, owner, epoch, lease };
        if self.trouble(3) {
            match self.dice.roll(3) {
                0 => drop(self.apply(sent)),
                1 => self.ghosts.push(sent),
                _ => {}
            }
            return Written::Unknown;
        }
        if self.apply(sent) {
            self.known = self.registry;
            return Written::Committed;
        }
        let before = std::mem::replace(&mut self.known, self.registry);
        let wanted = if owner == Who::Source { before.epoch } else { epoch };
        Written::Refused(match self.registry.owner {
            Who::Source => Owner::Source,
            Who::Target if self.registry.epoch == wanted || self.registry.epoch == Epoch(2) => {
                Owner::Target
            }
            Who::Target => Owner::Other("game-r9-9".parse().unwrap(), self.registry.epoch),
        })
    }

    fn apply(&mut self, sent: Sent) -> bool {
        let holds =
            sent.over == self.registry.revision && sent.lease.is_none_or(|it| it == self.lease);
        if holds {
            assert!(sent.epoch >= self.registry.epoch, "seed {}: the epoch fell", self.seed);
            let revision = self.registry.revision + 1;
            self.registry = Record { owner: sent.owner, epoch: sent.epoch, revision };
        }
        holds
    }

    fn find(&mut self) -> Found {
        if self.lives && !self.paused && !self.trouble(4) {
            if self.owns.is_some() {
                return Found::Hosts;
            }
            self.give_target(TargetEvent::Broken);
            return Found::Idle;
        }
        if self.lease { Found::Silent } else { Found::Dead }
    }

    fn give_target(&mut self, event: TargetEvent) {
        if !self.lives {
            return;
        }
        match self.target.on(event, self.now_ms) {
            None | Some(TargetEffect::Forget) => {}
            Some(TargetEffect::Own(epoch)) => {
                assert_eq!(Some(self.target_tick), self.end, "seed {}: a tick is lost", self.seed);
                self.owns = Some(epoch);
                self.answer(ToSource::Owning);
            }
            Some(TargetEffect::Read) => {
                let whose = if self.trouble(4) {
                    Whose::Unknown
                } else {
                    match self.registry {
                        Record { owner: Who::Target, epoch: Epoch(2), .. } => Whose::Mine,
                        Record { epoch: EPOCH, .. } => Whose::Source,
                        _ => Whose::Other,
                    }
                };
                self.give_target(TargetEvent::Found(whose));
            }
        }
    }

    /// What must hold always.
    fn check(&self) {
        let seed = self.seed;
        let confirms = matches!(self.log, Log::Open(_) | Log::Closing) && !self.dead;
        let publishes = self.owns.is_some() && self.lives;
        assert!(!(confirms && publishes), "seed {seed}: both confirm inputs");
        if let (Log::Open(epoch), None) = (self.log, &self.outcome) {
            assert_eq!(epoch, EPOCH, "seed {seed}");
        }
    }

    /// What must hold once nothing goes wrong any more: somebody goes on, and the registry says who.
    fn settled(&self) {
        let (seed, registry) = (self.seed, self.registry);
        if self.dead {
            let owns = self.owns.is_none() || registry.owner == Who::Target;
            return assert!(owns, "seed {seed}: it owns what is not its own");
        }
        let outcome = self.outcome.as_ref().unwrap_or_else(|| {
            panic!("seed {seed}: it never ends, {:?} {:?}", self.source, self.target)
        });
        match self.log {
            Log::Open(epoch) => {
                assert_eq!((registry.owner, registry.epoch), (Who::Source, epoch), "seed {seed}");
            }
            Log::Gone => {
                assert_eq!(registry.owner, Who::Target, "seed {seed}: {outcome:?}");
                assert!(self.owns.is_some(), "seed {seed}: nobody goes on, {outcome:?}");
                assert!(self.lives || self.died_owning, "seed {seed}");
            }
            other => panic!("seed {seed}: the log is {other:?} after {outcome:?}"),
        }
    }
}

#[test]
fn whatever_happens_one_goes_on_and_no_tick_is_lost() {
    let (first, count) = match std::env::var("SEED").ok().and_then(|it| it.parse().ok()) {
        Some(seed) => (seed, 1),
        None => (0, SCHEDULES),
    };
    let mut moved = 0;
    let mut taken_back = 0;
    for seed in first..first + count {
        let mut world = World::new(seed);
        (0..TROUBLE).for_each(|_| world.step());
        world.calm = true;
        for _ in 0..CALM {
            world.step();
            let is_decided = world.outcome.is_some() || world.dead;
            if is_decided && (world.target.phase() == TargetPhase::Over || !world.lives) {
                break;
            }
        }
        world.settled();
        moved += u32::from(world.outcome == Some(Outcome::Moved));
        taken_back += u32::from(world.outcome == Some(Outcome::TakenBack));
    }
    // The schedules are worth something only if they come everywhere.
    assert!(count == 1 || moved > 1_000 && taken_back > 100, "{moved} moved, {taken_back} back");
}
