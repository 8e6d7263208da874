//! Changes of the index.

use std::{collections::HashMap, sync::Arc};

use contracts::product::ProductId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tantivy::{
    DocSet as _, Index, IndexWriter, TERMINATED, TantivyDocument,
    indexer::{IndexWriterOptions, LogMergePolicy},
    schema::IndexRecordOption,
};

use super::{
    IndexedProduct, SearchError, SearchIndex,
    schema::{Fields, LAYOUT},
};

/// The least that tantivy takes; it exists only while there is something to write.
const BUFFER_BYTES: usize = 15_000_000;
/// Segments with more deleted documents than this share are merged.
const DELETED_SHARE_MAX: f32 = 0.25;

/// What a commit says about itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Progress {
    layout: u32,
    pub(super) complete: bool,
    pub(super) last_applied: Option<Timestamp>,
}

impl Progress {
    /// `None` if another version of this program wrote it.
    pub(super) fn parse(payload: Option<&str>) -> Option<Self> {
        let progress: Self = serde_json::from_str(payload?).ok()?;
        (progress.layout == LAYOUT).then_some(progress)
    }
}

/// The one writer, if it is awake.
pub(super) struct Writer {
    awake: Option<IndexWriter>,
    used: bool,
    progress: Progress,
}

impl Writer {
    pub(super) fn new(progress: Progress) -> Self {
        Self { awake: None, used: false, progress: Progress { layout: LAYOUT, ..progress } }
    }

    pub(super) fn progress(&self) -> Progress {
        self.progress
    }

    /// Makes `changes` and commits them together with `progress`.
    fn commit(
        &mut self,
        index: &Index,
        progress: Progress,
        changes: impl FnOnce(&IndexWriter) -> tantivy::Result<()>,
    ) -> Result<(), SearchError> {
        let mut writer = match self.awake.take() {
            Some(writer) => writer,
            None => wake(index)?,
        };
        changes(&writer)?;
        let mut commit = writer.prepare_commit()?;
        commit.set_payload(&serde_json::to_string(&progress).unwrap_or_default());
        commit.commit()?;
        // After an error the writer is not kept: what it holds was never committed.
        self.awake = Some(writer);
        self.used = true;
        self.progress = progress;
        Ok(())
    }
}

fn wake(index: &Index) -> Result<IndexWriter, SearchError> {
    let options = IndexWriterOptions::builder()
        .memory_budget_per_thread(BUFFER_BYTES)
        .num_worker_threads(1)
        .num_merge_threads(1)
        .build();
    let writer: IndexWriter<TantivyDocument> = index.writer_with_options(options)?;
    let mut merging = LogMergePolicy::default();
    merging.set_del_docs_ratio_before_merge(DELETED_SHARE_MAX);
    writer.set_merge_policy(Box::new(merging));
    Ok(writer)
}

impl SearchIndex {
    /// Adds or replaces products, unless the index has this or a newer version of them. When this
    /// returns, searches see them. Each call is a commit: give it many products rather than few.
    pub fn apply(&self, products: Vec<IndexedProduct>) -> Result<(), SearchError> {
        let mut newest: HashMap<ProductId, IndexedProduct> = HashMap::new();
        let mut last_applied = None;
        for product in products {
            last_applied = last_applied.max(Some(product.changed_at));
            let kept = newest.get(&product.id).is_some_and(|other| other.version >= product.version);
            if !kept {
                newest.insert(product.id, product);
            }
        }
        let mut writer = self.writer();
        let mut changed = Vec::new();
        for product in newest.into_values() {
            if self.indexed_version(product.id)?.is_none_or(|version| version < product.version) {
                changed.push(product);
            }
        }
        // The same input gives the same index.
        changed.sort_by_key(|product| product.id);
        let progress = writer.progress();
        let progress = Progress { last_applied: progress.last_applied.max(last_applied), ..progress };
        if changed.is_empty() {
            return Ok(());
        }
        writer.commit(&self.index, progress, |writer| replace(writer, &self.fields, &changed))?;
        drop(writer);
        self.reload()
    }

    /// Takes products out: they are no longer on sale.
    pub fn remove(&self, ids: &[ProductId]) -> Result<(), SearchError> {
        let mut present = Vec::new();
        let mut writer = self.writer();
        for id in ids {
            if self.indexed_version(*id)?.is_some() {
                present.push(*id);
            }
        }
        if present.is_empty() {
            return Ok(());
        }
        let progress = writer.progress();
        writer.commit(&self.index, progress, |writer| {
            for id in &present {
                writer.delete_term(self.fields.id_term(*id));
            }
            Ok(())
        })?;
        drop(writer);
        self.reload()
    }

    /// Begins to make the index again. Searches find what is there until the new one takes its place.
    pub fn begin_rebuild(self: &Arc<Self>) -> Result<Rebuilding, SearchError> {
        let mut kept = self.writer();
        let writer = match kept.awake.take() {
            Some(writer) => writer,
            None => wake(&self.index)?,
        };
        writer.delete_all_documents()?;
        let progress = Progress { last_applied: None, ..kept.progress() };
        drop(kept);
        Ok(Rebuilding { search: Arc::clone(self), writer, progress })
    }

    /// Lets go of the writer and its memory if nothing was written since the last call, after merges
    /// have ended. Call it every few seconds.
    pub fn rest(&self) -> Result<(), SearchError> {
        let mut writer = self.writer();
        if std::mem::take(&mut writer.used) {
            return Ok(());
        }
        let Some(awake) = writer.awake.take() else { return Ok(()) };
        awake.wait_merging_threads()?;
        drop(writer);
        self.reload()
    }

    /// True if the writer holds memory that [`SearchIndex::rest`] would give back.
    pub fn is_awake(&self) -> bool {
        self.writer().awake.is_some()
    }

    fn indexed_version(&self, id: ProductId) -> Result<Option<u64>, SearchError> {
        let term = self.fields.id_term(id);
        let snapshot = self.snapshot();
        for (reader, columns) in snapshot.searcher.segment_readers().iter().zip(&snapshot.segments) {
            let terms = reader.inverted_index(term.field())?;
            let postings = terms.read_postings(&term, IndexRecordOption::Basic).map_err(tantivy::TantivyError::from)?;
            let Some(mut postings) = postings else { continue };
            while postings.doc() != TERMINATED {
                if !reader.is_deleted(postings.doc()) {
                    return Ok(Some(columns.version.get_val(postings.doc())));
                }
                postings.advance();
            }
        }
        Ok(None)
    }
}

/// An index in the making. Nothing else can write meanwhile; dropped unfinished, it leaves the old one as it was.
pub struct Rebuilding {
    search: Arc<SearchIndex>,
    writer: IndexWriter,
    progress: Progress,
}

impl Rebuilding {
    /// Adds products, none of which was added before.
    pub fn add(&mut self, products: &[IndexedProduct]) -> Result<(), SearchError> {
        for product in products {
            self.progress.last_applied = self.progress.last_applied.max(Some(product.changed_at));
            self.writer.add_document(self.search.fields.document(product))?;
        }
        // In place of an index that was never complete, anything is better than nothing.
        if self.progress.complete { Ok(()) } else { self.commit() }
    }

    /// Puts the index in the place of the old one, in one step.
    pub fn finish(mut self) -> Result<(), SearchError> {
        self.progress.complete = true;
        self.commit()?;
        let Self { search, writer, progress } = self;
        let mut kept = search.writer();
        *kept = Writer { awake: Some(writer), used: true, progress };
        Ok(())
    }

    fn commit(&mut self) -> Result<(), SearchError> {
        let mut commit = self.writer.prepare_commit()?;
        commit.set_payload(&serde_json::to_string(&self.progress).unwrap_or_default());
        commit.commit()?;
        self.search.reload()
    }
}

fn replace(writer: &IndexWriter, fields: &Fields, products: &[IndexedProduct]) -> tantivy::Result<()> {
    for product in products {
        writer.delete_term(fields.id_term(product.id));
        writer.add_document(fields.document(product))?;
    }
    Ok(())
}
