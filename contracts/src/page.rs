//! Cursor pages: every list answers `{"items": […], "next_cursor": "…"}`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Items in one page when the caller does not say.
pub const PAGE_ITEMS_DEFAULT: u32 = 20;
/// Items in one page at most.
pub const PAGE_ITEMS_MAX: u32 = 100;

/// One page of a list. Ask for the next one with `cursor=<next_cursor>` and the same other parameters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Page<T> {
    /// The items, in the order that was asked for.
    pub items: Vec<T>,
    /// Absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

impl<T> Page<T> {
    /// The same page with other items.
    pub fn map<U>(self, f: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(f).collect(), next_cursor: self.next_cursor }
    }

    /// Cuts a list that was read with one item more than `limit` into a page; `cursor` names the last kept item.
    pub fn from_overread(mut items: Vec<T>, limit: u32, cursor: impl FnOnce(&T) -> String) -> Self {
        let limit = limit as usize;
        let more = items.len() > limit;
        items.truncate(limit);
        let next_cursor = if more { items.last().map(cursor) } else { None };
        Self { items, next_cursor }
    }
}
