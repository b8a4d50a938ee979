//! The type of a future that never ends.

/// `!`, which stable Rust takes only where a function returns it.
///
/// A function that returns such a future can turn its arguments into what the task needs first. An `async fn` would keep
/// them beside that, in the task's static memory.
#[expect(unreachable_pub, reason = "what a public function returns must be nameable")]
pub type Never = <fn() -> ! as Returns>::Value;

/// What a function returns.
pub trait Returns {
    /// The type.
    type Value;
}

impl<T> Returns for fn() -> T {
    type Value = T;
}
