//! Where threads wait, and for what: every system call that can wait, with its time and stack, by strace, which needs no
//! privileges.
//!
//! strace slows down the calls that it sees, and no others; what a thread does between them counts as running, though it
//! may be waiting for a processor.

use std::collections::BTreeMap;
use std::path::Path;

use super::LIMIT;
use crate::failure::Failure;
use crate::scan::Target;
use crate::tools;

/// The calls in which threads wait, and those that begin threads.
const CALLS: &str = "trace=futex,nanosleep,clock_nanosleep,poll,ppoll,select,pselect6,epoll_wait,epoll_pwait,accept,accept4,\
                     recvfrom,recvmsg,recvmmsg,wait4,waitid,fsync,fdatasync,clone,clone3";
/// A `futex` call that wakes others.
const WAKE: &str = "wake";
/// How many frames of a stack are kept, innermost first.
const FRAMES: usize = 24;

/// What a thread waits for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Kind {
    /// A lock that another thread holds.
    Lock,
    /// Word from another thread: a condition, a channel, its end.
    Thread,
    /// The network or another process.
    Network,
    /// Data to be on disk.
    Disk,
    /// Time to pass.
    Sleep,
}

impl Kind {
    pub(super) const ALL: [Self; 5] =
        [Self::Lock, Self::Thread, Self::Network, Self::Disk, Self::Sleep];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Lock => "lock",
            Self::Thread => "thread",
            Self::Network => "network",
            Self::Disk => "disk",
            Self::Sleep => "sleep",
        }
    }

    fn of(call: &str, frames: &[String]) -> Self {
        let within = |parts: &[&str]| frames.iter().any(|f| parts.iter().any(|p| f.contains(p)));
        match call {
            "futex" if within(&["Condvar", "park", "join", "mpmc", "wait_until"]) => Self::Thread,
            "futex" => Self::Lock,
            "nanosleep" | "clock_nanosleep" => Self::Sleep,
            "fsync" | "fdatasync" => Self::Disk,
            _ => Self::Network,
        }
    }
}

/// A call in which a thread waited. Times are in seconds since the start.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Wait {
    pub(super) call: String,
    pub(super) kind: Kind,
    pub(super) from: f64,
    pub(super) to: f64,
    /// The functions that were running, innermost first.
    pub(super) frames: Vec<String>,
}

/// A thread, from its begin to its end.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Thread {
    pub(super) name: String,
    pub(super) from: f64,
    pub(super) to: f64,
    pub(super) waits: Vec<Wait>,
}

impl Thread {
    /// Returns for how many seconds the thread waited for this.
    pub(super) fn waited(&self, kind: Kind) -> f64 {
        self.waits.iter().filter(|w| w.kind == kind).fold(0.0, |sum, w| sum + w.to - w.from)
    }
}

/// Runs `target` under strace, and returns its threads, in the order in which they began.
pub(super) fn watch(target: &Target, out: &Path) -> Result<Vec<Thread>, Failure> {
    let file = out.join(format!("{}.waits", target.name));
    let path = file.to_string_lossy().into_owned();
    // Follow threads, with names, stacks, times and durations; other calls run at full speed.
    let flags = ["-f", "-Y", "-k", "-ttt", "-T", "--seccomp-bpf", "-e", CALLS, "-o", &path];
    let ended = tools::run(&mut target.under("strace", &flags), LIMIT)?;
    if !matches!(ended.code, Some(0 | 1)) {
        ended.success("strace")?;
    }
    let text = std::fs::read_to_string(&file).map_err(|e| Failure::file("read", &file, &e))?;
    Ok(parse(&text))
}

/// Returns the stacks of all waits of all threads, folded into one line each, with microseconds.
pub(super) fn folded(threads: &[Thread]) -> String {
    let mut stacks: BTreeMap<String, f64> = BTreeMap::new();
    for thread in threads {
        for wait in &thread.waits {
            let frames = wait.frames.iter().rev().map(String::as_str);
            let parts: Vec<_> = std::iter::once(thread.name.as_str())
                .chain(frames)
                .chain([wait.kind.as_str()])
                .map(|part| part.replace(';', ","))
                .collect();
            *stacks.entry(parts.join(";")).or_default() += (wait.to - wait.from) * 1e6;
        }
    }
    stacks.retain(|_, micros| *micros >= 1.0);
    stacks
        .into_iter()
        .map(|(stack, micros)| format!("{stack} {}\n", micros.round() as u64))
        .collect()
}

/// Returns where threads waited for locks, with seconds, the longest first.
pub(super) fn locks(threads: &[Thread]) -> Vec<(String, f64)> {
    let mut places: BTreeMap<&str, f64> = BTreeMap::new();
    for wait in threads.iter().flat_map(|t| &t.waits).filter(|w| w.kind == Kind::Lock) {
        // What the standard library does inside a lock says nothing about whose lock it is.
        let ours = wait.frames.iter().find(|f| !f.starts_with("std::") && !f.starts_with("<std::"));
        let place = ours.or(wait.frames.first()).map_or(wait.call.as_str(), String::as_str);
        *places.entry(place).or_default() += wait.to - wait.from;
    }
    let mut places: Vec<_> = places.into_iter().map(|(p, s)| (p.to_owned(), s)).collect();
    places.sort_by(|a, b| b.1.total_cmp(&a.1));
    places
}

/// Parses what strace writes: a line for each call, or two if other threads' calls lie between its begin and its end, and
/// after each completed call its stack.
fn parse(text: &str) -> Vec<Thread> {
    let mut threads: BTreeMap<u32, Thread> = BTreeMap::new();
    let mut open: BTreeMap<u32, (String, f64)> = BTreeMap::new();
    let mut origin = None;
    // The thread whose call the frames that follow belong to.
    let mut last = None;
    for line in text.lines() {
        if let Some(frame) = line.strip_prefix(" > ") {
            let wait = last.and_then(|id| threads.get_mut(&id)?.waits.last_mut());
            let name = wait.as_ref().and_then(|_| function(frame));
            if let (Some(wait), Some(name)) = (wait, name)
                && wait.frames.len() < FRAMES
            {
                wait.frames.push(name);
            }
            continue;
        }
        last = None;
        let Some((id, name, at, said)) = head(line) else { continue };
        let at = at - *origin.get_or_insert(at);
        let new = || Thread { name: String::new(), from: at, to: at, waits: Vec::new() };
        let thread = threads.entry(id).or_insert_with(new);
        // The latest name counts: a thread begins with that of the one that made it.
        (thread.name, thread.to) = (name.to_owned(), thread.to.max(at));
        let (call, from) = match said.strip_prefix("<... ") {
            Some(_) => match open.remove(&id) {
                Some(begun) => begun,
                None => continue,
            },
            None => match said.split_once('(') {
                // Waking another thread is not waiting, but the same call.
                Some(_) if said.contains("FUTEX_WAKE") => (WAKE.to_owned(), at),
                Some((call, _)) => (call.to_owned(), at),
                None => continue,
            },
        };
        if said.ends_with("<unfinished ...>") {
            open.insert(id, (call, at));
            continue;
        }
        if call.starts_with("clone") {
            if let Some(child) = said.rsplit_once("= ").and_then(|(_, id)| number(id)) {
                threads.entry(child).or_insert_with(new);
            }
            continue;
        }
        // Without a duration, the process ended during the call.
        let took = said.rsplit_once('<').and_then(|(_, took)| took.strip_suffix('>')?.parse().ok());
        let to = took.map_or(at, |took: f64| from + took);
        if let Some(thread) = threads.get_mut(&id) {
            thread.to = thread.to.max(to);
            if call != WAKE && to > from {
                let kind = Kind::Lock;
                thread.waits.push(Wait { call, kind, from, to, frames: Vec::new() });
                last = Some(id);
            }
        }
    }
    let mut threads: Vec<_> = threads.into_values().collect();
    for wait in threads.iter_mut().flat_map(|t| &mut t.waits) {
        wait.kind = Kind::of(&wait.call, &wait.frames);
    }
    threads.sort_by(|a, b| a.from.total_cmp(&b.from));
    threads
}

/// Splits `12<name> 1795321612.233762 rest`.
fn head(line: &str) -> Option<(u32, &str, f64, &str)> {
    let (id, rest) = line.split_once('<')?;
    let (name, rest) = rest.split_once("> ")?;
    let (at, said) = rest.split_once(' ')?;
    Some((id.parse().ok()?, name, at.parse().ok()?, said))
}

/// Returns the number with which the text begins.
fn number(text: &str) -> Option<u32> {
    text.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// Returns the function of `/path/to/it(function+0x12) [0x34]`, unless it is the call itself, or nothing is known of it.
fn function(frame: &str) -> Option<String> {
    let (file, rest) = frame.split_once('(')?;
    let (name, _) = rest.rsplit_once("+0x")?;
    (!name.is_empty() && !file.contains("/libc.so")).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "\
10<main> 100.000000 clone3({flags=CLONE_VM}, 88) = 11<main> <0.000100>
 > /lib/libc.so.6(clone3+0x1) [0x1]
11<sender> 100.500000 futex(0x1, FUTEX_WAIT_PRIVATE, 2, NULL <unfinished ...>
10<main> 100.600000 futex(0x1, FUTEX_WAKE_PRIVATE, 1) = 1 <0.010000>
 > /lib/libc.so.6(syscall+0x19) [0x1]
10<main> 100.650000 futex(0x1, FUTEX_WAKE_PRIVATE, 1 <unfinished ...>
 > /lib/libc.so.6(syscall+0x19) [0x1]
11<sender> 100.700000 <... futex resumed>) = 0 <0.200000>
 > /lib/libc.so.6(syscall+0x19) [0x1]
 > /bin/shop(<std::sys::sync::mutex::futex::Mutex>::lock_contended+0x10) [0x2]
 > /bin/shop(shop::cart::add+0x20) [0x3]
 > unexpected_backtracing_error [0x8]
10<main> 100.900000 <... futex resumed>) = 1 <0.250000>
 > /lib/libc.so.6(syscall+0x19) [0x1]
10<main> 101.000000 clock_nanosleep(CLOCK_MONOTONIC, 0, {tv_sec=1}, NULL) = 0 <1.000000>
 > /bin/shop(std::thread::sleep+0x10) [0x4]
11<sender> 101.200000 futex(0x2, FUTEX_WAIT_PRIVATE, 0, NULL <unfinished ...>
10<main> 102.200000 +++ exited with 0 +++
11<sender> 102.200000 <... futex resumed>) = ?
 > /bin/shop(std::sync::poison::condvar::Condvar::wait+0x10) [0x5]
";

    fn near(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-9
    }

    #[test]
    fn waits_belong_to_threads_and_say_what_for() {
        let threads = parse(TRACE);
        let names: Vec<_> = threads.iter().map(|t| t.name.as_str()).collect();
        assert_eq!(names, ["main", "sender"]);
        let (main, sender) = (&threads[0], &threads[1]);
        assert!(near(main.from, 0.0) && near(main.to, 2.2), "{main:?}");
        assert_eq!(main.waits.len(), 1, "waking is not waiting");
        assert!(near(main.waited(Kind::Sleep), 1.0));
        // The thread began when it was made, and not with its first call.
        assert!(near(sender.from, 0.0), "{sender:?}");
        assert!(near(sender.waited(Kind::Lock), 0.2), "{sender:?}");
        assert!(near(sender.waited(Kind::Thread), 1.0), "a call that never ended: {sender:?}");
    }

    #[test]
    fn a_lock_is_named_after_who_wants_it() {
        let locks = locks(&parse(TRACE));
        assert_eq!(locks.len(), 1);
        assert!(locks[0].0 == "shop::cart::add" && near(locks[0].1, 0.2), "{locks:?}");
    }

    #[test]
    fn stacks_are_folded_from_the_thread_to_what_it_waits_for() {
        let folded = folded(&parse(TRACE));
        let lines: Vec<_> = folded.lines().collect();
        let expected = [
            "main;std::thread::sleep;sleep 1000000",
            "sender;shop::cart::add;<std::sys::sync::mutex::futex::Mutex>::lock_contended;lock 200000",
            "sender;std::sync::poison::condvar::Condvar::wait;thread 1000000",
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn what_is_not_straces_is_passed_over() {
        for text in [
            "",
            "hello\n",
            " > frame(x+0x1)\n",
            "1<a> b c\n",
            "1<a> 1.0 <... futex resumed>) = 0\n",
        ] {
            assert!(parse(text).iter().all(|t| t.waits.is_empty()), "{text}");
        }
    }
}
