//! What a hot function, a place that allocates, or a frequent system call means, and what to try. The rules are
//! general, so they serve any program.

use crate::results::{Insight, Severity};

/// What a rule looks at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum What {
    /// A function with its share of all instructions, in percent.
    Instructions,
    /// A place with the bytes that it allocated.
    Heap,
    /// A system call with its share of all calls, in percent.
    Calls,
    /// A place that waits for a lock, with its share of all threads' time, in percent.
    Locks,
}

/// A rule: which names it applies to and from which value on, and what to say then.
struct Rule {
    what: What,
    /// Parts of names. Without any, the rule applies to all that no rule before it applied to.
    parts: &'static [&'static str],
    least: f64,
    severity: Severity,
    meaning: &'static str,
    advice: &'static str,
    effort: &'static str,
}

const fn rule(
    what: What,
    parts: &'static [&'static str],
    least: f64,
    severity: Severity,
    [meaning, advice, effort]: [&'static str; 3],
) -> Rule {
    Rule { what, parts, least, severity, meaning, advice, effort }
}

/// The first that applies is taken.
const RULES: [Rule; 16] = [
    rule(
        What::Instructions,
        &["malloc", "free", "realloc", "__rust_alloc", "raw_vec"],
        5.0,
        Severity::High,
        [
            "memory is allocated and freed on the hot path",
            "reuse buffers, reserve capacity up front, or use inline storage (heapless, smallvec)",
            "moderate",
        ],
    ),
    rule(
        What::Instructions,
        &["memcpy", "memmove", "memset", "memcmp"],
        10.0,
        Severity::Medium,
        [
            "bytes are copied, cleared or compared in bulk",
            "pass references, write into the final buffer, make large types smaller, clear only what was used",
            "moderate",
        ],
    ),
    rule(
        What::Instructions,
        &["fmt::", "::format", "to_string"],
        5.0,
        Severity::Medium,
        [
            "text is formatted by the general machinery",
            "write digits with itoa or zmij into a reused buffer, and keep text that does not change",
            "small",
        ],
    ),
    rule(
        What::Instructions,
        &["sip", "Hasher", "hash::", "hashbrown"],
        10.0,
        Severity::Medium,
        [
            "looking things up by hash takes much of the time",
            "look up once and keep the handle; use a faster hash (foldhash, rustc-hash) for trusted keys",
            "small",
        ],
    ),
    rule(
        What::Instructions,
        &["Mutex", "RwLock", "parking_lot", "futex"],
        5.0,
        Severity::High,
        [
            "locks are taken on the hot path",
            "give each thread its own share, do more under one lock, or use atomics",
            "large",
        ],
    ),
    rule(
        What::Instructions,
        &["clock_gettime", "Instant::now", "SystemTime"],
        5.0,
        Severity::Medium,
        [
            "the clock is read often",
            "use a coarse clock that the sending loop advances, or time one event in N",
            "small",
        ],
    ),
    rule(
        What::Instructions,
        &["crc", "checksum"],
        25.0,
        Severity::Low,
        [
            "checksums take a quarter of the time or more",
            "use the processor's instructions (crc32fast), and check each byte only once",
            "small",
        ],
    ),
    rule(
        What::Instructions,
        &["utf8"],
        10.0,
        Severity::Low,
        [
            "text is checked for UTF-8",
            "check each new string once, and refer to it by index from then on",
            "moderate",
        ],
    ),
    rule(
        What::Instructions,
        &[],
        25.0,
        Severity::High,
        [
            "one function takes more than a quarter of all instructions",
            "look at its lines with `perf annotate` or KCachegrind: hoist work out of its loop, avoid unpredictable branches",
            "large",
        ],
    ),
    rule(
        What::Instructions,
        &[],
        20.0,
        Severity::Medium,
        [
            "one function takes more than a fifth of all instructions",
            "look at its lines with `perf annotate` or KCachegrind before anything else",
            "large",
        ],
    ),
    rule(
        What::Heap,
        &[],
        1e6,
        Severity::Medium,
        [
            "this place allocated more than a megabyte",
            "allocate once and reuse, or reserve the final size; if it happens only at the start, leave it",
            "moderate",
        ],
    ),
    rule(
        What::Locks,
        &[],
        10.0,
        Severity::High,
        [
            "a tenth of all threads' time or more passes waiting for this lock",
            "do less under it, give each thread its own share, or use atomics or a channel",
            "large",
        ],
    ),
    rule(
        What::Locks,
        &[],
        1.0,
        Severity::Medium,
        [
            "threads wait for one another at this lock",
            "take it less often, or move what need not be under it out of it",
            "moderate",
        ],
    ),
    rule(
        What::Calls,
        &["futex"],
        20.0,
        Severity::High,
        [
            "threads wait for locks or for one another",
            "hold locks for less time, wake others less often, or give each thread its own share",
            "large",
        ],
    ),
    rule(
        What::Calls,
        &["send", "recv", "write", "read"],
        50.0,
        Severity::Medium,
        [
            "most system calls move data, each of them little",
            "fill datagrams, and move several at once (sendmmsg, recvmmsg, segmentation offload)",
            "moderate",
        ],
    ),
    rule(
        What::Calls,
        &["sleep", "poll", "epoll"],
        50.0,
        Severity::Low,
        [
            "most system calls wait",
            "wait longer when there is nothing to do, or until somebody wakes the thread",
            "small",
        ],
    ),
];

/// Returns what to say of a number: `subject` is its name among the results, `name` that of the function, place or call,
/// `value` as in [`What`].
pub(crate) fn of(
    what: What,
    subject: &str,
    name: &str,
    value: f64,
    place: &str,
) -> Option<Insight> {
    let applies = |r: &&Rule| {
        let named = r.parts.is_empty() || r.parts.iter().any(|part| name.contains(part));
        r.what == what && value >= r.least && named
    };
    let rule = RULES.iter().find(applies)?;
    let gain = match what {
        What::Instructions => format!("up to {value:.0} % of the instructions"),
        What::Heap => format!("up to {:.1} MB", value / 1e6),
        What::Calls => format!("up to {value:.0} % of the system calls"),
        What::Locks => format!("up to {value:.0} % of the threads' time"),
    };
    Some(Insight {
        severity: rule.severity,
        subject: subject.to_owned(),
        place: place.to_owned(),
        meaning: rule.meaning.to_owned(),
        advice: rule.advice.to_owned(),
        gain,
        effort: rule.effort.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn advice(what: What, name: &str, value: f64) -> Option<(Severity, String)> {
        of(what, "scan.x", name, value, "a.rs:1").map(|i| (i.severity, i.meaning))
    }

    #[test]
    fn the_most_specific_rule_speaks_and_what_is_small_is_left_alone() {
        let (severity, meaning) = advice(What::Instructions, "malloc", 30.0).unwrap();
        assert!(severity == Severity::High && meaning.contains("allocated"), "{meaning}");
        assert_eq!(advice(What::Instructions, "malloc", 1.0), None);
        let (severity, _) = advice(What::Instructions, "shop::cart", 21.0).unwrap();
        assert_eq!(severity, Severity::Medium);
        assert_eq!(advice(What::Instructions, "shop::cart", 26.0).unwrap().0, Severity::High);
        assert_eq!(advice(What::Instructions, "shop::cart", 19.0), None);
        assert_eq!(advice(What::Calls, "futex", 19.0), None);
        assert!(advice(What::Calls, "futex", 21.0).unwrap().1.contains("wait"));
        assert!(advice(What::Heap, "shop::cart", 2e6).is_some());
        assert_eq!(advice(What::Locks, "shop::cart", 11.0).unwrap().0, Severity::High);
        assert_eq!(advice(What::Locks, "shop::cart", 0.5), None);
    }

    #[test]
    fn a_recommendation_says_where_what_it_gains_and_what_it_takes() {
        let insight = of(What::Heap, "scan.load.heap.x", "x", 2.5e6, "x.rs:12").unwrap();
        assert_eq!((insight.place.as_str(), insight.gain.as_str()), ("x.rs:12", "up to 2.5 MB"));
        assert!(!insight.advice.is_empty() && !insight.effort.is_empty());
    }
}
