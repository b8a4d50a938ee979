//! Requests over HTTP and HTTPS to one target.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use base64::prelude::{BASE64_STANDARD, Engine as _};
use ureq::Agent;
use ureq::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use ureq::tls::{PemItem, RootCerts, TlsConfig, TlsProvider, parse_pem};

use super::config::{HttpAuth, HttpTarget, OutputError, shown};

/// How much of an answer is read: enough for its error message.
const ANSWER: u64 = 500;
/// The longest pause that a target can ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(600);

/// Sends requests to one target, over a connection that is kept.
#[derive(Debug)]
pub(super) struct Poster {
    agent: Agent,
    target: HttpTarget,
    headers: HeaderMap,
}

/// What a target answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// Describes the answer for people: its status and the beginning of its body.
    pub(super) said: String,
    /// The beginning of the body.
    #[cfg(feature = "otlp")]
    pub(super) body: Vec<u8>,
}

impl Poster {
    /// Checks what can be checked before anything is sent.
    pub(super) fn new(target: HttpTarget) -> Result<Self, OutputError> {
        let wrong = |why: &str| OutputError::Url { url: shown(&target.url), why: why.into() };
        let uri: Uri = target.url.parse().map_err(|_| wrong("it is not a URL"))?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.host().is_none() {
            return Err(wrong("it is not of the form http://HOST/PATH or https://HOST/PATH"));
        }
        let mut headers = HeaderMap::new();
        for (name, value) in &target.headers {
            let bad = || OutputError::Header(name.clone());
            let header: HeaderName = name.parse().map_err(|_| bad())?;
            headers.append(header, HeaderValue::from_str(value).map_err(|_| bad())?);
        }
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_global(Some(target.timeout))
            .user_agent(concat!("ringstat/", env!("CARGO_PKG_VERSION")))
            .tls_config(tls(target.ca_file.as_deref())?)
            .build();
        let poster = Self { agent: config.into(), target, headers };
        // A file that is not there now is a mistake; one that vanishes later is tried again.
        authorization(&poster.target.auth).map_err(|(path, e)| OutputError::File(path, e))?;
        Ok(poster)
    }

    /// Sends a body with these headers. An error means that the network failed.
    pub(super) fn post(
        &self,
        headers: &[(&'static str, &'static str)],
        body: &[u8],
    ) -> Result<Answer, String> {
        let mut request = self.agent.post(&self.target.url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let authorization = authorization(&self.target.auth);
        let authorization =
            authorization.map_err(|(path, e)| format!("cannot read {}: {e}", path.display()))?;
        if let Some(value) = authorization {
            request = request.header(header::AUTHORIZATION, value);
        }
        let mut answer = request.send(body).map_err(|e| e.to_string())?;
        let status = answer.status();
        let mut body = Vec::new();
        // Whatever can be read of it will do.
        let _ = answer.body_mut().as_reader().take(ANSWER).read_to_end(&mut body);
        let text = String::from_utf8_lossy(&body);
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let said = format!("{status}{}{text}", if text.is_empty() { "" } else { ": " });
        Ok(Answer {
            status,
            headers: answer.headers().clone(),
            said,
            #[cfg(feature = "otlp")]
            body,
        })
    }
}

/// TLS with the certificates in a file, or with the public authorities.
fn tls(ca_file: Option<&Path>) -> Result<TlsConfig, OutputError> {
    let provider = if cfg!(any(windows, target_vendor = "apple")) {
        TlsProvider::NativeTls
    } else {
        TlsProvider::Rustls
    };
    let config = TlsConfig::builder().provider(provider);
    let Some(file) = ca_file else { return Ok(config.build()) };
    let wrong = |e| OutputError::File(file.to_owned(), e);
    let pem = fs::read(file).map_err(wrong)?;
    let certificates: Vec<_> = parse_pem(&pem)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect();
    if certificates.is_empty() {
        return Err(wrong(io::Error::other("there is no certificate in it")));
    }
    Ok(config.root_certs(RootCerts::new_with_certs(&certificates)).build())
}

/// Returns the header that authenticates the collector, with the present content of the secret's file.
pub(super) fn authorization(auth: &HttpAuth) -> Result<Option<String>, (PathBuf, io::Error)> {
    let read = |path: &PathBuf| {
        let text = fs::read_to_string(path).map_err(|e| (path.clone(), e))?;
        Ok(text.trim_end().to_owned())
    };
    match auth {
        HttpAuth::None => Ok(None),
        HttpAuth::BearerFile(file) => Ok(Some(format!("Bearer {}", read(file)?))),
        HttpAuth::Basic { user, password_file } => {
            let both = format!("{user}:{}", read(password_file)?);
            Ok(Some(format!("Basic {}", BASE64_STANDARD.encode(both))))
        }
    }
}

impl Answer {
    /// Whether the same request may succeed later.
    pub(super) fn asks_to_retry(&self) -> bool {
        self.status.is_server_error() || self.status == StatusCode::TOO_MANY_REQUESTS
    }

    /// How long the target asks to wait before the next request, if it does.
    pub(super) fn retry_after(&self, now: SystemTime) -> Option<Duration> {
        let value = self.headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
        let pause = match value.parse() {
            Ok(seconds) => Duration::from_secs(seconds),
            Err(_) => {
                httpdate::parse_http_date(value).ok()?.duration_since(now).unwrap_or_default()
            }
        };
        Some(pause.min(LONGEST_PAUSE))
    }

    /// The number in a header.
    pub(super) fn number(&self, header: &str) -> Option<u64> {
        self.headers.get(header)?.to_str().ok()?.trim().parse().ok()
    }
}
