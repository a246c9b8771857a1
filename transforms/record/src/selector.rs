//! Where a field is.
/// A selector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector;
/// Why not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SelectorError;
