//! What the parts of a fleet say of themselves when somebody asks: all answer on one subject of the log.

use std::time::Duration;

use futures_util::StreamExt as _;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, timeout_at};

use super::log::{FleetError, Log, LogConfig};
use super::names::PARTS;
use super::receive::ReceiveReport;
use super::work::WorkReport;

/// How long an answer may take. Who does not answer by then is not shown.
const ANSWER: Duration = Duration::from_millis(500);

/// A part's answer.
#[derive(Clone, PartialEq, Serialize, Deserialize, Debug)]
#[serde(tag = "part", rename_all = "snake_case")]
pub(super) enum Answer {
    Receiver(Named<ReceiveReport>),
    Worker(Named<WorkReport>),
}

/// What a part is called, and what it has counted since it started.
#[derive(Clone, PartialEq, Serialize, Deserialize, Debug)]
pub(super) struct Named<T> {
    pub(super) name: String,
    pub(super) report: T,
}

/// Answers for a part for as long as it is polled.
pub(super) async fn answer(log: Log, say: impl Fn() -> Answer) {
    let Ok(mut asked) = log.client.subscribe(PARTS).await else { return };
    while let Some(message) = asked.next().await {
        let Some(to) = message.reply else { continue };
        let json = serde_json::to_vec(&say()).unwrap_or_default();
        // Who asks does not wait for what is lost.
        let _ = log.client.publish(to, json.into()).await;
    }
}

/// Asks all parts, and waits a moment for their answers.
pub(super) async fn ask(log: &Log, config: &LogConfig) -> Result<Vec<Answer>, FleetError> {
    let inbox = log.client.new_inbox();
    let answers = log.client.subscribe(inbox.clone()).await;
    let mut answers = answers.map_err(|e| config.fails(e))?;
    let asked = log.client.publish_with_reply(PARTS, inbox, "".into()).await;
    asked.map_err(|e| config.fails(e))?;
    let until = Instant::now() + ANSWER;
    let mut all = Vec::new();
    while let Ok(Some(message)) = timeout_at(until, answers.next()).await {
        // A part of another version may say what this one does not understand.
        all.extend(serde_json::from_slice::<Answer>(&message.payload));
    }
    Ok(all)
}
