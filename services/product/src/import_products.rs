//! Many products at once: what is new is made, what differs is changed, what is the same is left alone.

use std::collections::HashSet;

use contracts::Violation;

use crate::{
    error::{self, CatalogueError},
    product::{ImportOutcome, ProductInput},
    revision::{Revision, Wanted},
    service::{ATTEMPTS_MAX, ProductService},
    store::{SaveBatch, SaveOutcome, SaveRefusal, Stamp},
};

/// Products in one commit of an import that is not atomic, so that buyers' writes get their turn.
const COMMIT_LEN: usize = 50;

/// An input and what would become of it: nothing more to do, or something to write.
enum Planned {
    Settled(ImportOutcome),
    Open(Box<Revision>),
}

impl Planned {
    fn outcome(&self) -> ImportOutcome {
        match self {
            Self::Settled(outcome) => outcome.clone(),
            Self::Open(revision) if revision.replaces.is_none() => ImportOutcome::Created { id: revision.product.id },
            Self::Open(revision) => ImportOutcome::Updated { id: revision.product.id },
        }
    }

    fn is_rejected(&self) -> bool {
        matches!(self, Self::Settled(ImportOutcome::Rejected { .. }))
    }
}

impl ProductService {
    /// Makes or changes products by handle; variants within them by SKU, else by option values. Variants that
    /// an input does not name are removed; categories that do not exist are made. One outcome per input, in
    /// order. With `atomic`, any rejection means that nothing was written; the other outcomes then say what
    /// would have happened.
    pub async fn import_products(
        &self,
        products: Vec<ProductInput>,
        atomic: bool,
        actor: String,
    ) -> Result<Vec<ImportOutcome>, CatalogueError> {
        let repeated = repeated_handles(&products);
        if atomic {
            return self.import_together(&products, &repeated, &actor).await;
        }
        let mut outcomes = Vec::with_capacity(products.len());
        let indexes: Vec<usize> = (0..products.len()).collect();
        for chunk in indexes.chunks(COMMIT_LEN) {
            outcomes.extend(self.import_chunk(&products, chunk, &repeated, &actor).await?);
        }
        outcomes.sort_by_key(|(index, _)| *index);
        Ok(outcomes.into_iter().map(|(_, outcome)| outcome).collect())
    }

    /// All or nothing, in one commit.
    async fn import_together(
        &self,
        products: &[ProductInput],
        repeated: &HashSet<usize>,
        actor: &str,
    ) -> Result<Vec<ImportOutcome>, CatalogueError> {
        let indexes: Vec<usize> = (0..products.len()).collect();
        for _ in 0..ATTEMPTS_MAX {
            let planned = self.plan(products, &indexes, repeated).await?;
            let mut outcomes: Vec<ImportOutcome> = planned.iter().map(Planned::outcome).collect();
            if planned.iter().any(Planned::is_rejected) {
                return Ok(outcomes);
            }
            let (open, saved) = self.save_all(planned, true, actor).await?;
            if saved.iter().any(overtaken) {
                continue;
            }
            for (index, saved) in open.into_iter().zip(&saved) {
                outcomes[index] = rejection(saved).unwrap_or_else(|| outcomes[index].clone());
            }
            return Ok(outcomes);
        }
        Err(CatalogueError::Busy)
    }

    /// Each on its own, in one commit; those that others change meanwhile are tried again.
    async fn import_chunk(
        &self,
        products: &[ProductInput],
        chunk: &[usize],
        repeated: &HashSet<usize>,
        actor: &str,
    ) -> Result<Vec<(usize, ImportOutcome)>, CatalogueError> {
        let mut outcomes = Vec::with_capacity(chunk.len());
        let mut indexes = chunk.to_vec();
        for attempt in 1..=ATTEMPTS_MAX {
            let planned = self.plan(products, &indexes, repeated).await?;
            let expected: Vec<ImportOutcome> = planned.iter().map(Planned::outcome).collect();
            let (open, saved) = self.save_all(planned, false, actor).await?;
            let mut refused: Vec<Option<&SaveOutcome>> = vec![None; indexes.len()];
            for (position, saved) in open.into_iter().zip(&saved) {
                refused[position] = Some(saved);
            }
            let mut again = Vec::new();
            for ((index, expected), saved) in indexes.into_iter().zip(expected).zip(refused) {
                if attempt < ATTEMPTS_MAX && saved.is_some_and(overtaken) {
                    again.push(index);
                } else {
                    outcomes.push((index, saved.and_then(rejection).unwrap_or(expected)));
                }
            }
            indexes = again;
            if indexes.is_empty() {
                break;
            }
        }
        Ok(outcomes)
    }

    /// What would become of the inputs at `indexes` as the store is now.
    async fn plan(
        &self,
        products: &[ProductInput],
        indexes: &[usize],
        repeated: &HashSet<usize>,
    ) -> Result<Vec<Planned>, CatalogueError> {
        let handles = indexes.iter().map(|index| products[*index].handle.trim().to_owned()).collect();
        let current = self.store.find_by_handles(handles).await?;
        indexes
            .iter()
            .map(|index| {
                if repeated.contains(index) {
                    let violation = Violation::new("/handle", "another product of this import has this handle");
                    return Ok(Planned::Settled(ImportOutcome::Rejected { violations: vec![violation] }));
                }
                let input = products[*index].clone();
                let current = current.get(input.handle.trim());
                match self.revise(current, Wanted::by_content(input)) {
                    Ok(revision) if revision.is_empty() => {
                        Ok(Planned::Settled(ImportOutcome::Unchanged { id: revision.product.id }))
                    }
                    Ok(revision) => Ok(Planned::Open(Box::new(revision))),
                    Err(CatalogueError::Invalid(violations)) => {
                        Ok(Planned::Settled(ImportOutcome::Rejected { violations }))
                    }
                    Err(other) => Err(other),
                }
            })
            .collect()
    }

    /// Writes what is open; answers which positions that were and what the store said to each.
    async fn save_all(
        &self,
        planned: Vec<Planned>,
        atomic: bool,
        actor: &str,
    ) -> Result<(Vec<usize>, Vec<SaveOutcome>), CatalogueError> {
        let (mut positions, mut revisions) = (Vec::new(), Vec::new());
        for (position, planned) in planned.into_iter().enumerate() {
            if let Planned::Open(revision) = planned {
                positions.push(position);
                revisions.push(*revision);
            }
        }
        if revisions.is_empty() {
            return Ok((positions, Vec::new()));
        }
        let stamp = Stamp::new(&self.env, actor);
        let batch = SaveBatch { revisions, atomic, make_categories: true, record: None, stamp };
        Ok((positions, self.store.save(batch).await?))
    }
}

/// Where a handle stands that stood before.
fn repeated_handles(products: &[ProductInput]) -> HashSet<usize> {
    let mut seen = HashSet::new();
    let repeated = products.iter().enumerate().filter(|(_, product)| !seen.insert(product.handle.trim()));
    repeated.map(|(index, _)| index).collect()
}

/// True if somebody else changed or made the product between reading and writing.
fn overtaken(saved: &SaveOutcome) -> bool {
    matches!(saved, SaveOutcome::Refused(refusals)
        if refusals.iter().any(|refusal| matches!(refusal, SaveRefusal::Stale | SaveRefusal::HandleTaken)))
}

fn rejection(saved: &SaveOutcome) -> Option<ImportOutcome> {
    match saved {
        SaveOutcome::Written => None,
        SaveOutcome::Refused(refusals) => {
            Some(ImportOutcome::Rejected { violations: refusals.iter().map(error::violation).collect() })
        }
    }
}
