//! What is asked and answered about the tokens in the store.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

use super::Problem;

/// What becomes of tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum TokenChange {
    /// They reveal no more, until they are enabled.
    Disable,
    /// They reveal again.
    Enable,
    /// They are gone, with their values.
    Delete,
    /// They have another end.
    Expire {
        /// So many seconds from now; never if there are none.
        seconds: Option<u64>,
    },
}

/// Whose tokens are to be deleted. Has no `Debug`: it may name a person.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subject {
    /// As it was named when its values were protected.
    pub subject: String,
    /// The tenant, where the scope is one.
    pub tenant: Option<String>,
    /// In the domain of this class only.
    pub class: Option<String>,
}

/// An export or an import. Has no `Debug`: it carries a credential.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transfer {
    /// The class.
    pub class: String,
    /// Why.
    pub purpose: Option<String>,
    /// An API token; without it the local user is the principal.
    pub token: Option<String>,
}

/// A part of an export or an import: whole lines, or some bytes of them. Has no `Debug`:
/// it carries values.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// What comes next.
    pub text: String,
    /// Nothing follows.
    pub is_last: bool,
}

/// Some tokens of a class.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TokenPage {
    /// In the order of their bytes.
    pub tokens: Vec<TokenView>,
    /// After which the next ones come, if there may be any.
    pub next: Option<String>,
}

/// A token as operators see it: all but its value.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TokenView {
    /// The token.
    pub token: String,
    /// When it was issued, in milliseconds since 1970; 0 where that is not known.
    pub created: i64,
    /// When it ends, in milliseconds since 1970.
    pub expires: Option<i64>,
    /// Whether it is switched off.
    pub disabled: bool,
    /// What is known of it besides.
    pub metadata: BTreeMap<String, String>,
}

/// How many tokens a domain has.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TokenCount {
    /// The domain.
    pub domain: String,
    /// Its classes.
    pub classes: Vec<String>,
    /// How many.
    pub tokens: u64,
}

/// What an erasure did.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Erased {
    /// To be kept.
    pub receipt: ErasureReceipt,
    /// Class and token of what stays because it is about others too.
    pub shared: Vec<(String, String)>,
    /// Why it ended early, if it did: the receipt is of what was deleted until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<Problem>,
}

/// That the tokens about a data subject were deleted. Names no value, no token, nobody.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErasureReceipt {
    /// The number of the intent in the audit log.
    pub audit: u64,
    /// How many tokens were deleted in all.
    pub deleted: u64,
    /// Domain by domain.
    pub domains: Vec<ErasedDomain>,
    /// Domains that were not looked at: their scope is a tenant, and none was named; or it
    /// is global, and a tenant was named and not their class.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<String>,
    /// The rule by which it ended early: what is about the subject may be left in the last
    /// of `domains` and in those `not_reached`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incomplete: Option<String>,
    /// Domains that were to be looked at after the one in which it ended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_reached: Vec<String>,
}

impl ErasureReceipt {
    /// Whether a domain is finished, or something was deleted.
    pub(crate) fn is_of_something(&self) -> bool {
        self.domains.iter().any(|domain| domain.incomplete.is_none() || domain.deleted > 0)
    }
}

/// What was deleted in one domain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErasedDomain {
    /// The domain's name.
    pub name: String,
    /// Its classes.
    pub classes: Vec<String>,
    /// The domain's permanent id.
    pub domain: String,
    /// How many tokens were deleted, with their values.
    pub deleted: u64,
    /// SHA-256 over the deleted tokens in the order of their bytes, each with its length
    /// before it as four bytes big-endian; hexadecimal.
    pub digest: String,
    /// How many tokens stay because they are about others too.
    pub shared: u64,
    /// When, in milliseconds since 1970.
    pub at: i64,
    /// The rule by which it ended early in this domain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incomplete: Option<String>,
}

/// What an import did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportReport {
    /// Lines stored now.
    pub imported: u64,
    /// Lines that were there already.
    pub already: u64,
    /// Lines whose value has another token, which stays.
    pub conflict: u64,
    /// Lines whose token is another value's.
    pub taken: u64,
    /// Lines that break a rule.
    pub invalid: u64,
    /// The first lines that were not stored: number, and why.
    pub refused: Vec<(u64, String)>,
}

impl Drop for Subject {
    fn drop(&mut self) {
        self.subject.zeroize();
    }
}

impl Drop for Transfer {
    fn drop(&mut self) {
        self.token.zeroize();
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.text.zeroize();
    }
}
