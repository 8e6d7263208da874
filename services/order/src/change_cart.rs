//! Changes a cart. Prices are asked for first, so that nothing is changed when there are none; the change
//! itself is one atomic operation of the store.

use std::sync::Arc;

use chassis::idempotency::Receipt;
use contracts::{order::CartId, product::VariantRef};

use crate::{
    cart::LINES_MAX,
    cart_error::CartError,
    cart_view::CartView,
    create_cart::{NewLine, at_line},
    owner::Shopper,
    quotes::Quotes,
    service::OrderService,
    store::{CartAccess, CartChange, CartRefused, Show},
};

/// How often a cart that got new variants in between is priced again. Quotes are kept from attempt to
/// attempt, so each needs another new variant to fail, and a cart has only so many.
const ATTEMPTS_MAX: usize = LINES_MAX + 2;

/// Which cart, and on what condition.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CartTarget {
    pub(crate) cart_id: CartId,
    pub(crate) if_match: Option<u64>,
}

impl OrderService {
    /// Adds lines; parallel additions all count.
    pub(crate) async fn add_lines(
        &self,
        shopper: &Shopper,
        target: CartTarget,
        lines: Vec<NewLine>,
        receipt: Option<Receipt<CartView>>,
    ) -> Result<CartView, CartError> {
        let wanted: Vec<VariantRef> = lines.iter().map(|line| line.variant.clone()).collect();
        let receipt = receipt.map(Arc::new);
        let mut quotes = Arc::new(Quotes::default());
        for _ in 0..ATTEMPTS_MAX {
            let cart = self.own_cart(shopper, target.cart_id).await?;
            let present = cart.lines.iter().map(|line| line.variant_id);
            let known = Arc::make_mut(&mut quotes);
            known
                .learn(&*self.product, cart.currency, &wanted, present)
                .await
                .map_err(|error| at_line(error, &lines))?;
            let change = CartChange::AddLines(self.new_lines(&lines, known)?);
            if let Some(view) = self.try_change(shopper, target, change, Arc::clone(&quotes), receipt.clone()).await? {
                return Ok(view);
            }
        }
        Err(CartError::Busy)
    }

    /// Changes anything else.
    pub(crate) async fn change_cart(
        &self,
        shopper: &Shopper,
        target: CartTarget,
        change: CartChange,
    ) -> Result<CartView, CartError> {
        if let CartChange::Patch(patch) = &change {
            self.check_shipping_method(patch.shipping_method.as_ref().and_then(Option::as_deref))?;
        }
        let mut quotes = Arc::new(Quotes::default());
        for _ in 0..ATTEMPTS_MAX {
            let cart = self.own_cart(shopper, target.cart_id).await?;
            let present = cart.lines.iter().map(|line| line.variant_id);
            Arc::make_mut(&mut quotes).learn(&*self.product, cart.currency, &[], present).await?;
            if let Some(view) = self.try_change(shopper, target, change.clone(), Arc::clone(&quotes), None).await? {
                return Ok(view);
            }
        }
        Err(CartError::Busy)
    }

    /// Makes a guest's cart the signed-in caller's. Whoever claims it twice gets it twice.
    pub(crate) async fn claim_cart(&self, shopper: &Shopper, target: CartTarget) -> Result<CartView, CartError> {
        let account = shopper.caller.account().ok_or(CartError::NotSignedIn)?;
        self.change_cart(shopper, target, CartChange::Claim(account)).await
    }

    /// Changes and shows the cart; `None` if lines came in between that have no price yet, and then
    /// nothing was changed.
    async fn try_change(
        &self,
        shopper: &Shopper,
        target: CartTarget,
        change: CartChange,
        quotes: Arc<Quotes>,
        receipt: Option<Arc<Receipt<CartView>>>,
    ) -> Result<Option<CartView>, CartError> {
        let now = self.env.now();
        let access = CartAccess {
            cart_id: target.cart_id,
            shopper: shopper.clone(),
            if_match: target.if_match,
            now,
            expires_at: self.cart_expiry(now)?,
        };
        let config = Arc::clone(&self.config);
        let show: Show = Box::new(move |cart| {
            let view = CartView::new(cart, &quotes, &config)?;
            let record = receipt.map(|receipt| receipt.record(&view, now)).transpose()?;
            Ok((view, record))
        });
        match self.carts.change_cart(access, change, show).await {
            Ok(view) => Ok(Some(view)),
            Err(CartRefused::Unpriced) => Ok(None),
            Err(refused) => Err(refused.into()),
        }
    }
}
