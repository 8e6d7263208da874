//! `jangteo export`: all products of a stopped or running shop go into a Shopify CSV, which imports back
//! without changing anything.
#![expect(clippy::print_stderr, reason = "progress and the summary are for the person at the terminal")]

use std::{
    fs::File,
    io::{BufRead as _, BufReader, BufWriter, Seek as _, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, Result};
use contracts::{Currency, Locale};
use indicatif::{ProgressBar, ProgressStyle};
use product_service::product::ProductInput;
use tempfile::NamedTempFile;

use crate::{
    catalogue::Catalogue,
    shop,
    shopify_csv::{Columns, Writer},
    target::Target,
};

/// What to export.
pub struct ExportOptions {
    /// The CSV file to write.
    pub file: PathBuf,
    /// Where from.
    pub target: Target,
    /// Of the ordinary price columns; other currencies get columns of their own.
    pub currency: Currency,
    /// Of the ordinary text columns; other languages get columns of their own.
    pub locale: Locale,
}

/// Exports. The file is complete or is not touched.
pub fn run(options: &ExportOptions) -> Result<ExitCode> {
    let count = shop::block_on(export(options))?;
    eprintln!("{}: {count} products", options.file.display());
    Ok(ExitCode::SUCCESS)
}

async fn export(options: &ExportOptions) -> Result<usize> {
    let folder = options.file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let written = NamedTempFile::new_in(folder).with_context(|| format!("cannot write in {}", folder.display()))?;
    let mut catalogue = Catalogue::open_existing(&options.target)?;
    let bar = ProgressBar::new_spinner();
    bar.set_style(
        ProgressStyle::with_template("{spinner} {pos} products").unwrap_or_else(|_| ProgressStyle::default_spinner()),
    );
    let read = spool(&mut catalogue, options, &bar).await;
    catalogue.close().await;
    bar.finish_and_clear();
    let (spooled, columns, count) = read?;
    write(&written, spooled, columns).with_context(|| format!("cannot write in {}", folder.display()))?;
    readable_by_others(&written)?;
    written.persist(&options.file).map_err(|error| error.error).with_context(|| options.file.display().to_string())?;
    Ok(count)
}

/// Reads all products once, into a file of its own: which columns are needed is known only at the end.
async fn spool(
    catalogue: &mut Catalogue,
    options: &ExportOptions,
    bar: &ProgressBar,
) -> Result<(File, Columns, usize)> {
    let mut columns = Columns::new(options.currency, options.locale);
    let mut spooled = BufWriter::new(tempfile::tempfile().context("cannot make a temporary file")?);
    let mut count = 0;
    loop {
        let page = catalogue.next_page().await?;
        if page.is_empty() {
            break;
        }
        for product in page {
            columns.add(&product);
            serde_json::to_writer(&mut spooled, &product)?;
            spooled.write_all(b"\n")?;
            count += 1;
        }
        bar.set_position(count as u64);
    }
    let mut spooled = spooled.into_inner().map_err(std::io::IntoInnerError::into_error)?;
    spooled.rewind()?;
    Ok((spooled, columns, count))
}

fn write(file: &NamedTempFile, spooled: File, columns: Columns) -> Result<()> {
    let mut writer = Writer::new(BufWriter::new(file.as_file()), columns)?;
    for line in BufReader::new(spooled).lines() {
        let product: ProductInput = serde_json::from_str(&line?)?;
        writer.write(&product)?;
    }
    writer.finish()?.into_inner().map_err(std::io::IntoInnerError::into_error)?.sync_all()?;
    Ok(())
}

/// A temporary file is its owner's alone; an export is an ordinary file.
fn readable_by_others(file: &NamedTempFile) -> Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        file.as_file().set_permissions(std::fs::Permissions::from_mode(0o644))?;
    }
    Ok(())
}
