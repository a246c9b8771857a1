//! The HTTP connector.
