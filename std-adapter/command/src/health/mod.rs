//! `ringstat health`: asks a collector how it is, for people, scripts and the health check of a container.

use std::time::Duration;

use serde_json::Value;

use crate::common::failure::{Exit, Failure, Outcome};
use crate::common::quantity::parse_time;

/// The end of `--help`.
pub(crate) const HELP: &str = "\
Examples:
  ringstat health
  ringstat health http://collector.example:9125 --timeout 500ms
  ringstat health --json

Exit codes: 0 the collector is healthy or degraded, 1 it is unhealthy, 2 usage, 3 it does not answer";

/// The largest answer that is read, in bytes. A collector with 10 000 senders answers with about 2 MB.
const LARGEST: u64 = 64 << 20;

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The address of the collector's page [default: that of `collector.http` in the settings]
    #[arg(value_name = "URL")]
    url: Option<String>,
    /// How long to wait for the answer
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = parse_time)]
    timeout: Duration,
    /// Print the whole answer as one line of JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args, http: std::net::SocketAddr) -> Outcome {
    let url = match &args.url {
        Some(url) if url.contains("://") => url.clone(),
        Some(address) => format!("http://{address}"),
        None => format!("http://{}", reachable(http)),
    };
    let url = format!("{}/health", url.trim_end_matches('/'));
    let text = get(&url, args.timeout).map_err(|e| {
        Failure::new(Exit::Environment, format_args!("{url} does not answer: {e}"))
            .hint("Is `ringstat collect` running, and is this its --http address?")
    })?;
    let health: Value = serde_json::from_str(&text)
        .map_err(|e| Failure::new(Exit::Environment, format_args!("{url} is no collector: {e}")))?;
    if args.json {
        println!("{}", text.trim_end());
    } else {
        print!("{}", describe(&health));
    }
    match health["status"].as_str() {
        Some("healthy" | "degraded") => Ok(()),
        Some(_) => Err(Failure::reported(Exit::Verdict)),
        None => Err(Failure::new(Exit::Environment, format_args!("{url} is no collector"))),
    }
}

/// An address to connect to: a collector that listens on every address is also on this machine's own.
pub(crate) fn reachable(mut at: std::net::SocketAddr) -> std::net::SocketAddr {
    if at.ip().is_unspecified() {
        at.set_ip(match at {
            std::net::SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            std::net::SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    at
}

/// The body of the page at `url`, whatever its status is.
pub(crate) fn get(url: &str, timeout: Duration) -> Result<String, ureq::Error> {
    let config = ureq::Agent::config_builder()
        .timeout_global(Some(timeout))
        .http_status_as_error(false)
        .proxy(None)
        .build();
    let mut answer = ureq::Agent::new_with_config(config).get(url).call()?;
    answer.body_mut().with_config().limit(LARGEST).read_to_string()
}

/// The collector's health with its reasons, and that of each sender that is not healthy.
fn describe(health: &Value) -> String {
    let grade = |of: &Value| {
        let reasons = of["reasons"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let reasons = reasons.collect::<Vec<_>>().join("; ");
        let status = of["status"].as_str().unwrap_or("unknown").to_owned();
        if reasons.is_empty() { status } else { format!("{status}: {reasons}") }
    };
    let senders = health["senders"].as_object();
    let mut text = format!("collector  {}\n", grade(health));
    text += &format!(
        "senders    {}, of which {} are not healthy\n",
        senders.map_or(0, serde_json::Map::len),
        health["degraded_senders"]
    );
    let degraded = senders.into_iter().flatten().filter(|(_, of)| of["status"] != "healthy");
    for (id, of) in degraded {
        text += &format!("  {id}  {}\n", grade(of));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn who_is_not_healthy_is_named_with_the_reason() {
        let text = describe(&json!({
            "status": "degraded", "reasons": ["a", "b"], "degraded_senders": 1,
            "senders": {
                "01": {"status": "healthy", "reasons": []},
                "02": {"status": "unhealthy", "reasons": ["loss"]},
            },
        }));
        assert_eq!(
            text,
            "collector  degraded: a; b\nsenders    2, of which 1 are not healthy\n  02  unhealthy: loss\n"
        );
    }

    #[test]
    fn a_collector_on_every_address_is_asked_on_this_machine() {
        for (listens, asked) in
            [("0.0.0.0:1", "127.0.0.1:1"), ("[::]:2", "[::1]:2"), ("10.0.0.1:3", "10.0.0.1:3")]
        {
            assert_eq!(reachable(listens.parse().unwrap()).to_string(), asked);
        }
    }
}
