//! Vaulted tokens over the store.
