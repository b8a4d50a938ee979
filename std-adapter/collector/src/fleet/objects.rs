//! Snapshots in the log's object store.

use async_nats::jetstream::object_store::{Config, ObjectStore};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE as URL_SAFE;
use futures_util::StreamExt as _;
use tokio::io::AsyncReadExt as _;

use super::lease::Token;
use super::log::Log;
use super::names::SNAPSHOTS;

/// Makes the store if there is none.
pub(super) async fn begin(log: &Log, replicas: usize) -> Result<(), String> {
    if open(log).await.is_ok() {
        return Ok(());
    }
    let config = Config { bucket: SNAPSHOTS.into(), num_replicas: replicas, ..Config::default() };
    let made = log.context.create_object_store(config).await;
    made.map(drop).map_err(|e| e.to_string())
}

/// Reads an object.
pub(super) async fn get(log: &Log, name: &str) -> Result<Vec<u8>, String> {
    let mut object = open(log).await?.get(name).await.map_err(|e| format!("{name}: {e}"))?;
    let mut bytes = Vec::new();
    object.read_to_end(&mut bytes).await.map_err(|e| format!("{name}: {e}"))?;
    Ok(bytes)
}

/// Writes an object. When this returns, the log has it.
pub(super) async fn put(log: &Log, name: &str, mut bytes: &[u8]) -> Result<(), String> {
    let put = open(log).await?.put(name, &mut bytes).await;
    put.map(drop).map_err(|e| format!("{name}: {e}"))
}

/// Removes an object, if it is there, without a trace: the store's own removal leaves a message for each name, for ever.
pub(super) async fn delete(log: &Log, name: &str) {
    let Ok(store) = open(log).await else { return };
    let Ok(object) = store.info(name).await else { return };
    let Ok(stream) = log.context.get_stream_no_info(format!("OBJ_{SNAPSHOTS}")).await else {
        return;
    };
    // The name goes last: while it is there, the object is found and removed another time.
    let parts = format!("$O.{SNAPSHOTS}.C.{}", object.nuid);
    if stream.purge().filter(parts).await.is_ok() {
        let name = format!("$O.{SNAPSHOTS}.M.{}", URL_SAFE.encode(name));
        let _ = stream.purge().filter(name).await;
    }
}

/// Removes what former owners of a shard left behind: objects of smaller tokens, but for the valid one.
pub(super) async fn sweep(log: &Log, shard: u16, token: Token, valid: &str) {
    let Ok(store) = open(log).await else { return };
    let Ok(objects) = store.list().await else { return };
    let objects: Vec<_> =
        objects.filter_map(|object| std::future::ready(object.ok())).collect().await;
    let is_old = |name: &str| {
        let mut parts = name.split('.').map(str::parse::<u64>);
        parts.next() == Some(Ok(shard.into()))
            && matches!(parts.next(), Some(Ok(of)) if of < token.0)
            && name != valid
    };
    for object in objects.iter().filter(|object| is_old(&object.name)) {
        delete(log, &object.name).await;
    }
}

async fn open(log: &Log) -> Result<ObjectStore, String> {
    log.context.get_object_store(SNAPSHOTS).await.map_err(|e| e.to_string())
}

#[cfg(all(test, feature = "nats-server"))]
mod tests {
    use super::*;
    use crate::fleet::broker::Broker;

    #[test]
    fn what_is_removed_leaves_nothing_and_the_rest_stays() {
        let broker = Broker::start();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let log = Log::begin(&broker.config(2), "test").await.unwrap();
            begin(&log, 1).await.unwrap();
            let bytes = vec![7; 300_000];
            for name in ["1.5.10", "1.5.20", "1.9.30", "1.9.40", "1.12.1", "11.5.10"] {
                put(&log, name, &bytes).await.unwrap();
            }
            sweep(&log, 1, Token(9), "1.5.20").await;
            assert!(get(&log, "1.5.10").await.is_err());
            for name in ["1.5.20", "1.9.30", "1.9.40", "1.12.1", "11.5.10"] {
                assert_eq!(get(&log, name).await.unwrap(), bytes);
                delete(&log, name).await;
            }
            let mut stream = log.context.get_stream(format!("OBJ_{SNAPSHOTS}")).await.unwrap();
            assert_eq!(stream.info().await.unwrap().state.messages, 0);
        });
    }
}
