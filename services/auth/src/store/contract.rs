//! What every adapter of the auth store must do. An adapter's tests call each of these functions with an
//! empty store of their own.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a suite fails by panicking")]

use std::sync::Arc;

use chassis::Env;
use contracts::{Locale, Permission, Role, auth::AccountId};
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret as _, SecretString};

use super::{AccountFilter, AuditFilter, AuthStore, ChangeAccount, ChangePassword, NewAccount, NewSession, SigningKey};
use crate::{
    account::{Account, AccountChange, Email, PersonName},
    api_key::ApiKey,
    audit::{AuditType, Stamp},
    error::Error,
    secret::{ApiKeySecret, RefreshToken, digest},
    session::{Lifetimes, RefreshAttempt, Session},
    signing, throttle,
};

const DAY: SignedDuration = SignedDuration::from_hours(24);
const LIFETIMES: Lifetimes =
    Lifetimes { idle: SignedDuration::from_hours(30 * 24), absolute: SignedDuration::from_hours(90 * 24) };

struct Fixture {
    env: Env,
    clock: Arc<chassis::env::ManualClock>,
    store: Arc<dyn AuthStore>,
}

impl Fixture {
    fn new(store: Arc<dyn AuthStore>) -> Self {
        let (env, clock) = Env::simulated(1);
        Self { env, clock, store }
    }

    fn stamp(&self) -> Stamp {
        Stamp::new("system", self.env.now())
    }

    fn wait(&self, time: SignedDuration) {
        self.clock.advance(time.unsigned_abs());
    }

    fn new_account(&self, email: &str, role: Role) -> NewAccount {
        let now = self.env.now();
        let account = Account {
            id: self.env.new_id(),
            email: Email::parse(email).unwrap(),
            name: PersonName::parse("Mina Kim").unwrap(),
            locale: Locale::Ko,
            role,
            disabled: false,
            version: 1,
            created_at: now,
            updated_at: now,
        };
        let audit = self.stamp().entry(AuditType::AccountCreated).target(account.id);
        NewAccount { account, password_hash: hash("first"), event_id: self.env.new_id(), audit }
    }

    async fn account(&self, email: &str, role: Role) -> Account {
        // Ids sort by the time they were minted.
        self.wait(SignedDuration::from_millis(1));
        let new = self.new_account(email, role);
        self.store.register(new.clone(), None).await.unwrap();
        new.account
    }

    fn change(&self, id: AccountId, change: AccountChange) -> ChangeAccount {
        let authority = Some(Permission::ALL.to_vec());
        ChangeAccount { id, change, expected_version: None, authority, stamp: self.stamp() }
    }

    fn new_session(&self, account: &Account, token: &RefreshToken) -> NewSession {
        let now = self.env.now();
        let session = Session {
            id: self.env.new_id(),
            account_id: account.id,
            family_digest: token.family_digest(),
            token_digest: token.digest(),
            user_agent: Some("suite".to_owned()),
            created_at: now,
            refreshed_at: now,
            idle_until: now + LIFETIMES.idle,
            expires_at: now + LIFETIMES.absolute,
            revoked_at: None,
        };
        let audit = self.stamp().entry(AuditType::SessionStarted).target(session.id);
        let email_digest = digest(account.email.as_str().as_bytes());
        NewSession { session, seen_hash: hash("first"), email_digest, audit }
    }

    async fn session(&self, account: &Account) -> (Session, RefreshToken) {
        self.wait(SignedDuration::from_millis(1));
        let token = RefreshToken::mint(&self.env);
        let new = self.new_session(account, &token);
        self.store.start_session(new.clone()).await.unwrap();
        (new.session, token)
    }

    fn refresh(&self, token: &RefreshToken) -> (RefreshAttempt, RefreshToken) {
        let next = token.rotate(&self.env);
        let attempt = RefreshAttempt {
            family_digest: token.family_digest(),
            token_digest: token.digest(),
            next_digest: next.digest(),
            lifetimes: LIFETIMES,
            stamp: self.stamp(),
            event_id: self.env.new_id(),
        };
        (attempt, next)
    }

    async fn refreshes(&self, token: &RefreshToken) -> Option<RefreshToken> {
        let (attempt, next) = self.refresh(token);
        self.store.refresh_session(attempt).await.unwrap().map(|_| next)
    }

    async fn alive(&self, account: &Account) -> Vec<Session> {
        self.store.list_sessions(account.id, self.env.now(), None, 100).await.unwrap()
    }

    async fn trail(&self, kind: AuditType) -> usize {
        let filter = AuditFilter { kind: Some(kind), ..AuditFilter::default() };
        self.store.list_audit(filter, None, 100).await.unwrap().len()
    }

    async fn attempt(&self, email: &str) -> Result<(), Error> {
        let entry = self.stamp().entry(AuditType::SessionLockedOut);
        self.store.count_attempt(digest(email.as_bytes()), entry).await
    }
}

fn hash(text: &str) -> SecretString {
    SecretString::from(format!("$argon2id${text}"))
}

fn role(role: Role) -> AccountChange {
    AccountChange { role: Some(role), ..AccountChange::default() }
}

fn disabled(disabled: bool) -> AccountChange {
    AccountChange { disabled: Some(disabled), ..AccountChange::default() }
}

/// An address has at most one account; the second one leaves no trace.
pub async fn an_address_registers_once(store: Arc<dyn AuthStore>) {
    let suite = Fixture::new(store);
    let account = suite.account("mina@example.com", Role::Customer).await;
    let again = suite.new_account("mina@example.com", Role::Admin);
    assert!(matches!(suite.store.register(again.clone(), None).await, Err(Error::EmailTaken)));
    assert_eq!(suite.store.find_account(account.id).await.unwrap(), Some(account.clone()));
    assert_eq!(suite.store.find_account(again.account.id).await.unwrap(), None);
    assert_eq!(suite.trail(AuditType::AccountCreated).await, 1);
    let login = suite.store.find_login(&account.email).await.unwrap().unwrap();
    assert_eq!((login.account, login.password_hash.expose_secret()), (account, hash("first").expose_secret()));
    assert!(suite.store.find_login(&Email::parse("who@example.com").unwrap()).await.unwrap().is_none());
}

/// The first administrator is made once.
pub async fn the_first_admin_is_made_once(store: Arc<dyn AuthStore>) {
    let suite = Fixture::new(store);
    suite.account("mina@example.com", Role::Customer).await;
    assert!(!suite.store.has_admin().await.unwrap());
    assert!(suite.store.register_first_admin(suite.new_account("a@example.com", Role::Admin)).await.unwrap());
    assert!(!suite.store.register_first_admin(suite.new_account("b@example.com", Role::Admin)).await.unwrap());
    assert!(suite.store.has_admin().await.unwrap());
    assert_eq!(suite.store.census().await.unwrap().enabled_admins, 1);
}

/// The last administrator that can sign in is neither demoted nor disabled.
pub async fn the_last_admin_stays(store: Arc<dyn AuthStore>) {
    let suite = Fixture::new(store);
    let first = suite.account("a@example.com", Role::Admin).await;
    let second = suite.account("b@example.com", Role::Admin).await;
    suite.store.change_account(suite.change(second.id, disabled(true))).await.unwrap();
    for change in [role(Role::Customer), disabled(true)] {
        let refused = suite.store.change_account(suite.change(first.id, change)).await;
        assert!(matches!(refused, Err(Error::LastAdmin)));
    }
    assert_eq!(suite.store.find_account(first.id).await.unwrap(), Some(first.clone()));
    suite.store.change_account(suite.change(second.id, disabled(false))).await.unwrap();
    suite.store.change_account(suite.change(first.id, role(Role::Customer))).await.unwrap();
    assert_eq!(suite.store.census().await.unwrap().enabled_admins, 1);
}

/// A change needs the version that was seen, and authority over what is there and what is granted.
pub async fn changes_need_the_version_and_authority(store: Arc<dyn AuthStore>) {
    let suite = Fixture::new(store);
    let account = suite.account("mina@example.com", Role::Staff).await;
    let name = PersonName::parse("Kim Mina").unwrap();
    let renamed = AccountChange { name: Some(name.clone()), ..AccountChange::default() };
    let own = |version| ChangeAccount {
        expected_version: Some(version),
        authority: None,
        ..suite.change(account.id, renamed.clone())
    };
    assert!(matches!(suite.store.change_account(own(7)).await, Err(Error::Stale { current: 1 })));
    let changed = suite.store.change_account(own(1)).await.unwrap();
    assert_eq!((changed.version, &changed.name), (2, &name));
    // The same again changes nothing.
    assert_eq!(suite.store.change_account(own(2)).await.unwrap().version, 2);
    assert_eq!(suite.trail(AuditType::AccountUpdated).await, 1);

    let weak =
        |change| ChangeAccount { authority: Some(vec![Permission::AccountsWrite]), ..suite.change(account.id, change) };
    for change in [role(Role::Admin), role(Role::Customer), disabled(true)] {
        assert!(matches!(suite.store.change_account(weak(change)).await, Err(Error::Exceeds(_))));
    }
    let nobody = suite.change(suite.env.new_id(), disabled(true));
    assert!(matches!(suite.store.change_account(nobody).await, Err(Error::NotFound(_))));

    suite.store.change_account(suite.change(account.id, disabled(true))).await.unwrap();
    assert!(matches!(suite.store.change_account(own(3)).await, Err(Error::AccountDisabled)));
}

/// Accounts come newest first, in pages, by role and by address.
pub async fn accounts_are_listed(store: Arc<dyn AuthStore>) {
    let suite = Fixture::new(store);
    let first = suite.account("a@example.com", Role::Customer).await;
    let second = suite.account("b@example.com", Role::Staff).await;
    let third = suite.account("c@example.com", Role::Customer).await;
    let list = async |role, email: Option<&str>, after, limit| {
        let filter = AccountFilter { role, email: email.map(|email| Email::parse(email).unwrap()) };
        let accounts = suite.store.list_accounts(filter, after, limit).await.unwrap();
        accounts.into_iter().map(|account| account.id).collect::<Vec<_>>()
    };
    assert_eq!(list(None, None, None, 2).await, [third.id, second.id]);
    assert_eq!(list(None, None, Some(second.id), 2).await, [first.id]);
    assert_eq!(list(Some(Role::Customer), None, None, 9).await, [third.id, first.id]);
    assert_eq!(list(None, Some("B@example.com"), None, 9).await, [second.id]);
}

/// Attempts are counted in one step, locked after five, per address, and forgotten on success.
pub async fn attempts_are_counted(store: Arc<dyn AuthStore>) {
    let suite = Fixture::new(store);
    let account = suite.account("mina@example.com", Role::Customer).await;
    for _ in 0..throttle::ATTEMPTS_FREE {
        suite.attempt("mina@example.com").await.unwrap();
    }
    let refused = suite.attempt("mina@example.com").await;
    assert!(matches!(refused, Err(Error::LockedOut { retry_after_seconds: 30 })));
    assert_eq!(suite.trail(AuditType::SessionLockedOut).await, 1);
    suite.attempt("other@example.com").await.unwrap();

    suite.wait(throttle::LOCK_FIRST);
    suite.attempt("mina@example.com").await.unwrap();
    assert!(matches!(suite.attempt("mina@example.com").await, Err(Error::LockedOut { retry_after_seconds: 60 })));
    suite.session(&account).await;
    suite.attempt("mina@example.com").await.unwrap();
}

/// A session starts only while the account is enabled and the password is the one that was verified.
pub async fn a_session_needs_the_password_that_was_verified(store: Arc<dyn AuthStore>) {
    let suite = Fixture::new(store);
    let account = suite.account("mina@example.com", Role::Customer).await;
    let token = RefreshToken::mint(&suite.env);
    let good = suite.new_session(&account, &token);
    let other_hash = NewSession { seen_hash: hash("second"), ..good.clone() };
    assert!(matches!(suite.store.start_session(other_hash).await, Err(Error::WrongCredentials)));
    suite.store.change_account(suite.change(account.id, disabled(true))).await.unwrap();
    assert!(matches!(suite.store.start_session(good.clone()).await, Err(Error::WrongCredentials)));
    suite.store.change_account(suite.change(account.id, disabled(false))).await.unwrap();
    suite.store.start_session(good.clone()).await.unwrap();
    assert_eq!(suite.alive(&account).await, [good.session]);
}

/// A refresh token works once; using it again ends the session, also for who holds the current one.
pub async fn a_refresh_token_works_once(store: Arc<dyn AuthStore>) {
    let suite = Fixture::new(store);
    let account = suite.account("mina@example.com", Role::Customer).await;
    let (session, first) = suite.session(&account).await;
    let (other, _) = suite.session(&account).await;
    let second = suite.refreshes(&first).await.unwrap();
    let third = suite.refreshes(&second).await.unwrap();
    assert!(suite.refreshes(&first).await.is_none());
    assert!(suite.refreshes(&third).await.is_none());
    let alive: Vec<_> = suite.alive(&account).await.into_iter().map(|session| session.id).collect();
    assert_eq!(alive, [other.id]);
    assert_eq!(suite.trail(AuditType::SessionRefreshed).await, 2);
    assert_eq!(suite.trail(AuditType::RefreshReused).await, 1);
    assert_eq!(suite.trail(AuditType::RefreshRefused).await, 1);
    let filter = AuditFilter { target: Some(session.id.to_string()), ..AuditFilter::default() };
    assert_eq!(suite.store.list_audit(filter, None, 100).await.unwrap().len(), 5);
    assert!(suite.refreshes(&RefreshToken::mint(&suite.env)).await.is_none());
}

/// Of two uses of one token at the same time at most one wins, and the session ends.
pub async fn parallel_refreshes_have_one_winner(store: Arc<dyn AuthStore>) {
    let suite = Fixture::new(store);
    let account = suite.account("mina@example.com", Role::Customer).await;
    let (_, token) = suite.session(&account).await;
    let (one, other) = (suite.refresh(&token).0, suite.refresh(&token).0);
    let (one, other) = tokio::join!(suite.store.refresh_session(one), suite.store.refresh_session(other));
    assert!(one.unwrap().is_some() != other.unwrap().is_some());
    assert_eq!(suite.alive(&account).await, []);
}

/// A session ends when idle for too long, at its absolute end, and with its account.
pub async fn sessions_end(store: Arc<dyn AuthStore>) {
    let suite = Fixture::new(store);
    let account = suite.account("mina@example.com", Role::Customer).await;
    let (_, idle) = suite.session(&account).await;
    let (session, mut busy) = suite.session(&account).await;
    for _ in 0..3 {
        suite.wait(DAY * 29);
        busy = suite.refreshes(&busy).await.unwrap();
    }
    assert!(suite.refreshes(&idle).await.is_none());
    let alive = suite.alive(&account).await;
    assert_eq!(alive.iter().map(|session| session.id).collect::<Vec<_>>(), [session.id]);
    assert_eq!(alive.first().map(|session| session.idle_until), Some(session.expires_at));
    suite.wait(DAY * 4);
    assert!(suite.refreshes(&busy).await.is_none());

    let (_, token) = suite.session(&account).await;
    suite.store.change_account(suite.change(account.id, disabled(true))).await.unwrap();
    assert!(suite.refreshes(&token).await.is_none());
    assert_eq!(suite.alive(&account).await, []);
}

/// A new password ends all sessions but the one that asked, once.
pub async fn a_new_password_ends_other_sessions(store: Arc<dyn AuthStore>) {
    let suite = Fixture::new(store);
    let account = suite.account("mina@example.com", Role::Customer).await;
    let stranger = suite.account("other@example.com", Role::Customer).await;
    let (kept, _) = suite.session(&account).await;
    let (_, ended) = suite.session(&account).await;
    let (theirs, _) = suite.session(&stranger).await;
    let change = ChangePassword {
        account_id: account.id,
        seen_hash: hash("first"),
        password_hash: hash("second"),
        keep: Some(kept.id),
        event_id: suite.env.new_id(),
        stamp: suite.stamp(),
    };
    suite.store.change_password(change.clone()).await.unwrap();
    assert_eq!(suite.alive(&account).await, [kept]);
    assert_eq!(suite.alive(&stranger).await, [theirs]);
    assert!(suite.refreshes(&ended).await.is_none());
    let login = suite.store.find_login(&account.email).await.unwrap().unwrap();
    assert_eq!(login.password_hash.expose_secret(), hash("second").expose_secret());
    // Somebody who verified the old password meanwhile is too late.
    assert!(matches!(suite.store.change_password(change).await, Err(Error::WrongCredentials)));
    assert_eq!(suite.trail(AuditType::PasswordChanged).await, 1);
}

/// People list and end their own sessions, and nobody else's.
pub async fn sessions_belong_to_their_account(store: Arc<dyn AuthStore>) {
    let suite = Fixture::new(store);
    let account = suite.account("mina@example.com", Role::Customer).await;
    let stranger = suite.account("other@example.com", Role::Customer).await;
    let (first, _) = suite.session(&account).await;
    let (second, _) = suite.session(&account).await;
    let page = suite.store.list_sessions(account.id, suite.env.now(), None, 1).await.unwrap();
    assert_eq!(page, std::slice::from_ref(&second));
    let page = suite.store.list_sessions(account.id, suite.env.now(), Some(second.id), 9).await.unwrap();
    assert_eq!(page, std::slice::from_ref(&first));
    let revoke =
        async |account: &Account| suite.store.revoke_session(account.id, first.id, suite.stamp()).await.unwrap();
    assert!(!revoke(&stranger).await);
    assert!(revoke(&account).await);
    assert!(!revoke(&account).await);
    assert_eq!(suite.trail(AuditType::SessionRevoked).await, 1);
}

/// API keys are found by their secret, listed, used and revoked.
pub async fn api_keys_are_kept(store: Arc<dyn AuthStore>) {
    let suite = Fixture::new(store);
    let secret = ApiKeySecret::mint(&suite.env);
    let key = ApiKey {
        id: suite.env.new_id(),
        name: "import".to_owned(),
        prefix: secret.prefix(),
        secret_digest: secret.digest(),
        permissions: vec![Permission::CatalogWrite, Permission::StockWrite],
        created_by: "system".to_owned(),
        created_at: suite.env.now(),
        expires_at: Some(suite.env.now() + DAY),
        revoked_at: None,
        last_used_at: None,
    };
    let entry = suite.stamp().entry(AuditType::ApiKeyCreated).target(key.id);
    suite.store.create_api_key(key.clone(), entry).await.unwrap();
    assert_eq!(suite.store.find_api_key(secret.digest()).await.unwrap(), Some(key.clone()));
    assert_eq!(suite.store.find_api_key(digest(b"another")).await.unwrap(), None);
    suite.store.touch_api_key(key.id, suite.env.now() + DAY).await.unwrap();
    suite.store.touch_api_key(key.id, suite.env.now()).await.unwrap();
    let listed = suite.store.list_api_keys(None, 9).await.unwrap();
    assert_eq!(listed.first().and_then(|key| key.last_used_at), Some(suite.env.now() + DAY));
    assert_eq!(suite.store.list_api_keys(Some(key.id), 9).await.unwrap(), []);

    let revoke = |authority: &[Permission]| suite.store.revoke_api_key(key.id, authority.to_vec(), suite.stamp());
    assert!(matches!(revoke(&[Permission::AccountsWrite]).await, Err(Error::Exceeds(_))));
    revoke(&Permission::ALL).await.unwrap();
    assert!(matches!(revoke(&Permission::ALL).await, Err(Error::NotFound(_))));
    let found = suite.store.find_api_key(secret.digest()).await.unwrap();
    assert_eq!(found.and_then(|key| key.revoked_at), Some(suite.env.now()));
    assert_eq!(suite.trail(AuditType::ApiKeyRevoked).await, 1);
}

/// One signing key signs; of two replicas that rotate at once one wins, and retired keys cannot sign.
pub async fn signing_keys_rotate(store: Arc<dyn AuthStore>) {
    let suite = Fixture::new(store);
    let rotate = async |next: SigningKey, replaces: Option<&str>| {
        let entry = suite.stamp().entry(AuditType::SigningKeyRotated);
        suite.store.rotate_signing_key(next, replaces.map(str::to_owned), entry).await.unwrap()
    };
    assert_eq!(suite.store.signing_keys().await.unwrap().len(), 0);
    let first = signing::generate(&suite.env).unwrap();
    assert!(rotate(first.clone(), None).await);
    assert!(!rotate(signing::generate(&suite.env).unwrap(), None).await);
    suite.wait(DAY);
    let second = signing::generate(&suite.env).unwrap();
    assert!(rotate(second.clone(), Some(&first.kid)).await);
    assert!(!rotate(signing::generate(&suite.env).unwrap(), Some(&first.kid)).await);
    let keys = suite.store.signing_keys().await.unwrap();
    let [newest, oldest] = keys.as_slice() else { panic!("two keys, not {}", keys.len()) };
    assert_eq!((&newest.kid, newest.retired_at), (&second.kid, None));
    assert_eq!(
        newest.private_key.as_ref().map(|key| key.expose_secret()),
        second.private_key.as_ref().map(|key| key.expose_secret())
    );
    assert_eq!((&oldest.kid, oldest.retired_at), (&first.kid, Some(second.created_at)));
    assert!(oldest.private_key.is_none());
    assert_eq!(suite.trail(AuditType::SigningKeyRotated).await, 2);
}

/// The audit trail has no gaps, keeps what it was given, and is filtered and paged.
pub async fn the_audit_trail_is_gapless(store: Arc<dyn AuthStore>) {
    let suite = Fixture::new(store);
    let account = suite.account("mina@example.com", Role::Admin).await;
    // Refusals roll back what they began.
    let _ = suite.store.register(suite.new_account("mina@example.com", Role::Customer), None).await;
    let _ = suite.store.change_account(suite.change(account.id, disabled(true))).await;
    suite.wait(DAY);
    let stamp = Stamp { actor: "acc_1".to_owned(), at: suite.env.now(), trace_id: Some("4bf9".to_owned()) };
    for reason in ["wrong_password", "unknown_account"] {
        let entry = stamp.entry(AuditType::SessionRefused).target("acc_2").detail("reason", reason);
        suite.store.append_audit(entry).await.unwrap();
    }
    let all = suite.store.list_audit(AuditFilter::default(), None, 100).await.unwrap();
    assert_eq!(all.iter().map(|event| event.sequence).collect::<Vec<_>>(), [3, 2, 1]);
    let newest = all.first().unwrap();
    assert_eq!((newest.kind, newest.actor.as_str(), newest.at), (AuditType::SessionRefused, "acc_1", stamp.at));
    assert_eq!((newest.target.as_deref(), newest.trace_id.as_deref()), (Some("acc_2"), Some("4bf9")));
    assert_eq!(newest.details.get("reason").map(String::as_str), Some("unknown_account"));
    let sequences = async |filter, before, limit| {
        let events = suite.store.list_audit(filter, before, limit).await.unwrap();
        events.into_iter().map(|event| event.sequence).collect::<Vec<_>>()
    };
    let any = AuditFilter::default;
    assert_eq!(sequences(any(), Some(3), 1).await, [2]);
    assert_eq!(sequences(AuditFilter { actor: Some("acc_1".to_owned()), ..any() }, None, 9).await, [3, 2]);
    assert_eq!(sequences(AuditFilter { target: Some("acc_2".to_owned()), ..any() }, None, 9).await, [3, 2]);
    assert_eq!(sequences(AuditFilter { kind: Some(AuditType::AccountCreated), ..any() }, None, 9).await, [1]);
    assert_eq!(sequences(AuditFilter { from: Some(stamp.at), ..any() }, None, 9).await, [3, 2]);
    assert_eq!(sequences(AuditFilter { until: Some(stamp.at), ..any() }, None, 9).await, [1]);
    assert_eq!(suite.store.census().await.unwrap().audit_gaps, Vec::<u64>::new());
}

/// What ended long ago is forgotten; what is alive is not.
pub async fn old_things_are_swept(store: Arc<dyn AuthStore>) {
    let suite = Fixture::new(store);
    let account = suite.account("mina@example.com", Role::Customer).await;
    let (_, old) = suite.session(&account).await;
    suite.wait(DAY * 61);
    let (recent, _) = suite.session(&account).await;
    let before = |days: i64| -> Timestamp { suite.env.now() - DAY * i32::try_from(days).unwrap() };
    suite.store.sweep(before(30), before(1)).await.unwrap();
    assert_eq!(suite.alive(&account).await, [recent]);
    assert!(suite.refreshes(&old).await.is_none());
    let filter = AuditFilter { kind: Some(AuditType::RefreshRefused), ..AuditFilter::default() };
    let refused = suite.store.list_audit(filter, None, 1).await.unwrap();
    assert_eq!(refused.first().and_then(|event| event.details.get("reason")).map(String::as_str), Some("unknown"));
}
