//! Makes a cart, with whatever the caller knows already.

use chassis::idempotency::Receipt;
use contracts::{Currency, Locale, Violation, order::Address, product::VariantRef};

use crate::{
    cart::{Cart, CartLine, LINES_MAX, QUANTITY_MAX},
    cart_error::CartError,
    cart_view::CartView,
    owner::{Owner, Shopper, mint_guest_token},
    quotes::{QuoteError, Quotes},
    service::OrderService,
};

/// So many of a variant that the caller names by id or SKU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NewLine {
    pub(crate) variant: VariantRef,
    pub(crate) quantity: i64,
}

/// What a new cart begins with.
pub(crate) struct NewCart {
    pub(crate) currency: Currency,
    pub(crate) locale: Locale,
    pub(crate) email: Option<String>,
    pub(crate) lines: Vec<NewLine>,
    pub(crate) shipping_address: Option<Address>,
    pub(crate) shipping_method: Option<String>,
}

impl OrderService {
    /// Makes the caller's cart. A guest gets a token that proves it is theirs.
    pub(crate) async fn create_cart(
        &self,
        shopper: &Shopper,
        new: NewCart,
        receipt: Option<Receipt<CartView>>,
    ) -> Result<CartView, CartError> {
        self.check_shipping_method(new.shipping_method.as_deref())?;
        let wanted: Vec<VariantRef> = new.lines.iter().map(|line| line.variant.clone()).collect();
        let quotes =
            Quotes::ask(&*self.product, new.currency, &wanted, []).await.map_err(|error| at_line(error, &new.lines))?;
        let (owner, guest_token) = match shopper.caller.account() {
            Some(account) => (Owner::Account(account), None),
            None => {
                let (token, hash) = mint_guest_token(&self.env);
                (Owner::Guest(hash), Some(token))
            }
        };
        let now = self.env.now();
        let cart = Cart {
            id: self.env.new_id(),
            version: 1,
            owner,
            currency: new.currency,
            locale: new.locale,
            email: new.email,
            shipping_address: new.shipping_address,
            shipping_method: new.shipping_method,
            lines: merge(self.new_lines(&new.lines, &quotes)?)?,
            order_id: None,
            created_at: now,
            updated_at: now,
            expires_at: self.cart_expiry(now)?,
        };
        let mut view = CartView::new(cart.clone(), &quotes, &self.config)?;
        view.guest_token = guest_token;
        let record = receipt.map(|receipt| receipt.record(&view, now)).transpose()?;
        self.carts.create_cart(cart, record).await?;
        Ok(view)
    }

    /// Refuses a shipping method that the shop does not have.
    pub(crate) fn check_shipping_method(&self, id: Option<&str>) -> Result<(), CartError> {
        match id {
            Some(id) if self.config.shipping_method(id).is_none() => Err(CartError::Invalid(vec![Violation::new(
                "/shipping_method",
                "is not one of GET /v1/shipping-methods",
            )])),
            _ => Ok(()),
        }
    }

    /// Gives the lines ids and variants.
    pub(crate) fn new_lines(&self, lines: &[NewLine], quotes: &Quotes) -> Result<Vec<CartLine>, CartError> {
        lines
            .iter()
            .map(|line| {
                let variant_id = quotes.resolve(&line.variant).ok_or(CartError::Busy)?;
                Ok(CartLine { id: self.env.new_id(), variant_id, quantity: line.quantity })
            })
            .collect()
    }

    /// Until when a cart lives that changed at `now`.
    pub(crate) fn cart_expiry(&self, now: jiff::Timestamp) -> Result<jiff::Timestamp, CartError> {
        let expiry = now.checked_add(self.config.cart_idle());
        Ok(expiry.map_err(|error| chassis::StoreError::corrupt("clock", error))?)
    }
}

/// Says which of the caller's lines cannot be bought.
pub(crate) fn at_line(error: QuoteError, lines: &[NewLine]) -> CartError {
    let QuoteError::Unsellable(variant, why) = error else { return error.into() };
    let fields = lines.iter().enumerate().filter(|(_, line)| line.variant == variant);
    let member = match variant {
        contracts::product::VariantRef::Id(_) => "variant_id",
        contracts::product::VariantRef::Sku(_) => "sku",
    };
    let detail = match why {
        crate::quotes::Unsellable::NotOnSale => format!("{variant} is not on sale"),
        crate::quotes::Unsellable::NoPrice => format!("{variant} has no price in this currency"),
    };
    CartError::Unsellable(
        fields.map(|(index, _)| Violation::new(format!("/lines/{index}/{member}"), detail.clone())).collect(),
    )
}

/// One line per variant, the first of its lines keeping its place.
fn merge(lines: Vec<CartLine>) -> Result<Vec<CartLine>, CartError> {
    let mut merged: Vec<CartLine> = Vec::with_capacity(lines.len());
    for line in lines {
        match merged.iter_mut().find(|other| other.variant_id == line.variant_id) {
            Some(other) => other.quantity += line.quantity,
            None => merged.push(line),
        }
    }
    if merged.len() > LINES_MAX {
        return Err(CartError::TooManyLines);
    }
    match merged.iter().find(|line| line.quantity > QUANTITY_MAX) {
        Some(line) => Err(CartError::TooManyUnits(line.variant_id)),
        None => Ok(merged),
    }
}
