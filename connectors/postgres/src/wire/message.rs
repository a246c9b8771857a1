//! The few messages that are read or written here; all others pass as they are.
//!
//! Readers take a body, without type and length, and borrow from it. Writers append a
//! whole message; the room for it is reserved at once, so that a secret is not left
//! behind by a buffer that grows.

mod login;
mod query;
mod report;

pub use login::{
    Authentication, Mechanisms, SaslInitial, parse_password, write_authentication, write_password,
    write_sasl, write_sasl_initial, write_sasl_response,
};
pub use query::{
    ParameterStatus, ParseMessage, parse_query, write_copy_fail, write_parameter_status,
    write_parse, write_query, write_ready, write_terminate,
};
pub use report::{Fields, Report, Severity, write_error, write_notice};
