//! The store: one schema, values sealed before they are written.
