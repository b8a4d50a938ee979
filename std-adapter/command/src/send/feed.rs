//! Passes events to the client, no faster than it can take them.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use ringstat_core::record::{Content, Draft, Event, Name, Outcome as Recorded, Tag};
use ringstat_std::{Cause, Client, OwnedCounter, Recorder};

use crate::common::failure::{Exit, Failure, Outcome};
use crate::jsonl::beside::Beside;
use crate::jsonl::refusal::Refusal;

/// How long to wait for the worker before checking again.
const PAUSE: Duration = Duration::from_micros(200);

/// Passes records to one client, to which nobody else records.
pub(crate) struct Feed<'a> {
    client: &'a Client,
    ring: u64,
    /// The number of events that certainly fit the ring.
    room: u64,
    pace: Option<Pace>,
    timeout: Duration,
    counters: HashMap<(&'static str, &'static [Tag]), OwnedCounter>,
    increments: u64,
}

impl<'a> Feed<'a> {
    /// Creates a feed of at most `rate` events per second, or without a limit if it is 0.
    pub(crate) fn new(client: &'a Client, ring: usize, rate: u32, timeout: Duration) -> Self {
        Self {
            client,
            ring: ring as u64,
            room: 0,
            pace: (rate > 0).then(|| Pace::new(rate)),
            timeout,
            counters: HashMap::new(),
            increments: 0,
        }
    }

    /// Records an event when there is room for it; `beside` has what is not in its slot.
    pub(crate) fn event(&mut self, event: &Event, beside: &Beside) -> Outcome {
        if let Some(pace) = &mut self.pace {
            pace.wait();
        }
        if self.room == 0 {
            self.room = self.wait_for_room()?;
        }
        self.room -= 1;
        // If it is refused all the same, that is in the ledger.
        let _ = if beside.is_empty() { self.client.push(event) } else { self.copy(event, beside) };
        Ok(())
    }

    /// Records an event with strings that are not in its slot.
    fn copy(&self, event: &Event, beside: &Beside) -> Recorded {
        let Some(strings) = event.strings(beside) else { return self.client.refuse(Cause::Encode) };
        let value = match event.content() {
            Content::Number(value) => value,
            Content::Text(_) | Content::Symbol(_) => 1u64.into(),
        };
        let mut draft = Draft::new(self.client, event.kind(), event.name(), value);
        draft = draft.tags(event.tags()).priority(event.priority());
        draft = draft.at(event.time()).sampled(event.rate());
        if let Some(text) = strings.text() {
            draft = draft.text(text);
        }
        draft.tag_each(strings.tags()).record()
    }

    /// Adds a counter's amount to a total here.
    pub(crate) fn count(&mut self, event: &Event, beside: &Beside) -> Result<(), Refusal> {
        if !beside.is_empty() || event.dynamic_tags().next().is_some() {
            return Err(Refusal::from("a counter that is added up here has at most 255 tags"));
        }
        let amount = match event.content() {
            Content::Number(value) => value.as_u64(),
            Content::Text(_) | Content::Symbol(_) => None,
        };
        let amount =
            amount.and_then(|n| n.checked_mul(u64::from(event.rate()))).ok_or_else(|| {
                Refusal::from("a counter that is added up here takes whole numbers from 0 on")
            })?;
        let Name::Static(name) = event.name() else {
            return Err(Refusal::from("a counter without a name of its own"));
        };
        let made = self.counters.entry((name, event.tags()));
        made.or_insert_with(|| self.client.counter(name, event.tags())).add(amount);
        self.increments += 1;
        Ok(())
    }

    /// The number of counters that were added up.
    pub(crate) fn counters(&self) -> u64 {
        self.counters.len() as u64
    }

    /// The number of amounts in them.
    pub(crate) fn increments(&self) -> u64 {
        self.increments
    }

    /// Waits until a good part of the ring is free, and returns how much. Returns at once if it is.
    fn wait_for_room(&self) -> Result<u64, Failure> {
        let mut sent = None;
        let mut since = Instant::now();
        loop {
            let ledger = self.client.ledger();
            // This overestimates what is in the ring, because it includes what the worker holds.
            let room = self.ring.saturating_sub(ledger.in_flight);
            if room >= self.ring / 4 {
                return Ok(room);
            }
            let now = Some(ledger.left() + ledger.dropped.total());
            if now != sent {
                (sent, since) = (now, Instant::now());
            } else if since.elapsed() > self.timeout {
                return Err(Failure::new(Exit::Verdict, "nothing could be sent for a while")
                    .hint("The network takes nothing: look at the link, or raise --timeout."));
            }
            std::thread::sleep(PAUSE);
        }
    }
}

/// Spreads events evenly over time, in small bursts.
struct Pace {
    rate: u32,
    begun: Instant,
    passed: u64,
}

impl Pace {
    fn new(rate: u32) -> Self {
        Self { rate, begun: Instant::now(), passed: 0 }
    }

    /// Waits until the next event may be recorded.
    fn wait(&mut self) {
        /// Shorter pauses than this are not worth a system call.
        const BURST: Duration = Duration::from_millis(2);
        let due = Duration::from_secs_f64(self.passed as f64 / f64::from(self.rate));
        self.passed += 1;
        let ahead = due.saturating_sub(self.begun.elapsed());
        if ahead > BURST {
            std::thread::sleep(ahead);
        }
    }
}
