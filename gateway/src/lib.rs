//! The gateway: what composes keys, transforms and connectors.
//!
//! ```text
//!   config.rs (what was typed) ──▶ plan.rs (what it means) ──▶ pipeline.rs (impl Guard)
//!                                                                   ▲
//!   identity.rs · policy (a crate of its own) ─────────────────────┘
//!   runtime.rs (what is open, how it changes) ◀── api.rs ◀── commands/ (one file a verb)
//! ```

pub mod access_log;
pub mod admin;
pub mod api;
pub mod commands;
pub mod config;
pub mod explain;
pub mod identity;
pub mod metrics;
pub mod pipeline;
pub mod plan;
pub mod runtime;
pub mod sandbox;
