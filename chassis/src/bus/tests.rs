//! The embedded bus against the contract, in memory and on a file, and what only it promises.

use std::{path::Path, sync::Arc};

use bytes::Bytes;

use super::{Bus, EmbeddedBus, Record, contract};
use crate::{Env, sqlite::Location};

fn on_file(folder: &Path) -> impl Fn(&Env) -> Arc<dyn Bus> + use<> {
    let location = Location::in_folder(folder, "bus.db");
    move |env| EmbeddedBus::open(env, &location).unwrap()
}

fn in_memory(env: &Env) -> Arc<dyn Bus> {
    EmbeddedBus::open(env, &Location::Memory).unwrap()
}

macro_rules! on_both {
    ($($case:ident),+ $(,)?) => {
        mod memory {
            $(#[tokio::test]
            async fn $case() { super::contract::$case(&super::in_memory).await; })+
        }
        mod file {
            on_file!($($case),+);
        }
    };
}

macro_rules! on_file {
    ($($case:ident),+ $(,)?) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $case() {
            let folder = tempfile::tempdir().unwrap();
            super::contract::$case(&super::on_file(folder.path())).await;
        })+
    };
}

on_both!(
    keeps_the_order_of_a_key,
    gives_every_group_everything,
    begins_anywhere,
    tries_again,
    waits_out_an_outage,
    buries_what_cannot_be_handled,
    replays_to_the_group_that_gave_up,
    lets_other_keys_pass,
);

mod reopened {
    on_file!(goes_on_after_reopening, gives_again_what_was_not_handled, remembers_where_it_joined);
}

fn record(env: &Env, topic: &str, size: usize) -> Record {
    Record { topic: topic.to_owned(), key: "k".to_owned(), id: env.new_id(), payload: Bytes::from(vec![b'x'; size]) }
}

#[tokio::test]
async fn reads_from_the_file_what_memory_no_longer_holds() {
    let (env, folder) = (Env::system(), tempfile::tempdir().unwrap());
    let bus = on_file(folder.path())(&env);
    for _ in 0..10 {
        bus.publish((0..500).map(|_| record(&env, "long", 10)).collect()).await.unwrap();
    }
    let (mut offset, mut read) = (0, 0);
    while read < 5000 {
        let deliveries = bus.fetch("long", offset, 300).await.unwrap();
        assert!(deliveries.iter().zip(deliveries.iter().skip(1)).all(|(one, next)| one.offset < next.offset));
        assert!(deliveries[0].offset > offset);
        offset = deliveries.last().unwrap().offset;
        read += deliveries.len();
    }
    assert_eq!(read, 5000);
    env.stop().await;
}

#[tokio::test]
async fn a_fetch_waits_for_its_own_topic() {
    let env = Env::system();
    let bus = in_memory(&env);
    let mut fetch = std::pin::pin!(bus.fetch("a", 0, 10));
    assert!(futures::poll!(&mut fetch).is_pending());
    bus.publish(vec![record(&env, "b", 1)]).await.unwrap();
    assert!(futures::poll!(&mut fetch).is_pending());
    let wanted = record(&env, "a", 1);
    bus.publish(vec![wanted.clone()]).await.unwrap();
    assert_eq!(fetch.await.unwrap()[0].record, wanted);
    env.stop().await;
}
