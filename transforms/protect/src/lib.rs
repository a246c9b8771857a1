//! The methods: protect and reveal, side by side.
//!
//! One method is one file. A [`Spec`] says what a domain's values look like and how they
//! are protected; [`build`] turns it into a [`Method`], which works on batches and knows
//! nothing of configuration, policy or sockets.
//!
//! ```text
//!   Spec ──build──▶ Method::Pure(Transform)      computed: never waits
//!              └──▶ Method::Stored(Vaulted)      looked up: may wait for the store
//! ```

mod calendar;
mod date_shift;
mod derived;
mod encrypt;
mod fpe;
mod generalize;
mod hash;
mod header;
mod luhn;
mod mask;
mod ranked;
mod redact;
mod replace;
mod siv;
mod spec;
mod table;
mod template;
mod token;
mod transform;
mod truncate;
mod tweak;
mod vaultless;
pub mod vectors;

pub use mask::Mask;
pub use spec::{
    Buckets, Canonical, DateFormat, DatePart, Domain, EmailPart, Keep, Luhn, Means, MethodSpec,
    Scope, ShiftPer, Size, SizeClass, Spec, SpecError, TemplateSpec, TimestampFormat,
    TokenTemplate, VersionMode, build, sizes,
};
pub use template::can_be_in_alphabet;
pub use token::{
    Candidate, Found, Issue, Issued, Numbers, Owner, TokenDomain, TokenError, TokenStore, Vaulted,
    VaultedFault,
};
pub use transform::{Context, Fault, FaultRule, Mark, Method, Transform};
