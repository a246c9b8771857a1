//! The product, from outside.
