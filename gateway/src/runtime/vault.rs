//! Vaulted tokens: what an operator does with them. Every act is on the record with how
//! many it was about, and never with which.

use std::future::Future;
use std::time::{Duration, SystemTime};

use allonym_audit::{AuditSink, Durability, Event, EventKind};
use allonym_keyring::DomainId;
use allonym_protect::{Method, Owner, TokenError, Vaulted};
use allonym_record::Value;
use allonym_store::{Store, StoreError};

use super::{Gateway, store_problem};
use crate::api::{
    Erased, ErasedDomain, ErasureReceipt, Problem, TokenChange, TokenCount, TokenPage, TokenView,
};
use crate::plan::Plan;

/// Most tokens in one request.
pub(crate) const MOST: usize = 10_000;
/// What the store keeps beside tokens, as if they were some, begins with it; no token does.
const NO_TOKEN: char = '\u{1}';
/// Before every token, and after all that is kept beside them.
const FIRST_TOKEN: &str = "\u{2}";
/// The end of a token may lie so far away, in seconds: a hundred years.
const LONGEST: u64 = 36_500 * 86_400;

/// What an act gives back, and what the record says of it.
pub(crate) type Told<T> = Result<(T, Vec<(&'static str, String)>), Problem>;

impl Gateway {
    /// Some tokens of a class in the order of their bytes, with what is known of them but
    /// for their values.
    ///
    /// # Errors
    /// When the class has no vaulted tokens, or the store or the record is away.
    pub async fn list_tokens(
        &self,
        actor: &str,
        class: &str,
        after: Option<String>,
        limit: usize,
    ) -> Result<TokenPage, Problem> {
        let plan = self.plan();
        let vaulted = vaulted(&plan, class)?;
        self.recorded(actor, "tokens.list", &[("class", class)], async |_| {
            // What is no token stands before all that are.
            let others = format!("{NO_TOKEN}\u{10ffff}");
            let mut after = after.map_or_else(|| others.clone(), |after| after.max(others.clone()));
            let limit = limit.clamp(1, MOST);
            let mut views: Vec<TokenView> = Vec::new();
            // A page ends where it would be too large: only an empty one is the end.
            while views.len() < limit {
                let page = self.some_tokens(vaulted, &after, limit - views.len()).await?;
                let Some(last) = page.last() else { break };
                after.clone_from(&last.token);
                views.extend(page);
            }
            let next = (views.len() == limit).then_some(after);
            let told = vec![("tokens", views.len().to_string())];
            Ok((TokenPage { tokens: views, next }, told))
        })
        .await
    }

    /// The next tokens of a method's domain, at least one unless there are none.
    async fn some_tokens(
        &self,
        vaulted: &Vaulted,
        after: &str,
        limit: usize,
    ) -> Result<Vec<TokenView>, Problem> {
        let id = vaulted.domain().domain.id;
        let rows = self.store.token_page(id, Some(after.to_owned()), limit).await;
        let rows = rows.map_err(|error| store_problem(&error))?;
        let tokens: Vec<&str> = rows.iter().map(|row| row.token.as_str()).collect();
        let keys = self.shared.newest.load_full();
        let metadata = self.vault.metadata(vaulted.domain(), &*keys, &tokens).await;
        let metadata = metadata.map_err(|error| token_problem(&error))?;
        let view = |(row, metadata): (&allonym_store::TokenRow, Option<_>)| TokenView {
            token: row.token.clone(),
            created: row.created,
            expires: row.expires,
            disabled: row.disabled,
            metadata: metadata.unwrap_or_default(),
        };
        Ok(rows.iter().zip(metadata).map(view).collect())
    }

    /// How many tokens each class has; classes that share a domain have the same ones.
    ///
    /// # Errors
    /// When a class has no vaulted tokens, or the store or the record is away.
    pub async fn count_tokens(
        &self,
        actor: &str,
        class: Option<&str>,
    ) -> Result<Vec<TokenCount>, Problem> {
        let plan = self.plan();
        let domains = domains(&plan, class)?;
        self.recorded(actor, "tokens.count", &[], async |_| {
            let mut counts = Vec::with_capacity(domains.len());
            for (domain, classes, vaulted) in &domains {
                let counted = count(&self.store, vaulted.domain().domain.id).await;
                counts.push(TokenCount {
                    domain: domain.clone(),
                    classes: classes.clone(),
                    tokens: counted.map_err(|error| store_problem(&error))?,
                });
            }
            let told = vec![("domains", counts.len().to_string())];
            Ok((counts, told))
        })
        .await
    }

    /// Switches tokens off or on, deletes them, or gives them another end. Says for each
    /// whether there is such a token.
    ///
    /// # Errors
    /// When the class has no vaulted tokens, the end cannot be kept, this process may not
    /// write, or the store or the record is away.
    pub async fn change_tokens(
        &self,
        actor: &str,
        class: &str,
        tokens: &[String],
        change: TokenChange,
    ) -> Result<Vec<bool>, Problem> {
        if tokens.len() > MOST {
            return Err(Problem::new("too-many", format!("at most {MOST} tokens in one request")));
        }
        let plan = self.plan();
        let vaulted = vaulted(&plan, class)?;
        let expires = end(change)?;
        self.shared.tenure.check()?;
        let action = match change {
            TokenChange::Disable => "tokens.disable",
            TokenChange::Enable => "tokens.enable",
            TokenChange::Delete => "tokens.delete",
            TokenChange::Expire { .. } => "tokens.expire",
        };
        let asked = tokens.len().to_string();
        let named = [("class", class), ("asked", &*asked)];
        self.recorded(actor, action, &named, async |_| {
            let issued: Vec<Option<String>> =
                tokens.iter().map(|token| vaulted.issued(&Value::text(token.as_str()))).collect();
            let known: Vec<&str> = issued.iter().flatten().map(String::as_str).collect();
            let domain = vaulted.domain();
            let done = match change {
                TokenChange::Disable => self.vault.set_disabled(domain, &known, true).await,
                TokenChange::Enable => self.vault.set_disabled(domain, &known, false).await,
                TokenChange::Delete => self.vault.delete(domain, &known).await,
                TokenChange::Expire { .. } => self.vault.set_expiry(domain, &known, expires).await,
            };
            let mut done = done.map_err(|error| token_problem(&error))?.into_iter();
            let done: Vec<bool> = issued
                .iter()
                .map(|token| token.is_some() && done.next().unwrap_or(false))
                .collect();
            let count = done.iter().filter(|done| **done).count();
            Ok((done, vec![("done", count.to_string())]))
        })
        .await
    }

    /// Moves the counters of a class's domain so many numbers on, and lets them go on if
    /// they wait after a restore.
    ///
    /// # Errors
    /// When the class has no vaulted tokens, this process may not write, or the store or
    /// the record is away.
    pub async fn resume_tokens(
        &self,
        actor: &str,
        class: &str,
        skip: u64,
    ) -> Result<String, Problem> {
        let plan = self.plan();
        let id = vaulted(&plan, class)?.domain().domain.id;
        self.shared.tenure.check()?;
        let skipped = skip.to_string();
        self.recorded(actor, "tokens.resume", &[("class", class), ("skip", &skipped)], async |_| {
            let resumed = self.vault.resume(id, skip).await;
            let waited = resumed.map_err(|error| token_problem(&error))?;
            let again = if waited { " again" } else { "" };
            let done = format!("tokens of `{class}` are issued{again}, {skip} numbers further on");
            Ok((done, vec![("waited", waited.to_string())]))
        })
        .await
    }

    /// Deletes what is about a data subject, in one class's domain or in all: without a
    /// tenant in those of global scope, with one in those of its scope. What a failure
    /// leaves is said in what is given back ([`Erased::failed`]) once something was done.
    ///
    /// # Errors
    /// When the class has no vaulted tokens, this process may not write, or the store or
    /// the record is away before anything is deleted.
    pub async fn erase_subject(
        &self,
        actor: &str,
        owner: Owner<'_>,
        class: Option<&str>,
    ) -> Result<Erased, Problem> {
        if owner.subject.is_empty() {
            return Err(Problem::new("subject-invalid", "the subject is empty"));
        }
        let plan = self.plan();
        let domains = domains(&plan, class)?;
        self.shared.tenure.check()?;
        let named: Vec<_> = class.map(|class| ("class", class)).into_iter().collect();
        let mut partial = None;
        let act = async |audit| {
            let erased = self.erase_domains(audit, owner, &domains, class.is_some()).await;
            let receipt = &erased.receipt;
            let told = vec![
                ("deleted", receipt.deleted.to_string()),
                ("shared", erased.shared.len().to_string()),
                ("domains", receipt.domains.len().to_string()),
                ("skipped", receipt.skipped.len().to_string()),
                ("not_reached", receipt.not_reached.len().to_string()),
            ];
            let Some(problem) = erased.failed.clone() else { return (Ok(erased), told) };
            partial = Some(erased);
            (Err(problem), told)
        };
        let outcome = self.recorded_told(actor, "tokens.erase", &named, act).await;
        match partial {
            Some(partial) if partial.receipt.is_of_something() => Ok(partial),
            _ => outcome,
        }
    }

    /// Domain by domain, until one fails.
    async fn erase_domains(
        &self,
        audit: u64,
        owner: Owner<'_>,
        domains: &[Domain<'_>],
        is_named: bool,
    ) -> Erased {
        let receipt = ErasureReceipt { audit, ..ErasureReceipt::default() };
        let mut all = Erased { receipt, shared: Vec::new(), failed: None };
        for (name, classes, vaulted) in domains {
            let owner = match (vaulted.tenant_claim(), owner.tenant) {
                (None, "") => owner,
                // The same name is another person with another tenant, and may be here.
                (None, _) if is_named => Owner { tenant: "", ..owner },
                (None, _) | (Some(_), "") => {
                    all.receipt.skipped.push(name.clone());
                    continue;
                }
                (Some(_), _) => owner,
            };
            if all.failed.is_some() {
                all.receipt.not_reached.push(name.clone());
                continue;
            }
            let erasure = match self.vault.erase(vaulted.domain(), owner).await {
                Ok(erasure) => erasure,
                Err(error) => {
                    all.failed = Some(in_domain(name, &error));
                    all.receipt.not_reached.push(name.clone());
                    continue;
                }
            };
            all.failed = erasure.failed.map(|error| in_domain(name, &error));
            let class = classes.first().cloned().unwrap_or_default();
            all.shared.extend(erasure.shared.into_iter().map(|token| (class.clone(), token)));
            let receipt = erasure.receipt;
            all.receipt.domains.push(ErasedDomain {
                name: name.clone(),
                classes: classes.clone(),
                domain: receipt.domain,
                deleted: receipt.deleted,
                digest: receipt.digest,
                shared: receipt.shared,
                at: receipt.at,
                incomplete: all.failed.as_ref().map(|problem| problem.rule.clone()),
            });
        }
        all.receipt.deleted = all.receipt.domains.iter().map(|domain| domain.deleted).sum();
        all.receipt.incomplete = all.failed.as_ref().map(|problem| problem.rule.clone());
        all
    }

    /// Intent, act, result, for acts that wait for the store. The act is told the number
    /// of its intent.
    pub(crate) async fn recorded<T, F>(
        &self,
        actor: &str,
        action: &str,
        named: &[(&str, &str)],
        act: impl FnOnce(u64) -> F,
    ) -> Result<T, Problem>
    where
        F: Future<Output = Told<T>>,
    {
        let act = async |intent| match act(intent).await {
            Ok((value, told)) => (Ok(value), told),
            Err(problem) => (Err(problem), Vec::new()),
        };
        self.recorded_told(actor, action, named, act).await
    }

    /// The same, for acts of which something is to be told when they fail, too.
    pub(crate) async fn recorded_told<T, F>(
        &self,
        actor: &str,
        action: &str,
        named: &[(&str, &str)],
        act: impl FnOnce(u64) -> F,
    ) -> Result<T, Problem>
    where
        F: Future<Output = (Result<T, Problem>, Vec<(&'static str, String)>)>,
    {
        let event = named.iter().fold(
            Event::new(EventKind::Intent, format!("operator:{actor}"), action),
            |event, (name, what)| event.with_detail(*name, *what),
        );
        let result = Event { kind: EventKind::Result, ..event.clone() };
        let accepted = self.audit.accept(event, Durability::Power).await;
        let intent = accepted.map_err(|error| {
            let detail = format!("nothing is done that is not on the record: {error}");
            Problem::new("audit-unavailable", detail)
        })?;
        let (outcome, told) = act(intent).await;
        let mut result = Event { of: Some(intent), ..result };
        result.outcome = Some(if outcome.is_ok() { "done" } else { "failed" }.to_owned());
        for (name, what) in told {
            result.detail.insert(name.to_owned(), what);
        }
        if let Err(problem) = &outcome {
            result.rule = Some(problem.rule.clone());
        }
        // The act has happened: a record that fails now is an alert.
        if self.audit.accept(result, Durability::Power).await.is_err() {
            self.shared.metrics.audit_refused();
        }
        outcome
    }

    /// Counts the tokens of every domain, as metrics.
    pub(super) async fn measure_tokens(&self) {
        let plan = self.plan();
        for (domain, _, vaulted) in domains(&plan, None).unwrap_or_default() {
            if let Ok(tokens) = count(&self.store, vaulted.domain().domain.id).await {
                self.shared.metrics.tokens(&domain, tokens);
            }
        }
    }

    /// Domains with a counter of which four fifths are used, with the share of the
    /// fullest one.
    pub(super) fn pressed(&self) -> Vec<(String, f64)> {
        let plan = self.plan();
        let mut pressed: Vec<(String, f64)> = Vec::new();
        for pressure in self.vault.pressure() {
            let named = plan.classes.iter().filter_map(crate::plan::ClassPlan::method_of);
            let named = named.filter(|p| p.domain.id == pressure.domain).map(|p| &p.domain_name);
            let Some(name) = named.into_iter().next() else { continue };
            #[expect(clippy::cast_precision_loss, reason = "a share for people")]
            let used = pressure.used as f64 / pressure.limit.max(1) as f64;
            match pressed.iter_mut().find(|(domain, _)| domain == name) {
                Some((_, most)) => *most = most.max(used),
                None => pressed.push((name.clone(), used)),
            }
        }
        pressed
    }
}

/// What is said of a counter that runs out.
pub(super) fn pressure_warning(domain: &str, used: f64) -> String {
    format!(
        "the tokens of domain `{domain}` run out: {:.0} % of a counter are used; when none is left, new values are refused",
        used * 100.0
    )
}

/// The vaulted method of a class.
pub(crate) fn vaulted<'a>(plan: &'a Plan, class: &str) -> Result<&'a Vaulted, Problem> {
    let found = plan
        .class(class)
        .ok_or_else(|| Problem::new("class-unknown", format!("`data:` has no class `{class}`")))?;
    match found.method_of().map(|protected| &protected.method) {
        Some(Method::Stored(vaulted)) => Ok(vaulted),
        _ => Err(Problem::new(
            "class-not-vaulted",
            format!("class `{class}` has no tokens in the store: its method is not `token`"),
        )),
    }
}

/// A domain's name, its classes, and the method of one of them.
type Domain<'a> = (String, Vec<String>, &'a Vaulted);

/// The domain of a class, or all that have tokens, each once.
fn domains<'a>(plan: &'a Plan, class: Option<&str>) -> Result<Vec<Domain<'a>>, Problem> {
    if let Some(class) = class {
        vaulted(plan, class)?;
    }
    let mut found: Vec<(DomainId, Domain<'a>)> = Vec::new();
    for of in &plan.classes {
        let Some(protected) = of.method_of() else { continue };
        let Method::Stored(vaulted) = &protected.method else { continue };
        match found.iter_mut().find(|(id, _)| *id == protected.domain.id) {
            Some((_, (_, classes, _))) => classes.push(of.name.to_string()),
            None => {
                let classes = vec![of.name.to_string()];
                let domain = (protected.domain_name.clone(), classes, &**vaulted);
                found.push((protected.domain.id, domain));
            }
        }
    }
    let domains = found.into_iter().map(|(_, domain)| domain);
    let asked = |classes: &[String]| class.is_none_or(|class| classes.iter().any(|c| c == class));
    Ok(domains.filter(|(_, classes, _)| asked(classes)).collect())
}

/// How many tokens a domain has, without what is kept beside them.
async fn count(store: &Store, domain: DomainId) -> Result<u64, StoreError> {
    store.token_count_from(domain, FIRST_TOKEN).await
}

/// Why an erasure ended early, and where.
fn in_domain(domain: &str, error: &TokenError) -> Problem {
    let Problem { rule, detail } = token_problem(error);
    Problem { rule, detail: format!("domain `{domain}`: {detail}") }
}

/// When tokens end that are given another end.
fn end(change: TokenChange) -> Result<Option<SystemTime>, Problem> {
    let TokenChange::Expire { seconds: Some(seconds) } = change else { return Ok(None) };
    let end = SystemTime::now().checked_add(Duration::from_secs(seconds.min(LONGEST)));
    end.filter(|_| (1..=LONGEST).contains(&seconds)).map(Some).ok_or_else(|| {
        let detail = format!("a token ends after 1 second to {} days", LONGEST / 86_400);
        Problem::new("expiry-invalid", detail)
    })
}

/// The token store's failure, as commands are told it.
pub(crate) fn token_problem(error: &TokenError) -> Problem {
    let rule = match error {
        TokenError::Key(_) => "key-unavailable",
        TokenError::Altered => "unreadable",
        TokenError::Waiting => "tokens-waiting",
        TokenError::Unavailable(_) | TokenError::Taken => "store-unavailable",
    };
    Problem::new(rule, error.to_string())
}
