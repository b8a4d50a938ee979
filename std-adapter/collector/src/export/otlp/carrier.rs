//! Sends requests to a receiver of OTLP.

use std::time::SystemTime;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceResponse;
use prost::Message as _;

use super::grpc::GrpcClient;
use crate::export::config::{HttpTarget, OtlpTransport, OutputError};
use crate::export::deliver::{Answer, Carrier};
use crate::export::post::Poster;
use crate::outbox::Batch;

const HEADERS: [(&str, &str); 2] =
    [("content-encoding", "gzip"), ("content-type", "application/x-protobuf")];

/// Sends requests to one receiver.
#[derive(Debug)]
pub(in crate::export) enum OtlpCarrier {
    Http(Poster),
    Grpc(GrpcClient),
}

impl OtlpCarrier {
    pub(in crate::export) fn new(
        transport: OtlpTransport,
        http: HttpTarget,
    ) -> Result<Self, OutputError> {
        Ok(match transport {
            OtlpTransport::Http => Self::Http(Poster::new(http)?),
            OtlpTransport::Grpc => Self::Grpc(GrpcClient::new(http)?),
        })
    }
}

impl Carrier for OtlpCarrier {
    fn carry(&mut self, batch: &Batch) -> Answer {
        match self {
            Self::Http(poster) => post(poster, batch),
            Self::Grpc(client) => client.send(batch),
        }
    }
}

fn post(poster: &Poster, batch: &Batch) -> Answer {
    let answer = match poster.post(&HEADERS, &batch.body) {
        Ok(answer) => answer,
        Err(why) => return Answer::Later { after: None, why },
    };
    // The statuses that the specification calls retryable; no other is.
    if matches!(answer.status.as_u16(), 429 | 502 | 503 | 504) {
        return Answer::Later { after: answer.retry_after(SystemTime::now()), why: answer.said };
    }
    if !answer.status.is_success() {
        return Answer::Refused { taken: 0, why: answer.said };
    }
    judge(batch, ExportMetricsServiceResponse::decode(&*answer.body).unwrap_or_default())
}

/// The part of an OTLP response that says how many points were rejected.
pub(super) fn judge(batch: &Batch, response: ExportMetricsServiceResponse) -> Answer {
    match response.partial_success {
        Some(of) if of.rejected_data_points > 0 => {
            let rejected = of.rejected_data_points.unsigned_abs();
            let taken = batch.samples.saturating_sub(rejected);
            Answer::Refused { taken, why: of.error_message }
        }
        _ => Answer::Taken,
    }
}
