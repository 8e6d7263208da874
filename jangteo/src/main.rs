//! The `jangteo` program: the whole shop in one process, and the tools around it.

use std::process::ExitCode;

use clap::Parser as _;
use jangteo::cli::{self, Arguments};

// The system allocator keeps memory of finished bursts; this one gives it back.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cli::run(Arguments::parse())
}
