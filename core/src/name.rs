//! Names and tags as a recorder hands them over.

/// One tag: key and value.
pub type Tag = (&'static str, &'static str);

/// A string that an interner holds; the number is its place there.
///
/// A symbol means something only to the interner that gave it out. Any other one either does not know it (the
/// record is then counted as an encode error) or holds another string in its place.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Symbol(pub(crate) u32);

/// What a record is called: a string known at compile time, or one interned at run time.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Name {
    /// Known at compile time; costs nothing.
    Static(&'static str),
    /// Interned at run time.
    Interned(Symbol),
}

impl From<&'static str> for Name {
    #[inline]
    fn from(name: &'static str) -> Self {
        Self::Static(name)
    }
}

impl From<Symbol> for Name {
    #[inline]
    fn from(symbol: Symbol) -> Self {
        Self::Interned(symbol)
    }
}

/// Turns symbols back into strings at encode time.
pub trait Resolve {
    /// The string behind `symbol`, if this interner gave it out. Constant time.
    fn resolve(&self, symbol: Symbol) -> Option<&str>;
}

/// For clients without run-time names: knows no symbol.
#[derive(Clone, Copy, Default, Debug)]
pub struct NoNames;

impl Resolve for NoNames {
    fn resolve(&self, _: Symbol) -> Option<&str> {
        None
    }
}

impl<R: Resolve + ?Sized> Resolve for &R {
    #[inline]
    fn resolve(&self, symbol: Symbol) -> Option<&str> {
        (**self).resolve(symbol)
    }
}
