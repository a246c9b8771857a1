//! The control plane: typed requests and replies. The command line sends them over a
//! local Unix socket (one JSON line each way); a network API will carry the same ones.

pub mod client;
pub mod socket;

mod answer;
mod tokens;
mod transfer;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

pub use answer::answer;
pub use tokens::{
    Erased, ErasedDomain, ErasureReceipt, ImportReport, Part, Subject, TokenChange, TokenCount,
    TokenPage, TokenView, Transfer,
};

/// What can be asked. Has no `Debug`: two of them carry values.
#[derive(Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// Is it serving, with which revision, and what should an operator know?
    Status,
    /// The keys and their versions.
    Keys,
    /// A new version of a key, for new values.
    RotateKey {
        /// The key's name.
        key: String,
        /// The least number the new version may have: after a restore, one more than the
        /// highest the audit log knows.
        from_version: Option<u32>,
    },
    /// A new API token. Its text is in the reply and nowhere else.
    CreateApiToken {
        /// What the audit log will call it.
        name: String,
        /// The role of `access:`.
        role: String,
        /// A purpose fixed for it.
        purpose: Option<String>,
        /// Claims for tweak scopes.
        claims: BTreeMap<String, String>,
        /// Seconds until it ends.
        expires_in: Option<u64>,
    },
    /// The API tokens, without their text.
    ApiTokens,
    /// Ends an API token at once.
    RevokeApiToken {
        /// Its name.
        name: String,
    },
    /// Who may log in to databases, without their verifiers.
    DbUsers,
    /// A login for a database user: what its password is verified by.
    PutDbUser {
        /// The user's name in `callers: { users: }`.
        name: String,
        /// The verifier, as PostgreSQL writes it (`SCRAM-SHA-256$…`).
        verifier: String,
        /// Whether an earlier one makes way.
        replace: bool,
    },
    /// Ends a login; sessions that are open stay.
    RemoveDbUser {
        /// The user's name.
        name: String,
    },
    /// Tokens of a class, with what is known of them but for their values.
    Tokens {
        /// The class.
        class: String,
        /// After which token; from the first if there is none.
        after: Option<String>,
        /// How many at most.
        limit: usize,
    },
    /// How many tokens there are.
    CountTokens {
        /// Of this class only.
        class: Option<String>,
    },
    /// Switches tokens off or on, deletes them, or gives them another end.
    ChangeTokens {
        /// The class.
        class: String,
        /// The tokens.
        tokens: Vec<String>,
        /// What becomes of them.
        change: TokenChange,
    },
    /// Lets the counters of a class's tokens go on after a restore.
    ResumeTokens {
        /// The class.
        class: String,
        /// At least how many tokens of any kept part were issued since the backup.
        skip: u64,
    },
    /// Deletes every token about a data subject.
    EraseSubject(Subject),
    /// All tokens of a class with their values, under the caller's own rights: as many
    /// replies as there are pages.
    ExportTokens(Transfer),
    /// Takes tokens with their values, under the caller's own rights: parts follow.
    ImportTokens(Transfer),
    /// What follows [`Request::ImportTokens`].
    Part(Part),
    /// Protects values under the caller's own rights.
    Protect(Batch),
    /// Reveals values under the caller's own rights.
    Reveal(Batch),
    /// A sealed, verified copy of everything that cannot be made again.
    Backup {
        /// Where to, on the gateway's machine.
        file: PathBuf,
    },
    /// The last lines of the audit log.
    AuditTail {
        /// How many.
        lines: usize,
    },
    /// Walks the audit log and compares it with what the store remembers.
    AuditVerify,
    /// Takes an audit log that was found to be cut as it is now.
    AuditAcceptCut,
    /// What a role would see at a place.
    Explain {
        /// The connector.
        connector: String,
        /// The place, as the configuration writes it.
        place: String,
        /// The role.
        role: String,
        /// The purpose.
        purpose: Option<String>,
    },
    /// Whether the configuration file, as it is now, could be reloaded, and what an
    /// operator should know.
    Check,
    /// Reads the configuration again.
    Reload,
}

/// Values of one class.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Batch {
    /// The class.
    pub class: String,
    /// The values, one a line on the command line.
    pub values: Vec<String>,
    /// Why.
    pub purpose: Option<String>,
    /// An API token; without it the local user is the principal.
    pub token: Option<String>,
    /// Whom the values are about, so that their tokens can be erased.
    #[serde(default)]
    pub subject: Option<String>,
}

impl Drop for Batch {
    fn drop(&mut self) {
        self.values.iter_mut().for_each(Zeroize::zeroize);
        self.token.zeroize();
        self.subject.zeroize();
    }
}

/// A login for a database user.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DbUserView {
    /// Its name.
    pub name: String,
    /// The connectors that know the user.
    pub connectors: Vec<String>,
    /// When its password was set, in seconds since 1970.
    pub set: u64,
}

/// The answers.
#[derive(Serialize, Deserialize)]
#[serde(tag = "reply", content = "content", rename_all = "snake_case")]
pub enum Reply {
    /// To [`Request::Status`].
    Status(Status),
    /// To [`Request::Keys`].
    Keys(Vec<KeyView>),
    /// To [`Request::RotateKey`]: the key with its new version.
    Rotated(KeyView),
    /// To [`Request::CreateApiToken`]: the token's text.
    ApiToken(String),
    /// To [`Request::ApiTokens`].
    ApiTokens(Vec<ApiTokenView>),
    /// To [`Request::DbUsers`].
    DbUsers(Vec<DbUserView>),
    /// To [`Request::Tokens`].
    Tokens(TokenPage),
    /// To [`Request::CountTokens`].
    TokenCounts(Vec<TokenCount>),
    /// To [`Request::ChangeTokens`]: for each whether there is such a token.
    Changed(Vec<bool>),
    /// To [`Request::EraseSubject`].
    Erased(Erased),
    /// To [`Request::ExportTokens`], for each page; a last one ends it.
    Part(Part),
    /// To the last part of [`Request::ImportTokens`].
    Imported(ImportReport),
    /// To [`Request::Protect`] and [`Request::Reveal`].
    Values(Shown),
    /// To [`Request::AuditTail`].
    Lines(Vec<String>),
    /// To [`Request::Explain`].
    Explanation(Vec<Explained>),
    /// To [`Request::Check`]: what an operator should know.
    Warnings(Vec<String>),
    /// To everything that says in one sentence what it did.
    Done(String),
    /// It was refused.
    Refused(Problem),
}

/// The values of a batch as the caller may see them. Has no `Debug`: it carries values.
#[derive(Serialize, Deserialize)]
pub struct Shown {
    /// The values, in the order of the batch.
    pub values: Vec<String>,
    /// What they are now: `plain`, `masked` or `protected`; the least of them if a batch
    /// met several.
    pub outcome: String,
    /// Why it is not more, as in the header `Allonym-Notice`.
    pub notices: Vec<String>,
}

/// A refusal: the rule for programs, the detail for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// A stable word.
    pub rule: String,
    /// What happened and what to do.
    pub detail: String,
}

impl Problem {
    /// A refusal.
    #[must_use]
    pub fn new(rule: &str, detail: impl Into<String>) -> Self {
        Self { rule: rule.to_owned(), detail: detail.into() }
    }
}

/// How the gateway is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Status {
    /// Whether connectors are serving.
    pub serving: bool,
    /// The revision in force.
    pub revision: u64,
    /// Connectors and where they listen.
    pub connectors: Vec<(String, String)>,
    /// What an operator should know, the serious ones first.
    pub warnings: Vec<String>,
}

/// A key as operators see it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct KeyView {
    /// Its name.
    pub name: String,
    /// Its permanent id.
    pub id: String,
    /// Its rotation rule, as configured.
    pub rotate: String,
    /// Version numbers with their states, oldest first.
    pub versions: Vec<(u32, String)>,
    /// The classes it protects.
    pub classes: Vec<String>,
}

/// An API token as operators see it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ApiTokenView {
    /// Its name.
    pub name: String,
    /// Its role.
    pub role: String,
    /// Its fixed purpose.
    pub purpose: Option<String>,
    /// When it was made, in seconds since 1970.
    pub created: u64,
    /// When it ends.
    pub expires: Option<u64>,
    /// Whether it was revoked.
    pub revoked: bool,
}

/// One field of `allonym explain`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explained {
    /// The selector.
    pub field: String,
    /// The class.
    pub class: String,
    /// How the class is protected.
    pub method: String,
    /// What is done with it on the way in: `write`, `search` or nothing.
    pub request: String,
    /// `plain`, `masked`, `protected`, `withheld`.
    pub outcome: String,
    /// The version that protects now; none for plain classes.
    pub key_version: Option<String>,
    /// Why the outcome is not better.
    pub because: String,
}

/// What an operator may do.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum OperatorRight {
    /// Keys, backups, reloads.
    Keys,
    /// API tokens whose role can reveal, and the tokens in the store.
    Tokens,
    /// The audit log.
    Audit,
}

/// Who asks: a user of this machine, as the kernel says.
#[derive(Clone, Debug)]
pub struct Operator {
    /// The user's name, or number if it has none.
    pub name: String,
    /// What it may do.
    pub rights: Vec<OperatorRight>,
}
