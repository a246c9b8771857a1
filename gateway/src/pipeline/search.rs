//! Look-ups: the stored forms of an operand. Nothing is ever stored here.

use allonym_contract::{Crossing, Fault, Refusal};
use allonym_policy::Right;
use allonym_protect::{FaultRule, Mark, Method, VaultedFault};
use allonym_record::Value;

use super::inbound::{fault_to_refusal, field};
use super::{Pipeline, Selection};
use crate::plan::PlacePlan;

impl Pipeline {
    pub(super) async fn search(
        &self,
        crossing: &mut Crossing,
        rule: usize,
        operand: &Value,
    ) -> Result<Vec<Value>, Refusal> {
        let place = self.place(&crossing.place)?;
        let (_, class) = self.class(place, rule)?;
        let selection = Selection { record: 0, field: 0, rule, value: operand.clone() };
        let Some(protected) = class.protected() else {
            self.allow(crossing, place, &selection, Right::Search, 1)?;
            crossing.ledger.count(&class.name, "searched", 1);
            return Ok(vec![operand.clone()]);
        };
        let newest = self.shared.newest.load_full();
        let context = self.context(class, &crossing.principal, None, &newest);
        match protected.mark(operand, &context) {
            Mark::Plain | Mark::Unmarked => {}
            // Searching by a token would let its holder find whose it is.
            Mark::Protected(_) => {
                return Err(Refusal::new(
                    Fault::Unacceptable,
                    "token-refused",
                    "search by the plain value, not by a protected one",
                )
                .at(field(place, &selection)));
            }
            Mark::Neither(rule) => return Err(unsearchable(place, &selection, rule)),
        }
        self.allow(crossing, place, &selection, Right::Search, 1)?;
        let forms = match &protected.method {
            Method::Pure(transform) => {
                transform.stored_forms(operand, &context).map_err(VaultedFault::Fault)
            }
            Method::Stored(vaulted) => vaulted.stored_forms(&[operand], &context).await,
        };
        let forms = forms.map_err(|fault| match fault {
            VaultedFault::Fault(fault) if fault.rule != FaultRule::NoKey => {
                unsearchable(place, &selection, fault.rule)
            }
            fault => fault_to_refusal(&fault, place, std::slice::from_ref(&selection), &[0]),
        })?;
        crossing.ledger.count(&class.name, "searched", 1);
        Ok(forms)
    }
}

/// A value that cannot be searched for.
fn unsearchable(place: &PlacePlan, selection: &Selection, rule: FaultRule) -> Refusal {
    let detail = match rule {
        // Of nearly all forms one would be somebody's token, and find that somebody.
        FaultRule::Exhausted => {
            "the value has no token, and nearly all tokens of its format are issued: nothing can be searched for in its place".to_owned()
        }
        _ => format!("{rule}: search by a plain value of the class"),
    };
    Refusal::new(Fault::Unacceptable, "outside-template", detail).at(field(place, selection))
}
