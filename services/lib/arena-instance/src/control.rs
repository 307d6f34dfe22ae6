//! The loop that owns the lifecycle: events in from signals, side port and service; effects out.

use arena_telemetry::{Metrics, names};
use arena_types::contract::{DrainMode, InstanceState};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until};

use crate::drain::Drain;
use crate::lifecycle::{Effect, Event, Lifecycle, Load};

/// Events that wait for the loop: each side request and each signal is one, the loop never blocks.
const COMMANDS_MAX: usize = 64;

/// Why an instance is not ready before it says why itself.
pub(crate) const COLD: &str = "the service starts";

/// What the service shall do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Take work.
    Serve,
    /// Take no new work; move or finish what is there until `deadline`.
    Drain {
        /// Whether matches are moved or waited for.
        mode: DrainMode,
        /// When the drain's policy is applied to what is left.
        deadline: Instant,
    },
    /// End what is left.
    End,
    /// Nothing is left: close in order.
    Stop,
    /// Exit, whatever is left.
    StopNow,
}

/// The lifecycle with its drain, while it drains.
#[derive(Clone, Debug)]
pub(crate) struct Status {
    pub(crate) life: Lifecycle,
    pub(crate) drain: Option<Drain>,
}

/// An event, and who waits to hear whether it was accepted.
pub(crate) struct Command {
    event: Event,
    reply: Option<oneshot::Sender<bool>>,
}

/// The way in; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Control {
    commands: mpsc::Sender<Command>,
    load: watch::Sender<Load>,
    status: watch::Receiver<Status>,
    order: watch::Receiver<Order>,
}

impl Control {
    /// Starts the loop; it ends when the last clone is dropped.
    pub(crate) fn start(metrics: &Metrics) -> Self {
        let (commands, inbox) = mpsc::channel(COMMANDS_MAX);
        let load = watch::Sender::new(Load::NONE);
        let status = Status { life: Lifecycle::new(COLD), drain: None };
        let (order, status) = (watch::Sender::new(Order::Serve), watch::Sender::new(status));
        let control = Self {
            commands,
            load: load.clone(),
            status: status.subscribe(),
            order: order.subscribe(),
        };
        let keeper = Keeper { status, order, figures: Figures::new(metrics), alarm: None };
        tokio::spawn(keeper.run(inbox, load.subscribe()));
        control
    }

    /// Applies `event` and tells whether it was accepted.
    pub(crate) async fn apply(&self, event: Event) -> bool {
        let (reply, answer) = oneshot::channel();
        let sent = self.commands.send(Command { event, reply: Some(reply) }).await;
        sent.is_ok() && answer.await.unwrap_or(false)
    }

    /// Reports the load; the latest report counts.
    pub(crate) fn report(&self, change: impl FnOnce(&mut Load)) {
        self.load.send_if_modified(|load| {
            let before = *load;
            change(load);
            *load != before
        });
    }

    pub(crate) fn status(&self) -> watch::Receiver<Status> {
        self.status.clone()
    }

    pub(crate) fn order(&self) -> watch::Receiver<Order> {
        self.order.clone()
    }
}

struct Keeper {
    status: watch::Sender<Status>,
    order: watch::Sender<Order>,
    figures: Figures,
    /// When to wake up; a deadline passes once.
    alarm: Option<Instant>,
}

impl Keeper {
    async fn run(mut self, mut inbox: mpsc::Receiver<Command>, mut load: watch::Receiver<Load>) {
        self.figures.show(&self.status.borrow().life);
        loop {
            let alarm = sleep_until(self.alarm.unwrap_or_else(Instant::now));
            let (event, reply) = tokio::select! {
                command = inbox.recv() => match command {
                    Some(Command { event, reply }) => (event, reply),
                    None => return,
                },
                Ok(()) = load.changed() => (Event::LoadChanged(*load.borrow_and_update()), None),
                () = alarm, if self.alarm.is_some() => {
                    self.alarm = None;
                    (Event::DeadlinePassed, None)
                }
            };
            let accepted = self.apply(event);
            if let Some(reply) = reply {
                let _ = reply.send(accepted); // the client may have hung up
            }
        }
    }

    fn apply(&mut self, event: Event) -> bool {
        let described = format!("{event:?}");
        let Status { life, mut drain } = self.status.borrow().clone();
        let Some((life, effects)) = life.on(event) else {
            tracing::debug!(event = described, "refused in this state");
            return false;
        };
        for effect in effects {
            match effect {
                Effect::BeginDrain { mode, within } => {
                    let now = Instant::now();
                    let deadline = now + within;
                    // A later request changes the deadline; the pace counts from the first one.
                    drain.get_or_insert(Drain::begin(now, deadline, life.load())).deadline =
                        deadline;
                    self.alarm = Some(deadline);
                    self.tell(Order::Drain { mode, deadline });
                }
                Effect::Resume => {
                    (drain, self.alarm) = (None, None);
                    self.tell(Order::Serve);
                }
                Effect::EndLoad(load) => {
                    tracing::warn!(?load, "the drain's deadline passed, the load is ended");
                    self.figures.ended.inc_by(u64::from(load.sessions) + u64::from(load.matches));
                    self.tell(Order::End);
                }
                Effect::ReportOverdue => {
                    let load = life.load();
                    tracing::warn!(?load, "the drain's deadline passed, the load is kept");
                }
                // The registration follows the status, which is replaced right below.
                Effect::Publish => {
                    tracing::info!(state = ?life.state(), event = described, "state changes");
                }
                Effect::Stop => self.tell(Order::Stop),
                Effect::StopNow => self.tell(Order::StopNow),
            }
        }
        self.figures.show(&life);
        self.status.send_replace(Status { life, drain });
        true
    }

    fn tell(&self, order: Order) {
        self.order.send_if_modified(|it| std::mem::replace(it, order) != order);
    }
}

struct Figures {
    state: Family<arena_telemetry::Label, Gauge>,
    sessions: Gauge,
    matches: Gauge,
    ended: Counter,
}

impl Figures {
    fn new(metrics: &Metrics) -> Self {
        Self {
            state: metrics.gauges(&names::INSTANCE_STATE),
            sessions: metrics.gauge(&names::INSTANCE_SESSIONS),
            matches: metrics.gauge(&names::INSTANCE_MATCHES),
            ended: metrics.counter(&names::INSTANCE_ENDED),
        }
    }

    fn show(&self, life: &Lifecycle) {
        let now = life.state();
        for (state, name) in [
            (InstanceState::Starting, "starting"),
            (InstanceState::Ready, "ready"),
            (InstanceState::Draining, "draining"),
            (InstanceState::Empty, "empty"),
        ] {
            let series = names::INSTANCE_STATE.series([name]);
            self.state.get_or_create(&series).set(i64::from(state == now));
        }
        self.sessions.set(i64::from(life.load().sessions));
        self.matches.set(i64::from(life.load().matches));
    }
}
