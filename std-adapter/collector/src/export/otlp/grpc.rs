//! A receiver of OTLP that is reached over gRPC.

use std::fs;
use std::io::Read as _;

use flate2::read::GzDecoder;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_client::MetricsServiceClient;
use prost::Message as _;
use tokio::runtime::{Builder, Runtime};
use tonic::codec::CompressionEncoding;
use tonic::metadata::{AsciiMetadataKey, AsciiMetadataValue};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Code, Request};

use super::carrier::judge;
use crate::export::config::{HttpTarget, OutputError, shown};
use crate::export::deliver::Answer;
use crate::export::post::authorization;
use crate::outbox::Batch;

/// A connection to one receiver, made when it is needed, and a runtime for it.
#[derive(Debug)]
pub(in crate::export) struct GrpcClient {
    runtime: Runtime,
    client: MetricsServiceClient<Channel>,
    headers: Vec<(AsciiMetadataKey, AsciiMetadataValue)>,
    target: HttpTarget,
}

impl GrpcClient {
    /// Checks what can be checked before anything is sent.
    pub(super) fn new(target: HttpTarget) -> Result<Self, OutputError> {
        let wrong = |why: String| OutputError::Url { url: shown(&target.url), why };
        let mut headers = Vec::new();
        for (name, value) in &target.headers {
            let bad = || OutputError::Header(name.clone());
            let key: AsciiMetadataKey = name.to_lowercase().parse().map_err(|_| bad())?;
            headers.push((key, value.parse().map_err(|_| bad())?));
        }
        authorization(&target.auth).map_err(|(path, e)| OutputError::File(path, e))?;
        let endpoint: Result<Endpoint, _> = Endpoint::from_shared(target.url.clone());
        let mut endpoint = endpoint
            .map_err(|e| wrong(e.to_string()))?
            .timeout(target.timeout)
            .connect_timeout(target.timeout);
        if target.url.starts_with("https://") {
            let mut tls = ClientTlsConfig::new().with_webpki_roots();
            if let Some(file) = &target.ca_file {
                let pem = fs::read(file).map_err(|e| OutputError::File(file.clone(), e))?;
                tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem));
            }
            endpoint = endpoint.tls_config(tls).map_err(|e| wrong(e.to_string()))?;
        }
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|e| wrong(e.to_string()))?;
        let channel = {
            let _inside = runtime.enter();
            endpoint.connect_lazy()
        };
        let client = MetricsServiceClient::new(channel).send_compressed(CompressionEncoding::Gzip);
        Ok(Self { runtime, client, headers, target })
    }

    pub(super) fn send(&mut self, batch: &Batch) -> Answer {
        let mut message = Vec::new();
        let read = GzDecoder::new(&*batch.body).read_to_end(&mut message);
        let request = read.ok().and_then(|_| ExportMetricsServiceRequest::decode(&*message).ok());
        let Some(request) = request else {
            return Answer::Refused { taken: 0, why: "it was damaged while it waited".into() };
        };
        let mut request = Request::new(request);
        for (key, value) in &self.headers {
            request.metadata_mut().insert(key.clone(), value.clone());
        }
        match authorization(&self.target.auth) {
            Ok(None) => {}
            Ok(Some(value)) => match value.parse() {
                Ok(value) => _ = request.metadata_mut().insert("authorization", value),
                Err(_) => {
                    let why = "the secret in the file cannot be sent".into();
                    return Answer::Later { after: None, why };
                }
            },
            Err((path, e)) => {
                let why = format!("cannot read {}: {e}", path.display());
                return Answer::Later { after: None, why };
            }
        }
        match self.runtime.block_on(self.client.export(request)) {
            Ok(response) => judge(batch, response.into_inner()),
            Err(status) => {
                let why = status.to_string();
                // As the specification has it. One whose resources are exhausted may take it when they are not.
                match status.code() {
                    Code::Cancelled
                    | Code::DeadlineExceeded
                    | Code::Aborted
                    | Code::OutOfRange
                    | Code::Unavailable
                    | Code::DataLoss
                    | Code::ResourceExhausted => Answer::Later { after: None, why },
                    _ => Answer::Refused { taken: 0, why },
                }
            }
        }
    }
}
