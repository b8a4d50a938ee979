//! The execution timeline: a lane for each thread, coloured by what it did, as one picture that stands alone.

use std::fmt::Write as _;

use super::waits::{Kind, Thread};

/// The width of the lanes in pixels, which is how many moments are told apart.
const COLUMNS: usize = 1000;
const LEFT: usize = 190;
const RIGHT: usize = 420;
const TOP: usize = 62;
const LANE: usize = 26;
/// What is drawn at most. Those left out are counted.
const LANES: usize = 64;

const RUNNING: (&str, &str) = ("running", "#2e9e5b");

/// Colours that people with colour blindness can distinguish, too.
const fn colour(kind: Kind) -> &'static str {
    match kind {
        Kind::Lock => "#d0021b",
        Kind::Thread => "#8fb8de",
        Kind::Network => "#c9d6e2",
        Kind::Disk => "#b07800",
        Kind::Sleep => "#e6e6e6",
    }
}

/// Draws the threads. Each pixel has the colour of what took the most of its time.
pub(super) fn draw(threads: &[Thread], title: &str) -> String {
    let end = threads.iter().map(|t| t.to).fold(1e-6, f64::max);
    let shown = &threads[..threads.len().min(LANES)];
    let (width, height) = (LEFT + COLUMNS + RIGHT, TOP + shown.len() * LANE + 44);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
         font-family=\"system-ui, sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n\
         <text x=\"12\" y=\"22\" font-size=\"16\">{}</text>\n",
        escape(title)
    );
    legend(&mut svg);
    for (row, thread) in shown.iter().enumerate() {
        lane(&mut svg, thread, TOP + row * LANE, end);
    }
    axis(&mut svg, TOP + shown.len() * LANE, end);
    if threads.len() > shown.len() {
        let more = threads.len() - shown.len();
        text(&mut svg, 12, height - 8, &format!("{more} more threads are not shown"));
    }
    svg + "</svg>\n"
}

fn legend(svg: &mut String) {
    let kinds = Kind::ALL.map(|kind| (kind.as_str(), colour(kind)));
    for (i, (name, colour)) in std::iter::once(RUNNING).chain(kinds).enumerate() {
        let x = LEFT + i * 110;
        rectangle(svg, (x, 36), (12, 12), colour, "");
        text(svg, x + 18, 46, name);
    }
}

fn lane(svg: &mut String, thread: &Thread, y: usize, end: f64) {
    text(svg, 12, y + 17, &thread.name);
    let columns = columns(thread, end);
    let mut from = 0;
    while from < COLUMNS {
        let state = columns[from];
        let same = columns[from..].iter().take_while(|c| **c == state).count();
        if let Some(state) = state {
            let (name, colour) = state.map_or(RUNNING, |kind| (kind.as_str(), colour(kind)));
            let ms = same as f64 / COLUMNS as f64 * end * 1e3;
            let tip = format!("{}: {name}, {ms:.1} ms", thread.name);
            rectangle(svg, (LEFT + from, y + 3), (same, LANE - 6), colour, &tip);
        }
        from += same;
    }
    text(svg, LEFT + COLUMNS + 10, y + 17, &shares(thread));
}

/// Returns the state of each pixel: `None` where the thread did not live, `Some(None)` where it ran.
fn columns(thread: &Thread, end: f64) -> Vec<Option<Option<Kind>>> {
    let width = end / COLUMNS as f64;
    // Seconds of each kind in each pixel.
    let mut waited = vec![[0.0; Kind::ALL.len()]; COLUMNS];
    for wait in &thread.waits {
        let first = ((wait.from / width) as usize).min(COLUMNS - 1);
        let last = ((wait.to / width) as usize).min(COLUMNS - 1);
        for (column, waited) in waited.iter_mut().enumerate().take(last + 1).skip(first) {
            let (from, to) = (column as f64 * width, (column + 1) as f64 * width);
            waited[wait.kind as usize] += (wait.to.min(to) - wait.from.max(from)).max(0.0);
        }
    }
    let state = |(column, waited): (usize, &[f64; Kind::ALL.len()])| {
        let (from, to) = (column as f64 * width, (column + 1) as f64 * width);
        let lived = thread.to.min(to) - thread.from.max(from);
        if lived <= 0.0 {
            return None;
        }
        let ran = lived - waited.iter().sum::<f64>();
        let most = Kind::ALL
            .into_iter()
            .max_by(|a, b| waited[*a as usize].total_cmp(&waited[*b as usize]))?;
        Some(Some(most).filter(|kind| waited[*kind as usize] > ran))
    };
    waited.iter().enumerate().map(state).collect()
}

/// Says how the thread spent its life, as in `running 12 %, sleep 88 %`.
fn shares(thread: &Thread) -> String {
    let life = (thread.to - thread.from).max(1e-9);
    let waited = Kind::ALL.map(|kind| (kind.as_str(), thread.waited(kind) / life * 100.0));
    let ran = 100.0 - waited.iter().map(|w| w.1).sum::<f64>();
    let all = std::iter::once((RUNNING.0, ran.max(0.0))).chain(waited);
    let shares = all.filter(|s| s.1 >= 0.5).map(|(name, share)| format!("{name} {share:.0} %"));
    shares.collect::<Vec<_>>().join(", ")
}

fn axis(svg: &mut String, y: usize, end: f64) {
    const MARKS: usize = 5;
    for mark in 0..=MARKS {
        let x = LEFT + COLUMNS * mark / MARKS;
        rectangle(svg, (x, TOP - 4), (1, y - TOP + 8), "#999", "");
        text(svg, x, y + 18, &format!("{:.0} ms", end * 1e3 * mark as f64 / MARKS as f64));
    }
}

fn text(svg: &mut String, x: usize, y: usize, words: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(svg, "<text x=\"{x}\" y=\"{y}\">{}</text>", escape(words));
}

fn rectangle(
    svg: &mut String,
    (x, y): (usize, usize),
    (width, height): (usize, usize),
    colour: &str,
    tip: &str,
) {
    let tip =
        if tip.is_empty() { String::new() } else { format!("<title>{}</title>", escape(tip)) };
    let _ = writeln!(
        svg,
        "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" fill=\"{colour}\">{tip}</rect>"
    );
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::super::waits::Wait;
    use super::*;

    fn thread() -> Thread {
        let wait =
            |kind, from, to| Wait { call: "futex".into(), kind, from, to, frames: Vec::new() };
        let waits = vec![wait(Kind::Lock, 0.5, 0.75), wait(Kind::Sleep, 0.75, 1.0)];
        Thread { name: "a<b>".into(), from: 0.25, to: 1.0, waits }
    }

    #[test]
    fn every_moment_has_the_colour_of_what_took_most_of_it() {
        let columns = columns(&thread(), 1.0);
        let count = |state| columns.iter().filter(|c| **c == state).count();
        assert_eq!(columns.len(), COLUMNS);
        assert_eq!(count(None), COLUMNS / 4, "before it began");
        for state in [None, Some(Kind::Lock), Some(Kind::Sleep)] {
            assert_eq!(count(Some(state)), COLUMNS / 4, "{state:?}");
        }
        assert_eq!(shares(&thread()), "running 33 %, lock 33 %, sleep 33 %");
    }

    #[test]
    fn a_picture_stands_alone_and_names_are_not_taken_for_markup() {
        let svg = draw(&vec![thread(); LANES + 3], "threads & locks");
        assert!(svg.contains("a&lt;b&gt;: lock, 250.0 ms") && svg.contains("threads &amp; locks"));
        assert!(svg.contains("3 more threads are not shown"));
        assert!(!svg.contains("href") && svg.len() < 100_000, "{}", svg.len());
    }

    #[test]
    fn nothing_at_all_is_an_empty_picture() {
        assert!(draw(&[], "x").ends_with("</svg>\n"));
    }
}
