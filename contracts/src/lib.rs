//! What Jangteo's services say to each other: typed ids, money, pages, errors, the event envelope, and
//! for every service its requests, events, errors and, where another service calls it, its `XApi` trait.
//!
//! Wire types only. No runtime, no web framework, no driver may be named here: a change in this crate
//! rebuilds every service, so only what crosses a service boundary belongs in it.

pub mod access;
pub mod auth;
pub mod error;
pub mod event;
pub mod id;
pub mod money;
pub mod notification;
pub mod order;
pub mod page;
pub mod payment;
pub mod product;
pub mod text;

pub use access::{Caller, Permission, Role};
pub use error::{ErrorCode, Violation};
pub use event::{Envelope, Event};
pub use money::{Currency, Money, MoneyError};
pub use page::Page;
pub use text::{Locale, LocalizedText};
