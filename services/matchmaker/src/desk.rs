//! The one task that owns everyone who waits here.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arena_instance::{Instance, Order};
use arena_types::TicketId;
use arena_wire::matchmaker::v1::Waiting;
use tokio::sync::{mpsc, watch};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::clock::Clock;
use crate::figures::Figures;
use crate::logic::{Effect, Ending, Event, Obstacle, Policy, Queue, Ticket, half_width};
use crate::matches::{Fate, Matches};
use crate::parties::Parties;
use crate::records::TicketRecord;
use crate::updates::{Seats, Sink, obstacle, reason};

/// Commands that wait for the desk; whoever sends more waits.
pub(crate) const COMMANDS_MAX: usize = 1_024;
/// Time between passes: a person does not notice it, and a match is a little fuller for it.
const PASS_PERIOD: Duration = Duration::from_millis(50);
/// Matches made at once: each is a few calls of a millisecond, more would only wait for the store.
const MAKING_MAX: usize = 64;
/// Tickets of other instances' matches looked up at once, beside these.
const LOOKUPS_MAX: usize = 256;
/// Who waits hears this often how it goes.
const NEWS_PERIOD_MS: u64 = 1_000;
/// Streams of one ticket: a party's gateways, twice over while sessions move.
const SINKS_MAX: usize = 16;
/// A party shows its ticket this long after its match was made, so that every member follows it.
const PARTY_FOLLOWS: Duration = Duration::from_secs(10);

/// What the desk is told.
#[derive(Debug)]
pub(crate) enum Command {
    /// Somebody waits for this ticket.
    Queue(Ticket, Sink),
    /// The registry says what became of a ticket.
    Hear(TicketId, TicketRecord),
}

struct Waiters {
    sinks: Vec<Sink>,
    is_party: bool,
}

/// See the module.
pub(crate) struct Desk {
    queue: Queue,
    waiters: BTreeMap<TicketId, Waiters>,
    making: JoinSet<Vec<(TicketId, Fate)>>,
    /// The tickets of each task of `making`.
    made_of: BTreeMap<Id, Vec<TicketId>>,
    is_draining: bool,
    told_ms: u64,
    instance: Instance,
    matches: Arc<Matches>,
    parties: Arc<Parties>,
    seats: Seats,
    figures: Figures,
    clock: Clock,
}

/// What the desk shares with the calls.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) instance: Instance,
    pub(crate) matches: Arc<Matches>,
    pub(crate) parties: Arc<Parties>,
    pub(crate) seats: Seats,
    pub(crate) figures: Figures,
    pub(crate) clock: Clock,
}

impl Desk {
    pub(crate) fn new(policy: Policy, shared: Shared) -> Self {
        let Shared { instance, matches, parties, seats, figures, clock } = shared;
        Self {
            queue: Queue::new(policy),
            waiters: BTreeMap::new(),
            making: JoinSet::new(),
            made_of: BTreeMap::new(),
            is_draining: false,
            told_ms: 0,
            instance,
            matches,
            parties,
            seats,
            figures,
            clock,
        }
    }

    /// Runs until every sender of commands is gone.
    pub(crate) async fn run(
        mut self,
        mut inbox: mpsc::Receiver<Command>,
        mut orders: watch::Receiver<Order>,
    ) {
        self.matches.warm().await;
        let mut passes = interval(PASS_PERIOD);
        passes.set_missed_tick_behavior(MissedTickBehavior::Delay);
        orders.mark_changed(); // a drain may have been asked for before
        loop {
            tokio::select! {
                command = inbox.recv() => match command {
                    Some(command) => self.command(command),
                    None => return,
                },
                Ok(()) = orders.changed() => {
                    self.is_draining = *orders.borrow_and_update() != Order::Serve;
                }
                Some(made) = self.making.join_next_with_id() => self.made(made),
                _ = passes.tick() => self.pass(),
            }
            if self.is_draining {
                self.apply(Event::Drain);
            }
            let tickets = self.queue.len();
            self.figures.tickets.set(tickets as i64);
            self.instance.report(|load| load.sessions = tickets as u32);
        }
    }

    fn command(&mut self, command: Command) {
        match command {
            Command::Queue(_, sink) if self.is_draining => {
                let (reason, detail) = reason(Ending::Moved);
                sink.end(reason, detail);
            }
            Command::Queue(ticket, sink) => {
                let (id, is_party) = (ticket.id, ticket.members.len() > 1);
                let waiters =
                    self.waiters.entry(id).or_insert(Waiters { sinks: Vec::new(), is_party });
                waiters.sinks.retain(|it| !it.is_closed());
                if waiters.sinks.len() >= SINKS_MAX {
                    waiters.sinks.remove(0); // its stream breaks, and its gateway asks again
                }
                waiters.sinks.push(sink);
                self.apply(Event::Add(ticket));
                self.tell(id);
            }
            Command::Hear(id, _) if !self.queue.is_waiting(id) => {}
            Command::Hear(id, TicketRecord { match_id: None }) => self.apply(Event::Cancel(id)),
            // Without a look-up its own match is refused, which tells the same later.
            Command::Hear(..) if self.making.len() >= MAKING_MAX + LOOKUPS_MAX => {}
            Command::Hear(id, record) => {
                self.apply(Event::Hold(id));
                let matches = self.matches.clone();
                self.start(vec![id], async move { vec![(id, matches.fate(record).await)] });
            }
        }
    }

    fn pass(&mut self) {
        let left: Vec<_> = self
            .waiters
            .iter()
            .filter(|(_, it)| it.sinks.iter().all(Sink::is_closed))
            .map(|(id, _)| *id)
            .collect();
        for id in left {
            self.apply(Event::Cancel(id)); // nobody waits for it here
        }
        let groups_max = MAKING_MAX.saturating_sub(self.making.len());
        self.apply(Event::Pass { groups_max, seed: rand::random() });
        let now_ms = self.clock.now_ms();
        if now_ms >= self.told_ms + NEWS_PERIOD_MS {
            self.told_ms = now_ms;
            for id in self.waiters.keys() {
                self.tell(*id);
            }
        }
    }

    fn apply(&mut self, event: Event) {
        let now_ms = self.clock.now_ms();
        for effect in self.queue.on(event, now_ms) {
            match effect {
                Effect::End(id, ending) => self.end(id, ending),
                Effect::Propose(group) => {
                    let ids = group.tickets.iter().map(|it| it.id).collect();
                    let matches = self.matches.clone();
                    self.start(ids, async move { matches.make(group, now_ms).await });
                }
            }
        }
    }

    fn start(
        &mut self,
        ids: Vec<TicketId>,
        task: impl Future<Output = Vec<(TicketId, Fate)>> + Send + 'static,
    ) {
        let handle = self.making.spawn(task);
        self.made_of.insert(handle.id(), ids);
    }

    fn made(&mut self, made: Result<(Id, Vec<(TicketId, Fate)>), JoinError>) {
        let fates = match made {
            Ok((task, fates)) => {
                self.made_of.remove(&task);
                fates
            }
            Err(error) => {
                tracing::error!(%error, "making a match failed, its tickets wait on");
                let ids = self.made_of.remove(&error.id()).unwrap_or_default();
                ids.into_iter().map(|id| (id, Fate::Return(Some(Obstacle::Failure)))).collect()
            }
        };
        for (id, fate) in fates {
            match fate {
                Fate::Assign(match_id, record) => {
                    let now_ms = self.clock.now_ms();
                    if let Some(ticket) = self.queue.ticket(id) {
                        let members = &ticket.members;
                        let assigned = self.seats.assigned(match_id, &record, members, now_ms);
                        self.count(ticket, now_ms);
                        self.apply(Event::Settle(id));
                        let sinks = self.let_go(id, PARTY_FOLLOWS);
                        for sink in sinks {
                            sink.assign(assigned.clone());
                        }
                    }
                }
                Fate::Return(obstacle) => self.apply(Event::Return(id, obstacle)),
                Fate::Cancel => {
                    self.apply(Event::Return(id, None));
                    self.apply(Event::Cancel(id));
                }
            }
        }
    }

    fn end(&mut self, id: TicketId, ending: Ending) {
        let (reason, detail) = reason(ending);
        self.figures.ended(match ending {
            Ending::Cancelled => "cancelled",
            Ending::TimedOut => "timed_out",
            Ending::Moved => "moved",
            Ending::Full => "full",
        });
        let sinks = match ending {
            Ending::Cancelled | Ending::TimedOut => self.let_go(id, Duration::ZERO),
            // It is queued on elsewhere: its party follows it there.
            Ending::Moved | Ending::Full => {
                self.waiters.remove(&id).map(|it| it.sinks).unwrap_or_default()
            }
        };
        for sink in sinks {
            sink.end(reason, detail);
        }
    }

    /// Returns who waits for a ticket that is settled; its party is free to queue again.
    fn let_go(&mut self, id: TicketId, after: Duration) -> Vec<Sink> {
        let Some(Waiters { sinks, is_party }) = self.waiters.remove(&id) else { return Vec::new() };
        let was_heard = sinks.iter().any(|it| !it.is_closed());
        if is_party && was_heard {
            let parties = self.parties.clone();
            tokio::spawn(async move {
                sleep(after).await;
                if let Err(error) = parties.release(id).await {
                    tracing::info!(%id, %error, "a party still shows a ticket that is settled");
                }
            });
        }
        sinks
    }

    fn count(&self, ticket: &Ticket, now_ms: u64) {
        let seconds = |ms: u64| ms as f64 / 1000.0;
        self.figures.wait.observe(seconds(now_ms.saturating_sub(ticket.since_ms)));
        if let Some(delta_ms) = ticket.rtt_delta_ms(&self.instance.settings().region) {
            self.figures.rtt_delta.observe(seconds(u64::from(delta_ms)));
        }
    }

    fn tell(&self, id: TicketId) {
        let (Some(ticket), Some(waiters)) = (self.queue.ticket(id), self.waiters.get(&id)) else {
            return;
        };
        let waited_ms = self.clock.now_ms().saturating_sub(ticket.since_ms);
        let waiting = Waiting {
            waited_ms,
            tickets_in_queue: self.queue.len() as u32,
            window: half_width(waited_ms),
            reason: self.queue.obstacle(id).map_or("", obstacle).to_owned(),
        };
        for sink in &waiters.sinks {
            sink.wait(waiting.clone());
        }
    }
}
