//! The contract suite on SQLite, in memory and in a file, and what only SQLite promises.

use std::sync::Arc;

use chassis::{outbox, sqlite::Location};

use super::SqliteAuthStore;
use crate::store::{AuthStore, contract};

macro_rules! suite {
    ($($case:ident),+ $(,)?) => {
        mod in_memory {
            use super::*;
            $(#[tokio::test]
            async fn $case() {
                contract::$case(Arc::new(SqliteAuthStore::open(&Location::Memory).unwrap())).await;
            })+
        }

        mod in_a_file {
            use super::*;
            $(#[tokio::test]
            async fn $case() {
                let folder = tempfile::tempdir().unwrap();
                let location = Location::in_folder(folder.path(), "auth.db");
                contract::$case(Arc::new(SqliteAuthStore::open(&location).unwrap())).await;
            })+
        }
    };
}

suite!(
    an_address_registers_once,
    the_first_admin_is_made_once,
    the_last_admin_stays,
    changes_need_the_version_and_authority,
    accounts_are_listed,
    attempts_are_counted,
    a_session_needs_the_password_that_was_verified,
    a_refresh_token_works_once,
    parallel_refreshes_have_one_winner,
    sessions_end,
    a_new_password_ends_other_sessions,
    sessions_belong_to_their_account,
    api_keys_are_kept,
    signing_keys_rotate,
    the_audit_trail_is_gapless,
    old_things_are_swept,
);

#[tokio::test]
async fn events_are_said_in_the_same_commit() {
    let store = SqliteAuthStore::open(&Location::Memory).unwrap();
    contract::a_refresh_token_works_once(Arc::new(store.clone())).await;
    // account.created and account.sessions_revoked.
    assert_eq!(store.database().read(outbox::pending).await.unwrap(), 2);
}

#[tokio::test]
async fn nobody_edits_the_audit_trail() {
    let store = SqliteAuthStore::open(&Location::Memory).unwrap();
    contract::the_audit_trail_is_gapless(Arc::new(store.clone())).await;
    for sql in ["DELETE FROM audit_events WHERE sequence = 2", "UPDATE audit_events SET actor = 'nobody'"] {
        let refused: Result<usize, chassis::StoreError> =
            store.database().write(move |tx| Ok(tx.execute(sql, [])?)).await;
        assert!(refused.is_err(), "{sql}");
    }
    assert_eq!(store.census().await.unwrap().audit_gaps, Vec::<u64>::new());
}

#[tokio::test]
async fn a_gap_in_the_audit_trail_is_found() {
    let store = SqliteAuthStore::open(&Location::Memory).unwrap();
    contract::the_audit_trail_is_gapless(Arc::new(store.clone())).await;
    let tampered: Result<(), chassis::StoreError> = store
        .database()
        .write(|tx| {
            tx.execute_batch(
                "DROP TRIGGER audit_events_are_final_delete; DELETE FROM audit_events WHERE sequence = 2",
            )?;
            Ok(())
        })
        .await;
    tampered.unwrap();
    assert_eq!(store.census().await.unwrap().audit_gaps, [3]);
}
