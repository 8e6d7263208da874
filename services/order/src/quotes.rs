//! What product says of the variants in a cart: one question for all of them.

use std::collections::HashMap;

use contracts::{
    Currency,
    product::{ProductApi, ProductError, QuoteRequest, VariantId, VariantQuote, VariantRef},
};

/// Why a variant cannot be bought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Unsellable {
    /// It was taken off sale.
    NotOnSale,
    /// It has no price in the cart's currency.
    NoPrice,
}

/// What is known of each variant.
#[derive(Clone, Default)]
pub(crate) struct Quotes {
    sellable: HashMap<VariantId, VariantQuote>,
    unsellable: HashMap<VariantId, Unsellable>,
    skus: HashMap<String, VariantId>,
}

/// Why there are no quotes.
#[derive(Debug)]
pub(crate) enum QuoteError {
    /// Something that was to be added cannot be.
    Unsellable(VariantRef, Unsellable),
    Product(ProductError),
}

impl Quotes {
    pub(crate) fn find(&self, id: VariantId) -> Option<Result<&VariantQuote, Unsellable>> {
        let unsellable = || self.unsellable.get(&id).copied().map(Err);
        self.sellable.get(&id).map(Ok).or_else(unsellable)
    }

    /// The variant that `reference` names, if it was asked for and can be bought.
    pub(crate) fn resolve(&self, reference: &VariantRef) -> Option<VariantId> {
        match reference {
            VariantRef::Id(id) => Some(*id),
            VariantRef::Sku(sku) => self.skus.get(sku).copied(),
        }
    }

    /// Asks for `wanted`, which must all be on sale, and `present`, which may have been taken off sale since
    /// they were put into the cart. One question, and another for every variant that was.
    pub(crate) async fn ask(
        product: &dyn ProductApi,
        currency: Currency,
        wanted: &[VariantRef],
        present: impl IntoIterator<Item = VariantId>,
    ) -> Result<Self, QuoteError> {
        let mut quotes = Self::default();
        quotes.learn(product, currency, wanted, present).await?;
        Ok(quotes)
    }

    /// Asks for what is not known yet.
    pub(crate) async fn learn(
        &mut self,
        product: &dyn ProductApi,
        currency: Currency,
        wanted: &[VariantRef],
        present: impl IntoIterator<Item = VariantId>,
    ) -> Result<(), QuoteError> {
        let mut variants: Vec<VariantRef> = wanted.to_vec();
        variants.extend(present.into_iter().map(VariantRef::Id));
        variants.retain(|variant| self.resolve(variant).is_none_or(|id| self.find(id).is_none()));
        variants.sort();
        variants.dedup();
        while !variants.is_empty() {
            let (refused, why) = match product.quote(QuoteRequest { currency, variants: variants.clone() }).await {
                Ok(answers) => return self.keep(&variants, answers),
                Err(ProductError::NotOnSale(variant)) => (variant, Unsellable::NotOnSale),
                Err(ProductError::NoPrice { variant, .. }) => (variant, Unsellable::NoPrice),
                Err(other) => return Err(QuoteError::Product(other)),
            };
            let before = variants.len();
            variants.retain(|variant| *variant != refused);
            match refused {
                VariantRef::Id(id) if variants.len() < before && !wanted.contains(&refused) => {
                    self.unsellable.insert(id, why);
                }
                refused => return Err(QuoteError::Unsellable(refused, why)),
            }
        }
        Ok(())
    }

    fn keep(&mut self, asked: &[VariantRef], answers: Vec<VariantQuote>) -> Result<(), QuoteError> {
        if answers.len() != asked.len() {
            return Err(QuoteError::Product(ProductError::Invalid("an answer is missing".to_owned())));
        }
        for (reference, quote) in asked.iter().zip(answers) {
            if let VariantRef::Sku(sku) = reference {
                self.skus.insert(sku.clone(), quote.variant_id);
            }
            self.sellable.insert(quote.variant_id, quote);
        }
        Ok(())
    }
}
