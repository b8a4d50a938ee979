//! Tells somebody that alerts fire: posts them as JSON, and tries again a few times if nobody is there.

use std::io::Read as _;
use std::time::Duration;

use ureq::Agent;
use ureq::http::StatusCode;

use crate::failure::{Exit, Failure};

/// The pauses between attempts, of which there is one more.
const PAUSES: [Duration; 3] =
    [Duration::from_secs(1), Duration::from_secs(3), Duration::from_secs(10)];
/// The longest that one attempt may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How much of an answer is read: enough for its error message.
const ANSWER: u64 = 300;

/// Where firing alerts are posted to.
#[derive(Debug)]
pub(super) struct Webhook<'a> {
    url: &'a str,
    pauses: &'a [Duration],
    agent: Agent,
}

/// Why an attempt failed.
enum Refusal {
    /// Another attempt may succeed: nobody answered, or the receiver is busy or broken.
    Later(String),
    /// It will be the same the next time.
    Never(String),
}

impl<'a> Webhook<'a> {
    pub(super) fn new(url: &'a str) -> Self {
        Self::with(url, &PAUSES, PATIENCE)
    }

    fn with(url: &'a str, pauses: &'a [Duration], patience: Duration) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_global(Some(patience))
            .user_agent(concat!("ringstat-perf/", env!("CARGO_PKG_VERSION")))
            .build();
        Self { url, pauses, agent: config.into() }
    }

    /// Posts `json` until it is taken, refused for good, or all attempts failed.
    pub(super) fn post(&self, json: &str) -> Result<(), Failure> {
        let mut pauses = self.pauses.iter();
        loop {
            let why = match self.attempt(json) {
                Ok(()) => return Ok(()),
                Err(Refusal::Later(why)) => match pauses.next() {
                    Some(pause) => {
                        std::thread::sleep(*pause);
                        continue;
                    }
                    None => format!("{why}, {} times", self.pauses.len() + 1),
                },
                Err(Refusal::Never(why)) => why,
            };
            let message = format_args!("{} did not take the alerts: {why}", self.url).to_string();
            return Err(Failure::new(Exit::Environment, message));
        }
    }

    fn attempt(&self, json: &str) -> Result<(), Refusal> {
        let request = self.agent.post(self.url).header("content-type", "application/json");
        let mut answer = request.send(json).map_err(|e| match e {
            ureq::Error::BadUri(_) | ureq::Error::Http(_) => Refusal::Never(e.to_string()),
            _ => Refusal::Later(e.to_string()),
        })?;
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        let mut said = Vec::new();
        // Whatever can be read of it will do.
        let _ = answer.body_mut().as_reader().take(ANSWER).read_to_end(&mut said);
        let said = String::from_utf8_lossy(&said);
        let why = format!("{status} {}", said.trim()).trim_end().to_owned();
        let busy = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS].contains(&status);
        Err(if busy || status.is_server_error() {
            Refusal::Later(why)
        } else {
            Refusal::Never(why)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::net::TcpListener;
    use std::thread::JoinHandle;

    use super::*;

    /// A receiver that gives these answers, one to each request, and returns the requests' first lines and bodies.
    fn receiver(answers: &'static [&str]) -> (String, JoinHandle<Vec<(String, String)>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let thread = std::thread::spawn(move || {
            let one = |answer: &&str| {
                let mut stream = BufReader::new(listener.accept().unwrap().0);
                let (mut first, mut length) = (String::new(), 0);
                stream.read_line(&mut first).unwrap();
                loop {
                    let mut line = String::new();
                    stream.read_line(&mut line).unwrap();
                    let line = line.trim().to_ascii_lowercase();
                    if let Some(value) = line.strip_prefix("content-length:") {
                        length = value.trim().parse().unwrap();
                    }
                    if line.is_empty() {
                        break;
                    }
                }
                let mut body = vec![0; length];
                stream.read_exact(&mut body).unwrap();
                let head = format!("HTTP/1.1 {answer}\r\nconnection: close\r\n");
                let said = "content-length: 5\r\n\r\nsorry";
                stream.get_mut().write_all(format!("{head}{said}").as_bytes()).unwrap();
                (first.trim().to_owned(), String::from_utf8(body).unwrap())
            };
            answers.iter().map(one).collect()
        });
        (url, thread)
    }

    const AT_ONCE: [Duration; 2] = [Duration::ZERO; 2];
    const JSON: &str = "[{\"alert\":\"slow\"}]";

    fn post(url: &str) -> Result<(), String> {
        let hook = Webhook::with(url, &AT_ONCE, Duration::from_secs(60));
        hook.post(JSON).map_err(|e| e.to_string())
    }

    #[test]
    fn a_receiver_that_is_busy_is_asked_again_with_the_same_words() {
        let (url, thread) = receiver(&["503 Busy", "429 Too Many Requests", "204 No Content"]);
        assert_eq!(post(&url), Ok(()));
        let requests = thread.join().unwrap();
        assert_eq!(requests, vec![("POST /hook HTTP/1.1".to_owned(), JSON.to_owned()); 3]);
    }

    #[test]
    fn attempts_are_bounded_and_the_last_answer_is_said() {
        let (url, thread) = receiver(&["500 Broken", "500 Broken", "502 Broken"]);
        let why = post(&url).unwrap_err();
        assert!(why.contains("502") && why.contains("sorry") && why.contains("3 times"), "{why}");
        assert_eq!(thread.join().unwrap().len(), 3);
        // Nobody listens there any longer.
        assert!(post(&url).unwrap_err().contains("3 times"));
    }

    #[test]
    fn what_is_refused_for_good_is_not_repeated() {
        let (url, thread) = receiver(&["404 Not Found"]);
        assert!(post(&url).unwrap_err().contains("404"));
        assert_eq!(thread.join().unwrap().len(), 1);
        let why = post("no url").unwrap_err();
        assert!(!why.contains("times"), "{why}");
    }
}
