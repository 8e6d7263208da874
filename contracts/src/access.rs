//! Who calls, and what they may do: roles grant permissions, permissions open routes.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::auth::{AccountId, ApiKeyId};

/// What a route may require. The wire form (`catalog:write`) stands in tokens and OpenAPI documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
pub enum Permission {
    /// Create, change and archive products, prices and categories; read drafts.
    #[serde(rename = "catalog:write")]
    CatalogWrite,
    /// Adjust and count stock; read movements.
    #[serde(rename = "stock:write")]
    StockWrite,
    /// Read every customer's orders and payments.
    #[serde(rename = "orders:read")]
    OrdersRead,
    /// Cancel and change every customer's orders.
    #[serde(rename = "orders:write")]
    OrdersWrite,
    /// Give money back.
    #[serde(rename = "refunds:write")]
    RefundsWrite,
    /// Read and change accounts, roles and API keys.
    #[serde(rename = "accounts:write")]
    AccountsWrite,
    /// Read the audit trail.
    #[serde(rename = "audit:read")]
    AuditRead,
    /// Operate the system: make the search index again.
    #[serde(rename = "system:operate")]
    Operate,
}

impl Permission {
    /// All permissions.
    pub const ALL: [Self; 8] = [
        Self::CatalogWrite,
        Self::StockWrite,
        Self::OrdersRead,
        Self::OrdersWrite,
        Self::RefundsWrite,
        Self::AccountsWrite,
        Self::AuditRead,
        Self::Operate,
    ];

    /// The wire form.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CatalogWrite => "catalog:write",
            Self::StockWrite => "stock:write",
            Self::OrdersRead => "orders:read",
            Self::OrdersWrite => "orders:write",
            Self::RefundsWrite => "refunds:write",
            Self::AccountsWrite => "accounts:write",
            Self::AuditRead => "audit:read",
            Self::Operate => "system:operate",
        }
    }

    /// The permission with this wire form.
    pub fn find(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|permission| permission.as_str() == text)
    }
}

/// A named set of permissions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Buys. Reads and changes only what is theirs.
    Customer,
    /// Runs the shop: catalogue, stock, orders, refunds.
    Staff,
    /// Everything, accounts and keys included.
    Admin,
}

impl Role {
    /// The wire form.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::Staff => "staff",
            Self::Admin => "admin",
        }
    }

    /// What this role may do beyond its own belongings.
    pub fn permissions(self) -> &'static [Permission] {
        match self {
            Self::Customer => &[],
            Self::Staff => &[
                Permission::CatalogWrite,
                Permission::StockWrite,
                Permission::OrdersRead,
                Permission::OrdersWrite,
                Permission::RefundsWrite,
            ],
            Self::Admin => &Permission::ALL,
        }
    }
}

/// Who makes a request, as far as a verified token says. A guest proves what is theirs with a
/// `Guest-Token` header instead, which only the order service reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// No token.
    Anonymous,
    /// A person with an account.
    Account {
        /// Whose token this is.
        id: AccountId,
        /// From the token.
        permissions: Vec<Permission>,
    },
    /// A program with an API key.
    ApiKey {
        /// Which key.
        id: ApiKeyId,
        /// From the token.
        permissions: Vec<Permission>,
    },
}

impl Caller {
    /// True if the caller holds `permission`.
    pub fn may(&self, permission: Permission) -> bool {
        match self {
            Self::Anonymous => false,
            Self::Account { permissions, .. } | Self::ApiKey { permissions, .. } => permissions.contains(&permission),
        }
    }

    /// The account, if a person is signed in.
    pub fn account(&self) -> Option<AccountId> {
        match self {
            Self::Account { id, .. } => Some(*id),
            Self::Anonymous | Self::ApiKey { .. } => None,
        }
    }

    /// For records of who did something: `acc_…`, `key_…` or `anonymous`.
    pub fn actor(&self) -> String {
        match self {
            Self::Anonymous => "anonymous".to_owned(),
            Self::Account { id, .. } => id.to_string(),
            Self::ApiKey { id, .. } => id.to_string(),
        }
    }
}
