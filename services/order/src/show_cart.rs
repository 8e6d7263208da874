//! Shows a cart to its owner.

use contracts::order::CartId;

use crate::{
    cart::Cart, cart_error::CartError, cart_view::CartView, owner::Shopper, quotes::Quotes, service::OrderService,
};

impl OrderService {
    /// The cart with the prices of this moment.
    pub(crate) async fn show_cart(&self, shopper: &Shopper, id: CartId) -> Result<CartView, CartError> {
        let cart = self.own_cart(shopper, id).await?;
        let present = cart.lines.iter().map(|line| line.variant_id);
        let quotes = Quotes::ask(&*self.product, cart.currency, &[], present).await?;
        Ok(CartView::new(cart, &quotes, &self.config)?)
    }

    /// The cart, if it is the caller's and still lives.
    pub(crate) async fn own_cart(&self, shopper: &Shopper, id: CartId) -> Result<Cart, CartError> {
        match self.carts.find_cart(id).await? {
            Some(cart) if shopper.owns(&cart.owner) && cart.expires_at > self.env.now() => Ok(cart),
            _ => Err(CartError::NotFound),
        }
    }
}
