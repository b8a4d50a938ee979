//! A parser of the text format, version 0.0.4, written from the specification and stricter than it: it demands what the
//! specification only recommends.

use std::collections::{BTreeMap, BTreeSet};

/// A sample: its name, its labels, and its value.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Sample {
    pub(crate) name: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) value: f64,
    /// Whether it is the sample that every series has, and not another one of a histogram or summary.
    pub(crate) is_first: bool,
}

/// Parses a whole page, or returns which line is wrong and why.
pub(crate) fn parse(page: &str) -> Result<Vec<Sample>, String> {
    if !page.ends_with('\n') {
        return Err("the last line does not end".into());
    }
    let mut reader = Reader::default();
    for (number, line) in page.trim_end_matches('\n').split('\n').enumerate() {
        reader.line(line).map_err(|e| format!("line {}: {e}: {line}", number + 1))?;
    }
    Ok(reader.samples)
}

#[derive(Default)]
struct Reader {
    samples: Vec<Sample>,
    /// The names and labels of all samples.
    seen: BTreeSet<(String, Vec<(String, String)>)>,
    /// The names of all families, and of all samples that belong to a family that has ended.
    families: BTreeSet<String>,
    ended: BTreeSet<String>,
    help: Option<String>,
    family: Option<(String, String)>,
    /// The histogram that is being read: its labels, and the last bound with its count.
    bucket: Option<(BTreeMap<String, String>, f64, f64)>,
}

impl Reader {
    fn line(&mut self, line: &str) -> Result<(), String> {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, text) = rest.split_once(' ').unwrap_or((rest, ""));
            self.end_family();
            is_name(name, true)?;
            is_escaped(text, false)?;
            self.help = Some(name.into());
            return Ok(());
        }
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').ok_or("no type")?;
            if self.help.take().as_deref() != Some(name) {
                return Err("the help is that of another family".into());
            }
            if !["counter", "gauge", "histogram", "summary"].contains(&kind) {
                return Err("an unknown type".into());
            }
            if !self.families.insert(name.into()) {
                return Err("a family comes twice".into());
            }
            self.family = Some((name.into(), kind.into()));
            return Ok(());
        }
        if line.starts_with('#') || line.is_empty() || line.contains('\r') && line.starts_with('\r')
        {
            return Err("neither a sample nor about a family".into());
        }
        let mut sample = sample(line)?;
        let (family, kind) = self.family.clone().ok_or("a sample of no family")?;
        belongs(&sample, &family, &kind)?;
        let ending = &sample.name[family.len()..];
        sample.is_first = !["histogram", "summary"].contains(&&*kind) || ending == "_count";
        if kind == "histogram" {
            self.bucket(&sample, ending)?;
        }
        if self.ended.contains(&sample.name) {
            return Err("a sample of a family that has ended".into());
        }
        let labels = sample.labels.clone().into_iter().filter(|(_, v)| !v.is_empty()).collect();
        if !self.seen.insert((sample.name.clone(), labels)) {
            return Err("the same sample comes twice".into());
        }
        self.samples.push(sample);
        Ok(())
    }

    /// Checks that the buckets of a histogram increase up to the one without a bound, which contains everything that
    /// was counted.
    fn bucket(&mut self, sample: &Sample, ending: &str) -> Result<(), String> {
        match (ending, self.bucket.take()) {
            ("_bucket", before) => {
                let bound = number(sample.labels.get("le").ok_or("no bound")?)?;
                let mut of = sample.labels.clone();
                of.remove("le");
                if let Some((same, last, count)) = before
                    && (same != of || bound <= last || sample.value < count)
                {
                    return Err("a bucket out of order".into());
                }
                self.bucket = Some((of, bound, sample.value));
            }
            ("_sum", Some((of, f64::INFINITY, all))) if of == sample.labels => {
                self.bucket = Some((of, f64::INFINITY, all));
            }
            ("_count", Some((of, f64::INFINITY, all)))
                if of == sample.labels && all == sample.value => {}
            _ => return Err("a histogram without its last bucket, or with another count".into()),
        }
        Ok(())
    }

    fn end_family(&mut self) {
        if let Some((name, kind)) = self.family.take() {
            let endings: &[_] = match &*kind {
                "histogram" => &["_bucket", "_sum", "_count"],
                "summary" => &["_sum", "_count"],
                _ => &[],
            };
            self.ended.extend(endings.iter().map(|ending| format!("{name}{ending}")));
            self.ended.insert(name);
        }
    }
}

fn belongs(sample: &Sample, family: &str, kind: &str) -> Result<(), String> {
    let ending = sample.name.strip_prefix(family).ok_or("a sample of another family")?;
    let (quantile, bound) = (sample.labels.get("quantile"), sample.labels.get("le"));
    if bound.is_some() && (kind, ending) != ("histogram", "_bucket") {
        return Err("a bound without a bucket".into());
    }
    let value = sample.value;
    match (kind, ending) {
        ("counter", "") if family.ends_with("_total") && quantile.is_none() => {
            if value.is_nan() || value < 0.0 {
                return Err("a counter that is negative or no number".into());
            }
        }
        ("gauge", "") if quantile.is_none() => {}
        ("summary" | "histogram", "_count") | ("histogram", "_bucket")
            if quantile.is_none() && value >= 0.0 && value.fract() == 0.0 => {}
        ("summary" | "histogram", "_sum") if quantile.is_none() => {}
        ("summary", "") => {
            let share: f64 = quantile.ok_or("no quantile")?.parse().map_err(|_| "no quantile")?;
            if !(0.0..=1.0).contains(&share) {
                return Err("a quantile beyond 1".into());
            }
        }
        _ => return Err(format!("no sample of a {kind}")),
    }
    Ok(())
}

fn sample(line: &str) -> Result<Sample, String> {
    let end = line.find(['{', ' ']).ok_or("no value")?;
    let (name, mut rest) = line.split_at(end);
    is_name(name, true)?;
    let mut labels = BTreeMap::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        loop {
            let (label, behind) = rest.split_once("=\"").ok_or("a label without a value")?;
            is_name(label, false)?;
            if label.starts_with("__") {
                return Err("a label that Prometheus keeps for itself".into());
            }
            let (value, behind) = quoted(behind)?;
            if labels.insert(label.into(), value).is_some() {
                return Err("a label comes twice".into());
            }
            match behind.strip_prefix(',') {
                Some(next) => rest = next,
                None => {
                    rest = behind.strip_prefix('}').ok_or("labels that do not end")?;
                    break;
                }
            }
        }
    }
    let value = rest.strip_prefix(' ').ok_or("no space before the value")?;
    Ok(Sample { name: name.into(), labels, value: number(value)?, is_first: false })
}

fn number(text: &str) -> Result<f64, String> {
    match text {
        "NaN" => Ok(f64::NAN),
        "+Inf" => Ok(f64::INFINITY),
        "-Inf" => Ok(f64::NEG_INFINITY),
        _ if text.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b)) => {
            text.parse().map_err(|e| format!("{e}"))
        }
        _ => Err("no number".into()),
    }
}

fn quoted(text: &str) -> Result<(String, &str), String> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok((value, &text[at + 1..])),
            '\\' => value.push(match chars.next() {
                Some((_, 'n')) => '\n',
                Some((_, c @ ('\\' | '"'))) => c,
                _ => return Err("an unknown escape".into()),
            }),
            c => value.push(c),
        }
    }
    Err("a value that does not end".into())
}

fn is_escaped(text: &str, quotes: bool) -> Result<(), String> {
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        let right = match c {
            '\\' => matches!(chars.next(), Some('\\' | 'n')),
            '"' => !quotes,
            _ => true,
        };
        if !right {
            return Err("an unknown escape".into());
        }
    }
    Ok(())
}

fn is_name(name: &str, colons: bool) -> Result<(), String> {
    let first = |c: char| c.is_ascii_alphabetic() || c == '_' || (colons && c == ':');
    let all = name.chars().all(|c| first(c) || c.is_ascii_digit());
    if name.starts_with(first) && all { Ok(()) } else { Err(format!("{name:?} is no name")) }
}

/// The parser must refuse these, or it would not prove anything.
#[test]
fn it_is_strict() {
    let right = "# HELP a_total x\n# TYPE a_total counter\na_total{b=\"c\"} 1\n";
    assert_eq!(parse(right).map(|s| s.len()), Ok(1));
    for wrong in [
        "a 1\n",
        "# HELP a x\n# TYPE a gauge\na 1",
        "# HELP a x\n# TYPE a gauge\na inf\n",
        "# HELP a x\n# TYPE a gauge\na{b=\"1\",b=\"2\"} 1\n",
        "# HELP a x\n# TYPE a gauge\na{__b=\"1\"} 1\n",
        "# HELP a x\n# TYPE a gauge\na{b=\"1\"} 1\na{b=\"1\"} 2\n",
        "# HELP a x\n# TYPE a gauge\na{b=\"\"} 1\na 2\n",
        "# HELP a x\n# TYPE a gauge\na{b=\"\\x\"} 1\n",
        "# HELP a x\n# TYPE a gauge\na{b=\"1} 1\n",
        "# HELP a x\n# TYPE a gauge\na 1\n# HELP a x\n# TYPE a gauge\na{c=\"d\"} 1\n",
        "# HELP a x\n# TYPE b gauge\nb 1\n",
        "# HELP a_total x\n# TYPE a_total counter\na_total -1\n",
        "# HELP a_total x\n# TYPE a_total counter\na_total NaN\n",
        "# HELP a x\n# TYPE a summary\na_sum 1\n# HELP a_sum x\n# TYPE a_sum gauge\na_sum{b=\"c\"} 1\n",
        "# HELP a x\n# TYPE a summary\na 1\n",
        "# HELP a x\n# TYPE a histogram\na_sum 1\na_count 1\n",
        "# HELP a x\n# TYPE a histogram\na_bucket{le=\"1\"} 2\na_bucket{le=\"+Inf\"} 1\n",
        "# HELP a x\n# TYPE a histogram\na_bucket{le=\"+Inf\"} 1\na_sum 1\na_count 2\n",
        "# HELP a x\n# TYPE a histogram\na_bucket{le=\"1\"} 1\na_sum 1\na_count 1\n",
        "# HELP a x\n# TYPE a gauge\na{le=\"1\"} 2\n",
        "# HELP 1 x\n# TYPE 1 gauge\n1 1\n",
    ] {
        assert!(parse(wrong).is_err(), "{wrong}");
    }
}
