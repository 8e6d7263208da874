//! `jangteo import`: products of a Shopify CSV go into a stopped or a running shop.
//!
//! Products are sent in parts and found again by handle and SKU, so that an import that was cut off is
//! simply run again.
#![expect(clippy::print_stderr, reason = "progress, bad rows and the summary are for the person at the terminal")]

use std::{
    fs::File,
    io::{BufReader, Read},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, Result, bail};
use contracts::{Currency, Locale};
use indicatif::{ProgressBar, ProgressStyle};
use product_service::product::ImportOutcome;

use crate::{
    catalogue::Catalogue,
    shop,
    shopify_csv::{ParsedProduct, ReadError, ReadOptions, RowError, check_encoding, read},
    target::Target,
};

/// Products in one part.
const PART_PRODUCTS_MAX: usize = 100;
/// Variants in one part, after which it is sent, so that no request grows too large.
const PART_VARIANTS_MAX: usize = 2000;

/// What to import.
pub struct ImportOptions {
    /// The CSV file.
    pub file: PathBuf,
    /// Where to.
    pub target: Target,
    /// Of the prices in the file.
    pub currency: Currency,
    /// Of the texts in the file.
    pub locale: Locale,
    /// Everything or, if any row is bad, nothing.
    pub atomic: bool,
}

/// Imports. Exit code 0: all is in; 1: some is; 2, also for every `Err`: nothing is.
pub fn run(options: &ImportOptions) -> Result<ExitCode> {
    shop::block_on(async {
        let (file, bytes) = open(&options.file)?;
        let catalogue = Catalogue::open(&options.target)?;
        let bar = ProgressBar::new(bytes);
        let style = "{wide_bar} {bytes}/{total_bytes} {msg} {eta}";
        bar.set_style(ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar()));
        let mut import = Import { options, catalogue: &catalogue, bar: &bar, summary: Summary::default() };
        let ended = import.products(bar.wrap_read(file)).await;
        let summary = import.summary;
        bar.finish_and_clear();
        catalogue.close().await;
        report(options, summary, ended)
    })
}

/// Opens the file and looks through it once: a file in another encoding is refused before anything is imported.
fn open(path: &Path) -> Result<(File, u64)> {
    let name = || path.display().to_string();
    let file = File::open(path).with_context(name)?;
    let meta = file.metadata().with_context(name)?;
    if meta.is_dir() {
        bail!("{} is a folder, not a CSV file", path.display());
    }
    check_encoding(BufReader::new(file)).with_context(name)?;
    Ok((File::open(path).with_context(name)?, meta.len()))
}

/// What became of the products.
#[derive(Debug, Clone, Copy, Default)]
struct Summary {
    created: usize,
    updated: usize,
    unchanged: usize,
    rejected: usize,
}

impl Summary {
    fn count(&mut self, outcome: &ImportOutcome) {
        match outcome {
            ImportOutcome::Created { .. } => self.created += 1,
            ImportOutcome::Updated { .. } => self.updated += 1,
            ImportOutcome::Unchanged { .. } => self.unchanged += 1,
            ImportOutcome::Rejected { .. } => self.rejected += 1,
        }
    }

    fn taken(self) -> usize {
        self.created + self.updated + self.unchanged
    }
}

struct Import<'a> {
    options: &'a ImportOptions,
    catalogue: &'a Catalogue,
    bar: &'a ProgressBar,
    summary: Summary,
}

impl Import<'_> {
    /// Reads everything and sends it; in parts, or at once if all or nothing is wanted.
    async fn products(&mut self, reader: impl Read) -> Result<()> {
        let options = ReadOptions { currency: self.options.currency, locale: self.options.locale };
        let mut part: Vec<ParsedProduct> = Vec::new();
        let mut variants = 0;
        let products = read(reader, options).with_context(|| self.options.file.display().to_string())?;
        for product in products {
            match product {
                Ok(product) => {
                    variants += product.input.variants.len();
                    part.push(product);
                }
                Err(ReadError::Product(rejection)) => {
                    self.summary.rejected += 1;
                    rejection.errors.iter().for_each(|error| self.tell(error));
                }
                Err(ReadError::File(error)) => {
                    if !self.options.atomic {
                        self.send(std::mem::take(&mut part)).await?;
                    }
                    return Err(error).with_context(|| self.options.file.display().to_string());
                }
            }
            let full = part.len() >= PART_PRODUCTS_MAX || variants >= PART_VARIANTS_MAX;
            if full && !self.options.atomic {
                variants = 0;
                self.send(std::mem::take(&mut part)).await?;
            }
        }
        // What is bad in the file alone is enough to import nothing.
        if self.options.atomic && self.summary.rejected > 0 {
            return Ok(());
        }
        self.send(part).await
    }

    async fn send(&mut self, part: Vec<ParsedProduct>) -> Result<()> {
        if part.is_empty() {
            return Ok(());
        }
        let inputs = part.iter().map(|product| product.input.clone()).collect();
        let outcomes = self.catalogue.import(inputs, self.options.atomic).await?;
        let refused = outcomes.iter().any(|outcome| matches!(outcome, ImportOutcome::Rejected { .. }));
        for (product, outcome) in part.iter().zip(&outcomes) {
            if let ImportOutcome::Rejected { violations } = outcome {
                violations.iter().for_each(|violation| self.tell(&product.locate(violation)));
            }
            // Of a refused atomic import, the others only say what would have happened.
            if !(self.options.atomic && refused) || matches!(outcome, ImportOutcome::Rejected { .. }) {
                self.summary.count(outcome);
            }
        }
        self.bar.set_message(format!("{} products", self.summary.taken()));
        Ok(())
    }

    fn tell(&self, error: &RowError) {
        self.bar.suspend(|| eprintln!("{}: {error}", self.options.file.display()));
    }
}

/// Says how it ended, and what the exit code is.
fn report(options: &ImportOptions, summary: Summary, ended: Result<()>) -> Result<ExitCode> {
    let Summary { created, updated, unchanged, rejected } = summary;
    let file = options.file.display();
    if summary.taken() == 0 {
        ended?;
        if rejected > 0 {
            let why = if options.atomic { "; with --atomic nothing was imported" } else { "" };
            eprintln!("{file}: 0 created, 0 updated, 0 unchanged, {rejected} rejected{why}");
            return Ok(ExitCode::from(2));
        }
        eprintln!("{file}: there are no products in it");
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("{file}: {created} created, {updated} updated, {unchanged} unchanged, {rejected} rejected");
    match ended {
        Err(error) => {
            eprintln!("jangteo: {error:#}");
            eprintln!("The rest was not imported. Run the same command again to go on.");
            Ok(ExitCode::from(1))
        }
        Ok(()) if rejected > 0 => Ok(ExitCode::from(1)),
        Ok(()) => Ok(ExitCode::SUCCESS),
    }
}
