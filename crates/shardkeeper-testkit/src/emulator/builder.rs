//! How an emulator is made.

use std::sync::Arc;

use super::clock::{Clock, system_clock};
use super::interceptor::Interceptor;
use super::{Emulator, EmulatorSettings};

/// Builds an [`Emulator`].
#[derive(Clone)]
pub struct EmulatorBuilder {
    pub(super) seed: u64,
    pub(super) clock: Clock,
    pub(super) settings: EmulatorSettings,
    pub(super) interceptors: Vec<Arc<dyn Interceptor>>,
}

impl std::fmt::Debug for EmulatorBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EmulatorBuilder")
            .field("seed", &self.seed)
            .field("settings", &self.settings)
            .field("interceptors", &self.interceptors)
            .finish_non_exhaustive()
    }
}

impl Default for EmulatorBuilder {
    fn default() -> Self {
        Self {
            seed: 0,
            clock: system_clock(),
            settings: EmulatorSettings::default(),
            interceptors: Vec::new(),
        }
    }
}

impl EmulatorBuilder {
    /// Seeds everything that is random. The same seed, clock and calls give the same bytes. Default: 0.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// The clock to go by. Default: [`system_clock`]; tests on paused time want
    /// [`tokio_clock`](super::tokio_clock).
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// The constants of the service. Default: those of the real one.
    #[must_use]
    pub fn settings(mut self, settings: EmulatorSettings) -> Self {
        self.settings = settings;
        self
    }

    /// Adds an interceptor; it is asked after [`Emulator::faults`] and those added before it.
    #[must_use]
    pub fn interceptor(mut self, interceptor: Arc<dyn Interceptor>) -> Self {
        self.interceptors.push(interceptor);
        self
    }

    /// An emulated account without tables.
    #[must_use]
    pub fn build(self) -> Emulator {
        Emulator::from_builder(self)
    }
}
