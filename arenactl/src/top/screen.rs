//! The loop that waits: for what regions tell, for keys, for the end.

use std::io;
use std::time::Duration;

use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior};

use super::board::{Board, Moment};
use super::draw::{Paint, draw};
use super::view::{Key, Popup, View, Wish};
use super::watch::{Told, Watching};
use crate::error::{CliError, Status};
use crate::interrupt::Interrupts;

/// The screen is drawn anew this often though nothing was told: ages grow, and a signal is noticed.
const REDRAW_INTERVAL: Duration = Duration::from_millis(250);
/// Keys pressed and not yet understood: more than anybody types between two frames.
const KEY_COUNT_MAX: usize = 64;

/// The terminal in raw mode on its other screen; dropped, it is as it was. A panic restores it, too, before it is
/// told: that is what ratatui's own hook is for.
struct Screen(DefaultTerminal);

impl Screen {
    fn open() -> io::Result<Self> {
        ratatui::try_init().map(Self)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

/// What happened that the person should see.
enum Happened {
    Told(Option<Told>),
    Pressed(Option<Event>),
    Nothing,
}

/// Shows regions until the person quits: `Done`, or `Interrupted` by Ctrl-C or a signal.
///
/// # Errors
/// If the terminal cannot be used.
pub(crate) async fn show(
    mut board: Board,
    mut watching: Watching,
    paint: Paint,
) -> Result<Status, CliError> {
    let failed = |error: io::Error| {
        CliError::new(Status::PreflightFailed, format!("cannot draw on this terminal: {error}"))
            .with_help("one plain frame: `arenactl top --once`")
    };
    let interrupts = Interrupts::listen().map_err(failed)?;
    let mut screen = Screen::open().map_err(failed)?;
    let mut keys = keys();
    let (began, mut view) = (Instant::now(), View::default());
    let mut redraw = tokio::time::interval(REDRAW_INTERVAL);
    redraw.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let model = view.sorted(board.model(Moment(began.elapsed())));
        let shown = match &view.popup {
            Popup::Details { region, instance, .. } => board.instance(region, instance),
            Popup::None | Popup::Help => None,
        };
        let frame = |frame: &mut ratatui::Frame<'_>| {
            draw(frame.area(), frame.buffer_mut(), &model, &view, paint, shown);
        };
        screen.0.draw(frame).map_err(failed)?;
        let happened = tokio::select! {
            told = watching.next() => Happened::Told(told),
            pressed = keys.recv() => Happened::Pressed(pressed),
            _ = redraw.tick() => Happened::Nothing,
        };
        if interrupts.count() > 0 {
            return Ok(Status::Interrupted);
        }
        let pressed = match happened {
            Happened::Told(Some(Told::Seen(region, seen))) => {
                board.take(&region, Moment(began.elapsed()), *seen);
                continue;
            }
            Happened::Told(Some(Told::Details(instance, details))) => {
                view.tell(&instance, details);
                continue;
            }
            Happened::Pressed(Some(pressed)) => pressed,
            // The terminal went away, or all that looked did.
            Happened::Pressed(None) | Happened::Told(None) => return Ok(Status::Interrupted),
            Happened::Nothing => continue,
        };
        match meant(&pressed) {
            Meant::Interrupt => return Ok(Status::Interrupted),
            Meant::Nothing => {}
            Meant::Key(key) => match view.on(key, &model) {
                Some(Wish::Quit) => return Ok(Status::Done),
                Some(Wish::Details(region, instance)) => watching.ask(&region, instance),
                None => {}
            },
        }
    }
}

/// Reads keys on a thread of its own, since a read cannot be given up; it ends with the process.
fn keys() -> mpsc::Receiver<Event> {
    let (tell, keys) = mpsc::channel(KEY_COUNT_MAX);
    std::thread::spawn(move || {
        while let Ok(event) = event::read() {
            if tell.blocking_send(event).is_err() {
                return;
            }
        }
    });
    keys
}

/// What a person means by what came from the terminal.
enum Meant {
    Interrupt,
    Key(Key),
    Nothing,
}

fn meant(event: &Event) -> Meant {
    let Event::Key(KeyEvent { code, modifiers, kind, .. }) = event else { return Meant::Nothing };
    if *kind == KeyEventKind::Release {
        return Meant::Nothing;
    }
    if modifiers.contains(KeyModifiers::CONTROL) {
        return if *code == KeyCode::Char('c') { Meant::Interrupt } else { Meant::Nothing };
    }
    Meant::Key(match code {
        KeyCode::Char('q') => Key::Quit,
        KeyCode::Up | KeyCode::Char('k') => Key::Up,
        KeyCode::Down | KeyCode::Char('j') => Key::Down,
        KeyCode::Tab | KeyCode::Right => Key::NextPane,
        KeyCode::BackTab | KeyCode::Left => Key::PreviousPane,
        KeyCode::Enter => Key::Open,
        KeyCode::Esc => Key::Close,
        KeyCode::Char('s') => Key::Sort,
        KeyCode::Char('?') => Key::Help,
        _ => return Meant::Nothing,
    })
}
