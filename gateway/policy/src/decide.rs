use std::sync::Arc;
use std::time::SystemTime;

use cedar_policy::{
    Authorizer, Context, Decision as Verdict, Entities, Entity, Request, Response,
    RestrictedExpression,
};

use crate::cache::{Cache, Span};
use crate::compile::{Compiled, compile, micros, rule_of};
use crate::names::{Kinds, Names};
use crate::{AccessRule, Effect, PolicyError, PolicyInput, Right};

/// Compiled rules, and the decisions made from them so far.
pub struct Policy {
    rules: Vec<AccessRule>,
    revision: u64,
    compiled: Compiled,
    names: Names,
    kinds: Kinds,
    authorizer: Authorizer,
    cache: Cache,
}

/// May one of these roles use this right on this data class, here and now?
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The roles of the principal, in any order.
    pub roles: &'a [String],
    /// What it wants to do.
    pub right: Right,
    /// With which data class.
    pub class: &'a str,
    /// Where.
    pub place: &'a str,
    /// Why, if it said so.
    pub purpose: Option<&'a str>,
    /// When.
    pub now: SystemTime,
}

/// What the rules say to a [`Question`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The rules that permit it, in file order; none, if it is forbidden.
    pub permits: Arc<[usize]>,
    /// A rule forbids it (or it could not be decided).
    pub forbidden: bool,
    /// The rules that would permit it but for the purpose or the time.
    pub missed: Arc<[Missed]>,
}

/// A rule that would have permitted it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Missed {
    /// Which rule.
    pub rule: usize,
    /// What it would have permitted.
    pub right: Right,
    /// Why it did not.
    pub reason: Reason,
}

/// Why a rule did not apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// It needs a purpose, and none was stated.
    PurposeRequired,
    /// The stated purpose is not one that satisfies it.
    PurposeUnknown,
    /// It has ended.
    Expired,
    /// It has not begun.
    NotYetValid,
}

/// What may this caller see of a data class, here and now?
#[derive(Clone, Copy, Debug)]
pub struct ReadQuestion<'a> {
    /// The roles of the principal, in any order.
    pub roles: &'a [String],
    /// The data class.
    pub class: &'a str,
    /// Where.
    pub place: &'a str,
    /// Why, if it said so.
    pub purpose: Option<&'a str>,
    /// When.
    pub now: SystemTime,
}

/// What the rules say to a [`ReadQuestion`]. After the last entry of `ranked` comes
/// [`Outcome::Protected`], which needs no rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadDecision {
    /// What is granted, the best first; equal outcomes in file order.
    pub ranked: Vec<Granted>,
    /// The rules that would have granted something.
    pub missed: Vec<Missed>,
}

/// An outcome and the rule that grants it (and whose budget is charged for it).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Granted {
    /// Which rule.
    pub rule: usize,
    /// What it grants: plain or masked.
    pub outcome: Outcome,
}

/// What becomes of a value that is read; a later one is a better one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// It is left as it is.
    Protected,
    /// It is seen in part.
    Masked,
    /// It is seen.
    Plain,
}

impl Policy {
    /// Compiles rules.
    ///
    /// # Errors
    /// Everything that is wrong with them: an undeclared class or purpose, a rule that
    /// can never apply, a rule that forbids depending on a purpose.
    pub fn compile(input: PolicyInput) -> Result<Self, Vec<PolicyError>> {
        let compiled = compile(&input)?;
        let names = Names::of(&input);
        let kinds = Kinds::new().map_err(|message| vec![PolicyError { rule: 0, message }])?;
        Ok(Self {
            rules: input.rules,
            revision: input.revision,
            compiled,
            names,
            kinds,
            authorizer: Authorizer::new(),
            cache: Cache::new(),
        })
    }

    /// Which revision of the configuration it was compiled from.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// A rule by its number.
    #[must_use]
    pub fn rule(&self, index: usize) -> Option<&AccessRule> {
        self.rules.get(index)
    }

    /// The rules as Cedar policies, in file order.
    #[must_use]
    pub fn cedar_text(&self) -> String {
        self.compiled.text.clone()
    }

    /// Answers one question. Forbidding wins; what no rule permits is not permitted.
    #[must_use]
    pub fn decide(&self, question: &Question<'_>) -> Decision {
        let Some(key) = self.names.key(question) else {
            return Decision::nothing();
        };
        let now = micros(question.now);
        if let Some(decision) = self.cache.find(&key, now) {
            return decision;
        }
        let decision = self.evaluate(question, now);
        self.cache.keep(key, decision.clone(), self.span(question, now));
        decision
    }

    /// Whether one of these roles could ever use this right on this class: at some place,
    /// for some purpose, at some time. For what must hold wherever a value may go next.
    #[must_use]
    pub fn could(&self, roles: &[String], right: Right, class: &str) -> bool {
        self.rules.iter().any(|rule| {
            rule.effect == Effect::Permit
                && roles.contains(&rule.role)
                && rule
                    .rights
                    .get(&right)
                    .is_some_and(|classes| classes.iter().any(|named| named == class))
        })
    }

    /// What a caller may see of a data class. A forbidden `reveal` takes plain values
    /// away; a forbidden `mask` takes both, since plain is more than masked.
    #[must_use]
    pub fn outcome(&self, question: &ReadQuestion<'_>) -> ReadDecision {
        let &ReadQuestion { roles, class, place, purpose, now } = question;
        let ask = |right| self.decide(&Question { roles, right, class, place, purpose, now });
        let masked = ask(Right::Mask);
        if masked.forbidden {
            return ReadDecision { ranked: Vec::new(), missed: Vec::new() };
        }
        let plain = ask(Right::Reveal);
        let grants = |decision: &Decision, outcome| {
            let permits = Arc::clone(&decision.permits);
            (0..permits.len())
                .filter_map(move |at| Some(Granted { rule: *permits.get(at)?, outcome }))
        };
        ReadDecision {
            ranked: grants(&plain, Outcome::Plain)
                .chain(grants(&masked, Outcome::Masked))
                .collect(),
            missed: plain.missed.iter().chain(masked.missed.iter()).copied().collect(),
        }
    }

    fn evaluate(&self, question: &Question<'_>, now: i64) -> Decision {
        let Some(response) = self.ask_cedar(question, now) else {
            return Decision::refused();
        };
        // A policy that fails is skipped by Cedar; a skipped `forbid` must not open a door.
        if response.diagnostics().errors().next().is_some() {
            return Decision::refused();
        }
        let mut permits: Vec<usize> = Vec::new();
        if response.decision() == Verdict::Allow {
            permits.extend(response.diagnostics().reason().filter_map(rule_of));
            permits.sort_unstable();
        } else if response.diagnostics().reason().next().is_some() {
            return Decision::refused();
        }
        let missed = self
            .concerned(question)
            .filter(|(index, rule)| rule.effect == Effect::Permit && !permits.contains(index))
            .map(|(rule, access)| Missed {
                rule,
                right: question.right,
                reason: Reason::of(access, question, now),
            })
            .collect();
        Decision { permits: permits.into(), forbidden: false, missed }
    }

    fn ask_cedar(&self, question: &Question<'_>, now: i64) -> Option<Response> {
        let caller = self.kinds.uid(&self.kinds.caller, "caller");
        let roles = question.roles.iter().map(|role| self.kinds.uid(&self.kinds.role, role));
        let entity = Entity::new_no_attrs(caller.clone(), roles.collect());
        let entities = Entities::from_entities([entity], None).ok()?;
        let string = |text: &str| RestrictedExpression::new_string(text.to_owned());
        let mut context = vec![
            ("place".to_owned(), string(question.place)),
            ("now".to_owned(), RestrictedExpression::new_long(now)),
        ];
        if let Some(purpose) = question.purpose {
            context.push(("purpose".to_owned(), string(purpose)));
        }
        let request = Request::new(
            caller,
            self.kinds.uid(&self.kinds.action, question.right.word()),
            self.kinds.uid(&self.kinds.class, question.class),
            Context::from_pairs(context).ok()?,
            Some(&self.compiled.schema),
        );
        let policies = &self.compiled.policies;
        Some(self.authorizer.is_authorized(&request.ok()?, policies, &entities))
    }

    /// For how long a decision holds: until the next beginning or end of a rule that
    /// was looked at, and not before the last one.
    fn span(&self, question: &Question<'_>, now: i64) -> Span {
        let mut span = Span { from: i64::MIN, until: i64::MAX };
        for (_, rule) in self.concerned(question) {
            for boundary in [rule.not_before, rule.valid_until].into_iter().flatten().map(micros) {
                if boundary <= now {
                    span.from = span.from.max(boundary);
                } else {
                    span.until = span.until.min(boundary);
                }
            }
        }
        span
    }

    /// The rules about these roles, this right, this class and this place, whatever
    /// they say of purpose and time.
    fn concerned<'a>(
        &'a self,
        question: &'a Question<'_>,
    ) -> impl Iterator<Item = (usize, &'a AccessRule)> {
        self.rules.iter().enumerate().filter(|(_, rule)| {
            question.roles.contains(&rule.role)
                && rule
                    .rights
                    .get(&question.right)
                    .is_some_and(|classes| classes.iter().any(|class| class == question.class))
                && rule
                    .places
                    .as_ref()
                    .is_none_or(|places| places.iter().any(|place| place == question.place))
        })
    }
}

impl Decision {
    /// No rule speaks of it.
    pub(crate) fn nothing() -> Self {
        Self { permits: Arc::from([]), forbidden: false, missed: Arc::from([]) }
    }

    fn refused() -> Self {
        Self { forbidden: true, ..Self::nothing() }
    }

    /// Whether any rule permits it.
    #[must_use]
    pub fn allowed(&self) -> bool {
        !self.forbidden && !self.permits.is_empty()
    }
}

impl ReadDecision {
    /// Why it was not more than this outcome: the rules that would have given more.
    pub fn missed_above(&self, reached: Outcome) -> impl Iterator<Item = &Missed> {
        self.missed.iter().filter(move |missed| {
            let would =
                if missed.right == Right::Reveal { Outcome::Plain } else { Outcome::Masked };
            would > reached
        })
    }
}

impl Reason {
    /// The stable word for notices and audit records.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::PurposeRequired => "purpose-required",
            Self::PurposeUnknown => "purpose-unknown",
            Self::Expired => "rule-expired",
            Self::NotYetValid => "rule-not-yet-valid",
        }
    }

    /// What to do about it, to be put behind a sentence that says no.
    #[must_use]
    pub const fn hint(self) -> &'static str {
        match self {
            Self::PurposeRequired => ": a purpose has to be stated",
            Self::PurposeUnknown => ": the stated purpose is not one that counts here",
            Self::Expired => ": the rule that allowed it has ended",
            Self::NotYetValid => ": the rule that allows it has not begun",
        }
    }

    fn of(rule: &AccessRule, question: &Question<'_>, now: i64) -> Self {
        if rule.valid_until.is_some_and(|until| now >= micros(until)) {
            Self::Expired
        } else if rule.not_before.is_some_and(|from| now < micros(from)) {
            Self::NotYetValid
        } else if question.purpose.is_none() {
            Self::PurposeRequired
        } else {
            Self::PurposeUnknown
        }
    }
}
