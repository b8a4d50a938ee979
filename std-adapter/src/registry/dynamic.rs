//! Instruments whose name and tags are given at run time.

use std::sync::Arc;

use ringstat_core::instrument::{
    BiasedCounter, DEFAULT_BUCKETS, Gauge, Histogram, Instrument, Mark, State, Unit,
};
use ringstat_core::record::Tag;

#[cfg(feature = "metrics")]
use super::FloatHistogram;
use super::key::Key;
use crate::threads;

/// A counter that is made at run time.
pub(crate) type Counter = BiasedCounter<{ threads::OWNERS }>;

/// An instrument together with the name and tags that were given at run time.
#[derive(Debug)]
pub(crate) struct Owned<I> {
    pub(super) key: Key,
    pub(crate) inner: I,
}

impl<I: Instrument> Instrument for Owned<I> {
    fn name(&self) -> &str {
        &self.key.name
    }
    fn tag(&self, index: usize) -> Option<(&str, &str)> {
        self.key.tags.get(index).map(|(k, v)| (&**k, &**v))
    }
    fn static_identity(&self) -> Option<(&'static str, &'static [Tag])> {
        None
    }
    fn unit(&self) -> Unit {
        self.inner.unit()
    }
    fn state(&self) -> State<'_> {
        self.inner.state()
    }
    fn version(&self) -> u32 {
        self.inner.version()
    }
    fn mark(&self) -> &Mark {
        self.inner.mark()
    }
}

/// The registry's reference to one of them.
#[derive(Clone, Debug)]
pub(crate) enum Dynamic {
    Counter(Arc<Owned<Counter>>),
    Gauge(Arc<Owned<Gauge>>),
    Histogram(Arc<Owned<Histogram>>),
    #[cfg(feature = "metrics")]
    Floats(Arc<Owned<FloatHistogram>>),
}

impl Dynamic {
    pub(super) fn get(&self) -> &dyn Instrument {
        match self {
            Self::Counter(made) => &**made,
            Self::Gauge(made) => &**made,
            Self::Histogram(made) => &**made,
            #[cfg(feature = "metrics")]
            Self::Floats(made) => &**made,
        }
    }

    pub(super) fn key(&self) -> &Key {
        match self {
            Self::Counter(made) => &made.key,
            Self::Gauge(made) => &made.key,
            Self::Histogram(made) => &made.key,
            #[cfg(feature = "metrics")]
            Self::Floats(made) => &made.key,
        }
    }
}

/// An instrument that can be made at run time.
pub(super) trait Make: Instrument + Send + Sync + Sized + 'static {
    fn make() -> Self;
    fn wrap(made: Arc<Owned<Self>>) -> Dynamic;
    fn unwrap(made: &Dynamic) -> Option<&Arc<Owned<Self>>>;
}

macro_rules! make {
    ($type:ident, $variant:ident, $new:expr) => {
        impl Make for $type {
            fn make() -> Self {
                $new
            }
            fn wrap(made: Arc<Owned<Self>>) -> Dynamic {
                Dynamic::$variant(made)
            }
            fn unwrap(made: &Dynamic) -> Option<&Arc<Owned<Self>>> {
                match made {
                    Dynamic::$variant(made) => Some(made),
                    _ => None,
                }
            }
        }
    };
}

make!(Counter, Counter, Counter::new(""));
make!(Gauge, Gauge, Gauge::new(""));
make!(Histogram, Histogram, Histogram::<DEFAULT_BUCKETS>::new("").unit(Unit::Nanoseconds));
#[cfg(feature = "metrics")]
make!(FloatHistogram, Floats, FloatHistogram::new());
