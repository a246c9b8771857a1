//! What a connector and the gateway agree on.
//!
//! A connector turns protocol bytes into records, hands them to the [`Guard`], and
//! forwards only what the guard returns. The gateway implements `Guard`; a connector
//! depends on this crate and on `transforms/record`, and on nothing that holds a key:
//! it cannot leak one, because it cannot name one.
//!
//! ```text
//!   client ──▶ connector ──▶ Guard::identify   who is it?
//!                        ──▶ Guard::admit      may this crossing pass?
//!                        ──▶ Guard::transform  these values, please
//!                        ──▶ upstream
//! ```

pub mod config;
mod connector;
mod crossing;
mod guard;
mod listener;
mod place;
mod principal;
mod refusal;
mod stream;
pub mod tls;

pub use connector::{Connector, Shutdown};
pub use crossing::{Crossing, Direction, Ledger, Namespace, Notice, RequestId};
pub use guard::Guard;
pub use listener::{Accepted, BoundAddress, Listener};
pub use place::{FieldSpec, Location, OnUnprotected, PlaceSpec, Rules, Tokens, Use};
pub use principal::{Caller, Credential, Principal, PrincipalKind};
pub use refusal::{Fault, Refusal};
pub use stream::Stream;
