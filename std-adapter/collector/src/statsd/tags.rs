//! From the text of a line to the name and the tags of a series.

use super::LineError;

/// The longest name, key or value, in bytes: the same as in ringstat's own format.
pub(super) const LONGEST: usize = 255;
/// The largest number of tags of a line: as many as `/metrics` shows as labels.
const MOST: usize = 64;
/// The value of a tag that is only a key. A label without a value would not be one.
const FLAG: &str = "true";

/// Tags in the order of a line.
type Tags<'a> = Vec<(&'a str, &'a str)>;

/// The name in what precedes the colon of a line, and its tags: those that stand there, and then those of DogStatsD.
pub(crate) fn identity<'a>(
    head: &'a str,
    dogstatsd: &'a str,
) -> Result<(&'a str, Tags<'a>), LineError> {
    let (name, mut all) = match name_with_tags(head)? {
        Some(both) => both,
        None => (head, Tags::new()),
    };
    check(name, LineError::BadName)?;
    add(dogstatsd, &mut all)?;
    Ok((name, all))
}

/// The tags of DogStatsD, as events and service checks have them, too.
pub(crate) fn tags(text: &str) -> Result<Tags<'_>, LineError> {
    let mut all = Tags::new();
    add(text, &mut all)?;
    Ok(all)
}

fn add<'a>(text: &'a str, all: &mut Tags<'a>) -> Result<(), LineError> {
    // A comma too many does no harm.
    for tag in text.split(',').filter(|tag| !tag.is_empty()) {
        let (key, value) = tag.split_once(':').unwrap_or((tag, FLAG));
        push(all, key, value)?;
    }
    Ok(())
}

/// Takes a name with tags apart. One that has no tags of any dialect is a name as a whole, whatever characters are in
/// it.
fn name_with_tags(head: &str) -> Result<Option<(&str, Tags<'_>)>, LineError> {
    let Some(at) = memchr::memchr3(b',', b'[', b'#', head.as_bytes())
        .into_iter()
        .chain(memchr::memchr(b';', head.as_bytes()))
        .min()
    else {
        return Ok(None);
    };
    let (name, rest) = (&head[..at], &head[at + 1..]);
    let (text, separator) = match head.as_bytes()[at] {
        b'[' => match rest.strip_suffix(']') {
            Some(inner) => (inner, ','),
            None => return Ok(None),
        },
        b';' => (rest, ';'),
        _ => (rest, ','),
    };
    let mut all = Tags::new();
    for tag in text.split(separator) {
        let Some((key, value)) = tag.split_once('=') else { return Ok(None) };
        push(&mut all, key, value)?;
    }
    Ok(Some((name, all)))
}

fn push<'a>(all: &mut Tags<'a>, key: &'a str, value: &'a str) -> Result<(), LineError> {
    if key.is_empty() {
        return Err(LineError::BadTag);
    }
    check(key, LineError::BadTag)?;
    check(value, LineError::BadTag)?;
    if all.len() == MOST {
        return Err(LineError::TooManyTags);
    }
    all.push((key, value));
    Ok(())
}

/// Checks the length and the characters of a text. That of a name is not to be empty.
pub(super) fn check(text: &str, bad: LineError) -> Result<(), LineError> {
    if text.len() > LONGEST {
        return Err(LineError::TooLong);
    }
    let is_empty_name = text.is_empty() && bad != LineError::BadTag;
    if is_empty_name || text.bytes().any(|b| b.is_ascii_control()) {
        return Err(bad);
    }
    Ok(())
}
