//! Sends requests to a receiver of remote write, in the version that it accepts.

use std::time::{Duration, Instant, SystemTime};

use ureq::http::StatusCode;

use super::wire;
use crate::export::config::{OutputError, RemoteWriteProtocol, RemoteWriteTarget};
use crate::export::deliver::{Answer, Carrier};
use crate::export::post::{self, Poster};
use crate::outbox::Batch;

const VERSION_1: [(&str, &str); 3] = [
    ("content-encoding", "snappy"),
    ("content-type", "application/x-protobuf"),
    ("x-prometheus-remote-write-version", "0.1.0"),
];
const VERSION_2: [(&str, &str); 3] = [
    ("content-encoding", "snappy"),
    ("content-type", "application/x-protobuf;proto=io.prometheus.write.v2.Request"),
    ("x-prometheus-remote-write-version", "2.0.0"),
];

/// What a receiver of version 2.0 counts: numbers, and native histograms.
const WRITTEN: &str = "x-prometheus-remote-write-samples-written";
const HISTOGRAMS_WRITTEN: &str = "x-prometheus-remote-write-histograms-written";

/// How long a receiver is assumed to know only version 1.0 before 2.0 is tried again.
const AGAIN: Duration = Duration::from_secs(3600);
/// How often a receiver of version 1.0 gets the metadata of the families.
const METADATA_MS: u64 = 60_000;

/// Sends requests to one receiver.
#[derive(Debug)]
pub(in crate::export) struct RemoteWriteCarrier {
    poster: Poster,
    protocol: RemoteWriteProtocol,
    /// Whether the receiver has shown that it accepts version 2.0.
    takes_2: bool,
    /// When it last showed that it does not.
    refused_2: Option<Instant>,
    /// The time of the last batches that were sent as version 1.0 with metadata.
    described_ms: u64,
}

impl RemoteWriteCarrier {
    pub(in crate::export) fn new(target: RemoteWriteTarget) -> Result<Self, OutputError> {
        let RemoteWriteTarget { http, protocol } = target;
        let poster = Poster::new(http)?;
        Ok(Self { poster, protocol, takes_2: false, refused_2: None, described_ms: 0 })
    }

    /// Whether to try version 2.0.
    fn tries_2(&self) -> bool {
        match self.protocol {
            RemoteWriteProtocol::V1 => false,
            RemoteWriteProtocol::V2 => true,
            RemoteWriteProtocol::Auto => self.refused_2.is_none_or(|at| at.elapsed() >= AGAIN),
        }
    }

    /// Whether this answer to a request of version 2.0 means that the receiver only knows version 1.0.
    ///
    /// It should answer that it does not support the media type. Older receivers call the request bad, or accept it without
    /// finding anything that they know: their answer then lacks the number of samples written.
    fn means_1(&self, answer: &post::Answer) -> bool {
        let says_nothing = written(answer).is_none();
        match answer.status {
            StatusCode::UNSUPPORTED_MEDIA_TYPE => true,
            StatusCode::BAD_REQUEST => says_nothing && !self.takes_2,
            status => status.is_success() && says_nothing,
        }
    }

    fn try_2(&mut self, batch: &Batch) -> Option<Answer> {
        let answer = match self.poster.post(&VERSION_2, &batch.body) {
            Ok(answer) => answer,
            Err(why) => return Some(Answer::Later { after: None, why }),
        };
        if self.protocol == RemoteWriteProtocol::Auto && self.means_1(&answer) {
            (self.takes_2, self.refused_2) = (false, Some(Instant::now()));
            return None;
        }
        let written = written(&answer);
        self.takes_2 |= written.is_some();
        if answer.asks_to_retry() {
            return Some(later(answer));
        }
        if answer.status.is_success() && written.is_some_and(|written| written >= batch.samples) {
            return Some(Answer::Taken);
        }
        Some(Answer::Refused { taken: written.unwrap_or(0), why: answer.said })
    }

    fn try_1(&mut self, batch: &Batch) -> Answer {
        let describe = batch.time_ms == self.described_ms
            || batch.time_ms.abs_diff(self.described_ms) >= METADATA_MS;
        let Some(body) = wire::as_version_1(&batch.body, describe) else {
            return Answer::Refused { taken: 0, why: "it was damaged while it waited".into() };
        };
        match self.poster.post(&VERSION_1, &body) {
            Err(why) => Answer::Later { after: None, why },
            Ok(answer) if answer.asks_to_retry() => later(answer),
            Ok(answer) if answer.status.is_success() => {
                if describe {
                    self.described_ms = batch.time_ms;
                }
                Answer::Taken
            }
            Ok(answer) => Answer::Refused { taken: 0, why: answer.said },
        }
    }
}

/// How many samples a receiver of version 2.0 says that it has written.
fn written(answer: &post::Answer) -> Option<u64> {
    match (answer.number(WRITTEN), answer.number(HISTOGRAMS_WRITTEN)) {
        (None, None) => None,
        (numbers, histograms) => Some(numbers.unwrap_or(0).saturating_add(histograms.unwrap_or(0))),
    }
}

fn later(answer: post::Answer) -> Answer {
    Answer::Later { after: answer.retry_after(SystemTime::now()), why: answer.said }
}

impl Carrier for RemoteWriteCarrier {
    fn carry(&mut self, batch: &Batch) -> Answer {
        if self.tries_2()
            && let Some(answer) = self.try_2(batch)
        {
            return answer;
        }
        self.try_1(batch)
    }
}
