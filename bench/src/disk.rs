//! The limit of durable work: how often the disk makes 4 KiB safe in a second, one writer after another.

use std::{
    fs::OpenOptions,
    io::{Seek as _, SeekFrom, Write as _},
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};

use crate::{
    Effort,
    report::{Figure, Report},
};

const BLOCK: [u8; 4096] = [0x5a; 4096];

/// The name of the figure that orders are compared with.
pub(crate) const SYNCS: &str = "disk: append 4 KiB + fdatasync";

pub(crate) fn measure(folder: &Path, effort: Effort, report: &mut Report) -> Result<()> {
    let append = syncs_per_second(folder, effort.measure, false)?;
    let overwrite = syncs_per_second(folder, effort.measure, true)?;
    report.add(Figure::new(SYNCS, append, "/s"));
    report.add(Figure::new("disk: overwrite 4 KiB + fdatasync", overwrite, "/s"));
    Ok(())
}

fn syncs_per_second(folder: &Path, duration: Duration, in_place: bool) -> Result<f64> {
    let path = folder.join("fdatasync.probe");
    let error = || format!("cannot write {}", path.display());
    let mut file = OpenOptions::new().create(true).truncate(true).write(true).open(&path).with_context(error)?;
    file.write_all(&BLOCK).with_context(error)?;
    file.sync_all().with_context(error)?;
    let started = Instant::now();
    let mut syncs = 0_u32;
    while started.elapsed() < duration {
        if in_place {
            file.seek(SeekFrom::Start(0)).with_context(error)?;
        }
        file.write_all(&BLOCK).with_context(error)?;
        file.sync_data().with_context(error)?;
        syncs += 1;
    }
    let per_second = f64::from(syncs) / started.elapsed().as_secs_f64();
    std::fs::remove_file(&path).with_context(error)?;
    Ok(per_second)
}
