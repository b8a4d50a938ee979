//! Every error type implements `Error`, describes what is wrong, and returns its source.

use std::collections::BTreeSet;
use std::error::Error;

use ringstat_core::format::Refused;
use ringstat_core::ledger::Cause;
use ringstat_core::record::InternError;
use ringstat_core::ring::Full;
use ringstat_core::send::{AckError, SendError};
use ringstat_core::wire::DecodeError;

#[test]
fn every_error_says_something_of_its_own() {
    let mut all: Vec<Box<dyn Error>> = vec![
        Box::new(Full(1)),
        Box::new(InternError::Full),
        Box::new(InternError::Length),
        Box::new(Refused::Full),
        Box::new(Refused::UnknownSymbol),
        Box::new(AckError::Malformed(DecodeError::Truncated)),
        Box::new(AckError::Foreign),
        Box::new(AckError::Impossible),
        Box::new(SendError::WouldBlock),
        Box::new(SendError::Unreachable),
    ];
    all.extend(Cause::ALL.map(|cause| Box::new(cause) as Box<dyn Error>));
    all.extend(DecodeError::ALL.map(|reason| Box::new(reason) as Box<dyn Error>));
    let words: BTreeSet<String> = all.iter().map(ToString::to_string).collect();
    assert_eq!(words.len(), all.len(), "{words:#?}");
    assert!(words.iter().all(|w| w.contains(' ') && !w.ends_with('.')), "{words:#?}");
}

#[test]
fn a_reply_that_is_no_acknowledgement_says_why() {
    let error = AckError::Malformed(DecodeError::BadChecksum);
    let source = error.source().expect("what is wrong with its bytes");
    assert_eq!(source.downcast_ref(), Some(&DecodeError::BadChecksum));
    assert!(AckError::Foreign.source().is_none());
}
