//! The key that signs access tokens is replaced.

use crate::{
    Auth,
    audit::{AuditType, Stamp},
    error::Error,
    signing,
};

/// Signs with a new key from now on. The old public key stays published until its tokens have expired;
/// its private half is erased. If another replica was faster, its key is taken.
pub async fn rotate_signing_key(auth: &Auth) -> Result<(), Error> {
    let next = signing::generate(&auth.env)?;
    let replaces = auth.signer.active().map(|(kid, _)| kid);
    let audit = Stamp::new("system", auth.env.now()).entry(AuditType::SigningKeyRotated).detail("kid", &next.kid);
    auth.store.rotate_signing_key(next, replaces, audit).await?;
    load_signing_keys(auth).await?;
    Ok(())
}

/// Takes the stored keys; `false` if none signs.
pub(crate) async fn load_signing_keys(auth: &Auth) -> Result<bool, Error> {
    Ok(auth.signer.load(&auth.store.signing_keys().await?)?)
}
