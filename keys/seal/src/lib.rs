//! Seals: what wraps the root key.
