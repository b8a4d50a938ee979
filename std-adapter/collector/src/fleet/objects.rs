//! Snapshots in the log's object store.

use async_nats::jetstream::object_store::{Config, ObjectStore};
use tokio::io::AsyncReadExt as _;

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

/// Removes an object, if it is there.
pub(super) async fn delete(log: &Log, name: &str) {
    if let Ok(store) = open(log).await {
        let _ = store.delete(name).await;
    }
}

async fn open(log: &Log) -> Result<ObjectStore, String> {
    log.context.get_object_store(SNAPSHOTS).await.map_err(|e| e.to_string())
}
