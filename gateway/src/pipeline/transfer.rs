//! Export and import of tokens with their values: no value goes through a transform here,
//! and the same decisions hold as where one does.

use std::sync::Arc;

use allonym_contract::{Crossing, Fault, Refusal};
use allonym_keyring::KeySet;
use allonym_policy::{Outcome, Right};

use super::inbound::{count, question};
use super::{Pipeline, spent};

/// The rule of an export that its caller may not have; no other channel knows it.
const NOT_REVEALED: &str = "reveal-not-allowed";

impl Pipeline {
    /// The newest keys.
    #[must_use]
    pub fn newest_keys(&self) -> Arc<KeySet> {
        self.shared.newest.load_full()
    }

    /// Whether so many values of the class of a local place may be revealed in plain. The
    /// intent is on the record when this returns.
    ///
    /// # Errors
    /// When they may not, or not all of them, or the record is away.
    pub async fn may_export(&self, crossing: &mut Crossing, values: usize) -> Result<(), Refusal> {
        let place = self.place(&crossing.place)?;
        let (_, class) = self.class(place, 0)?;
        if self.outcome(crossing, class, values)? != Outcome::Plain {
            let reasons: Vec<&str> = crossing.notices.iter().map(|notice| notice.reason).collect();
            let why = if reasons.is_empty() {
                String::new()
            } else {
                format!(" ({})", reasons.join(", "))
            };
            let detail = format!(
                "the caller may not reveal `{}` in plain{why}: nothing more is exported",
                class.name
            );
            return Err(Refusal::new(Fault::Forbidden, NOT_REVEALED, detail));
        }
        self.intend(crossing, place).await?;
        crossing.ledger.count(&class.name, "revealed", count(values));
        Ok(())
    }

    /// Whether so many values with tokens of their own may be stored for the class of a
    /// local place: both rights are needed, and the budget of writes pays.
    ///
    /// # Errors
    /// When they may not, the class is retired, or this process may not write.
    pub async fn may_import(&self, crossing: &Crossing, values: usize) -> Result<(), Refusal> {
        let place = self.place(&crossing.place)?;
        let (_, class) = self.class(place, 0)?;
        let refused =
            |rule: &'static str, detail: String| Err(Refusal::new(Fault::Forbidden, rule, detail));
        if class.retired {
            let detail = "nothing new is protected under a retired class".to_owned();
            return refused("class-retired", detail);
        }
        let tokens = self.plan.policy.decide(&question(crossing, &class.name, Right::WriteToken));
        if tokens.forbidden || tokens.permits.is_empty() {
            let detail = format!("the caller has no right `write_token` for `{}`", class.name);
            return refused("write-token-not-allowed", detail);
        }
        let writes = self.plan.policy.decide(&question(crossing, &class.name, Right::Write));
        if writes.forbidden || writes.permits.is_empty() {
            let detail = format!("the caller has no right `write` for `{}`", class.name);
            return refused("write-not-allowed", detail);
        }
        self.may_store(&class.name)?;
        self.pin(place, &crossing.place, 0).await?;
        let mut permits = writes.permits.iter();
        if values > 0 && !permits.any(|rule| self.charge(crossing, *rule, Right::Write, values)) {
            self.shared.metrics.budget_spent(&class.name, "write");
            return Err(spent(&format!("write `{}`", class.name)));
        }
        Ok(())
    }
}
