//! Lists orders: to customers their own, to staff all.

use chassis::StoreError;
use contracts::{Page, Permission};
use jiff::Timestamp;

use crate::{
    order_view::OrderSummaryView,
    owner::{Owner, Shopper},
    service::OrderService,
    store::{OrderCursor, OrderFilter},
};

impl OrderService {
    /// One page, newest first.
    pub(crate) async fn list_orders(
        &self,
        shopper: &Shopper,
        filter: OrderFilter,
        after: Option<OrderCursor>,
        limit: u32,
    ) -> Result<Page<OrderSummaryView>, StoreError> {
        let owner = match (shopper.caller.account(), shopper.guest) {
            _ if shopper.may(Permission::OrdersRead) => None,
            (Some(account), _) => Some(Owner::Account(account)),
            (None, Some(guest)) => Some(Owner::Guest(guest)),
            (None, None) => return Ok(Page { items: Vec::new(), next_cursor: None }),
        };
        let filter = OrderFilter { owner, ..filter };
        let orders = self.orders.list_orders(filter, after, limit.saturating_add(1)).await?;
        let page = Page::from_overread(orders, limit, |order| {
            OrderCursor { placed_at: order.placed_at, id: order.id }.to_string()
        });
        Ok(page.map(OrderSummaryView::from))
    }
}

impl std::fmt::Display for OrderCursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.placed_at.as_microsecond(), self.id)
    }
}

impl std::str::FromStr for OrderCursor {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        let (micros, id) = text.split_once('.').ok_or(())?;
        let placed_at = Timestamp::from_microsecond(micros.parse().map_err(drop)?).map_err(drop)?;
        Ok(Self { placed_at, id: id.parse().map_err(drop)? })
    }
}
