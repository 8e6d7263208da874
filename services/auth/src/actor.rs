//! Who does something that needs a permission.

use contracts::{Caller, Permission};

/// A person, a program, or the machine's owner at the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// For the audit trail: `acc_…`, `key_…` or `system`.
    pub name: String,
    /// What the actor holds.
    pub permissions: Vec<Permission>,
}

impl Actor {
    /// Whoever may read the data folder may do everything.
    pub fn system() -> Self {
        Self { name: "system".to_owned(), permissions: Permission::ALL.to_vec() }
    }
}

impl From<&Caller> for Actor {
    fn from(caller: &Caller) -> Self {
        let permissions = match caller {
            Caller::Anonymous => Vec::new(),
            Caller::Account { permissions, .. } | Caller::ApiKey { permissions, .. } => permissions.clone(),
        };
        Self { name: caller.actor(), permissions }
    }
}
