//! The PostgreSQL connector.

#![allow(missing_docs, unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod frame;
mod hostile;
mod message;
mod replies;
mod scram;
mod startup;
mod statement;
