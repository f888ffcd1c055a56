//! Where the picture goes: a terminal gets it live, everything else gets lines. And the ways out.

use std::fmt;
use std::io::IsTerminal;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use crate::Failure;
use crate::live::Live;
use crate::picture::Picture;
use crate::plain::Plain;
use crate::stage::Stage;

/// Between two pictures.
const FRAME: Duration = Duration::from_millis(100);

/// True while the terminal is not in the state in which the shell left it.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// What shows the run to people.
pub(crate) enum Screen {
    Live(Live),
    Plain(Plain),
}

impl Screen {
    /// With `RUST_LOG` the workers' log goes to stderr, which no picture survives: then lines it is.
    pub(crate) fn open(stage: &Stage) -> std::io::Result<Self> {
        let logs = std::env::var_os("RUST_LOG").is_some();
        let live = (!logs && std::io::stdout().is_terminal()).then(Live::open);
        Ok(match live {
            Some(Ok(live)) => {
                TAKEN.store(true, Ordering::Release);
                Self::Live(live)
            }
            // A terminal that cannot be drawn on can still be written to.
            Some(Err(_)) | None => {
                let plain = Plain::default();
                plain.open(&stage.title())?;
                Self::Plain(plain)
            }
        })
    }

    /// Shows the run until a person or a signal ends it.
    pub(crate) async fn show(&mut self, stage: &Stage) -> Failure {
        let mut frames = interval(FRAME);
        // A slow terminal gets fewer pictures, not late ones.
        frames.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let told = told_to_end();
        tokio::pin!(told);
        loop {
            tokio::select! {
                biased;
                () = &mut told => return Interrupted.into(),
                _ = frames.tick() => {}
            }
            let picture = Picture::take(stage);
            let drawn = match self {
                Self::Live(live) => live.draw(&picture),
                Self::Plain(plain) => plain.print(&picture).map(|()| true),
            };
            match drawn {
                Ok(true) => {}
                Ok(false) => return Interrupted.into(),
                Err(error) => return error.into(),
            }
        }
    }

    /// Gives the terminal back. What the picture showed is gone then, so the story is told in lines.
    pub(crate) fn close(self, stage: &Stage) -> std::io::Result<()> {
        let picture = Picture::take(stage);
        let mut plain = match self {
            Self::Live(live) => {
                live.close();
                TAKEN.store(false, Ordering::Release);
                Plain::default()
            }
            Self::Plain(plain) => plain,
        };
        plain.finish(&picture, stage.chronicle.read().tally)
    }
}

/// Somebody pressed Ctrl-C, or the process was told to end.
#[derive(Debug)]
pub(crate) struct Interrupted;

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("interrupted")
    }
}

impl std::error::Error for Interrupted {}

/// Ctrl-C where the terminal is not in raw mode, or SIGTERM.
async fn told_to_end() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                biased;
                _ = terminate.recv() => return,
                Ok(()) = tokio::signal::ctrl_c() => return,
            }
        }
    }
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending().await
    }
}

/// Ends the process after this time even if the runtime itself stands still: a demonstration that hangs
/// demonstrates the wrong thing.
pub(crate) fn end_at_last(after: Duration) -> std::io::Result<()> {
    let end = move || {
        std::thread::sleep(after);
        if TAKEN.load(Ordering::Acquire) {
            ratatui::restore();
        }
        eprintln!("quickstart: gave up after {after:?}: the program itself no longer moves");
        std::process::exit(1);
    };
    std::thread::Builder::new()
        .name("deadline".to_owned())
        .spawn(end)
        .map(drop)
}
