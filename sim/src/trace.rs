//! What happened in a world, as a hash and, if wanted, line by line.

use std::fmt::{Arguments, Write as _};

/// The events of a world in their order.
#[derive(Debug)]
pub struct Trace {
    hash: u64,
    events: u64,
    line: String,
    lines: Option<Vec<String>>,
    muted: bool,
}

impl Trace {
    /// An empty one, which keeps its lines if it is `recorded`.
    pub fn new(recorded: bool) -> Self {
        Self {
            hash: 0xCBF2_9CE4_8422_2325,
            events: 0,
            line: String::new(),
            lines: recorded.then(Vec::new),
            muted: false,
        }
    }

    /// Adds an event that happens `micros` after the beginning.
    pub fn add(&mut self, micros: u128, event: Arguments<'_>) {
        self.line.clear();
        // Writing to a string cannot fail.
        let _ = write!(self.line, "{:>5}.{:06} {event}", micros / 1_000_000, micros % 1_000_000);
        for byte in self.line.bytes() {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3);
        }
        self.events += 1;
        if let Some(lines) = self.lines.as_mut().filter(|_| !self.muted) {
            lines.push(self.line.clone());
        }
    }

    /// Keeps no lines from now on, or keeps them again: nobody wants to read how the world is looked at.
    pub fn mute(&mut self, muted: bool) {
        self.muted = muted;
    }

    /// Follows from every event and its instant.
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// How many events there were.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// The lines that were kept.
    pub fn take_lines(&mut self) -> Vec<String> {
        self.lines.take().unwrap_or_default()
    }
}
