//! An administrator revokes a program's key.

use contracts::auth::ApiKeyId;

use crate::{Auth, actor::Actor, audit::Stamp, error::Error};

/// Revokes a key. Tokens it was exchanged for work until they expire, minutes later.
pub async fn revoke_api_key(auth: &Auth, by: &Actor, id: ApiKeyId) -> Result<(), Error> {
    let stamp = Stamp::new(by.name.clone(), auth.env.now());
    auth.store.revoke_api_key(id, by.permissions.clone(), stamp).await
}
