//! Who may ask what, and the answers.

use std::sync::Arc;

use allonym_contract::{
    Crossing, Direction, Guard, Namespace, Principal, PrincipalKind, RequestId,
};
use allonym_keyring::NamespaceId;
use allonym_protect::Owner;
use allonym_record::{CannotInsert, Field, Record, Value};
use zeroize::Zeroizing;

use super::{Batch, Operator, OperatorRight, Problem, Reply, Request, Shown, TokenChange};
use crate::plan::local_place;
use crate::runtime::Gateway;

/// The rule of those who ask for what they have no right to.
pub(super) const NOT_ALLOWED: &str = "not-allowed";
/// Values in one request, so that one caller cannot hold the gateway for long.
const VALUES: usize = 10_000;

/// Answers one request of an operator or a local user.
///
/// # Errors
/// When the asker may not, or it cannot be done; nothing has been changed then.
pub async fn answer(
    gateway: &Arc<Gateway>,
    operator: &Operator,
    request: Request,
) -> Result<Reply, Problem> {
    let action = action(&request);
    let answered = judge(gateway, operator, request).await;
    if let Err(problem) = &answered
        && problem.rule == NOT_ALLOWED
    {
        gateway.record_refusal(&operator.name, action, NOT_ALLOWED).await;
    }
    answered
}

async fn judge(
    gateway: &Arc<Gateway>,
    operator: &Operator,
    request: Request,
) -> Result<Reply, Problem> {
    if let Some(right) = needed(&request) {
        allowed(operator, right)?;
    }
    let actor = &operator.name;
    match request {
        Request::Protect(batch) => transform(gateway, operator, batch, Direction::ToUpstream).await,
        Request::Reveal(batch) => transform(gateway, operator, batch, Direction::ToClient).await,
        Request::Explain { connector, place, role, purpose } => {
            gateway.explain(&connector, &place, &role, purpose.as_deref()).map(Reply::Explanation)
        }
        Request::Status => Ok(Reply::Status(gateway.status())),
        Request::Tokens { class, after, limit } => {
            gateway.list_tokens(actor, &class, after, limit).await.map(Reply::Tokens)
        }
        Request::CountTokens { class } => {
            gateway.count_tokens(actor, class.as_deref()).await.map(Reply::TokenCounts)
        }
        Request::ChangeTokens { class, tokens, change } => {
            gateway.change_tokens(actor, &class, &tokens, change).await.map(Reply::Changed)
        }
        Request::ResumeTokens { class, skip } => {
            gateway.resume_tokens(actor, &class, skip).await.map(Reply::Done)
        }
        Request::EraseSubject(asked) => {
            let tenant = asked.tenant.as_deref().unwrap_or_default();
            let owner = Owner { tenant, subject: &asked.subject };
            gateway.erase_subject(actor, owner, asked.class.as_deref()).await.map(Reply::Erased)
        }
        Request::ExportTokens(_) | Request::ImportTokens(_) => {
            Err(Problem::new("not-serving", "an export or import needs a running gateway"))
        }
        Request::Part(_) => Err(Problem::new("malformed", "a part of nothing")),
        // Everything else reads or writes files: off the threads that serve.
        request => {
            let (gateway, operator) = (Arc::clone(gateway), operator.clone());
            tokio::task::spawn_blocking(move || administer(&gateway, &operator, request))
                .await
                .map_err(|_| Problem::new("internal", "the task ended early"))?
        }
    }
}

/// Whether the operator has a right.
pub(super) fn allowed(operator: &Operator, right: OperatorRight) -> Result<(), Problem> {
    if operator.rights.contains(&right) {
        return Ok(());
    }
    let (name, right) = (&operator.name, word(right));
    let detail =
        format!("{name} has no right `{right}` here: give it in `admin: {{ operators: }}`");
    Err(Problem::new(NOT_ALLOWED, detail))
}

const fn needed(request: &Request) -> Option<OperatorRight> {
    match request {
        Request::Protect(_) | Request::Reveal(_) | Request::Explain { .. } | Request::Part(_) => {
            None
        }
        Request::Tokens { .. }
        | Request::CountTokens { .. }
        | Request::ChangeTokens { .. }
        | Request::ResumeTokens { .. }
        | Request::EraseSubject(_)
        | Request::ExportTokens(_)
        | Request::ImportTokens(_) => Some(OperatorRight::Tokens),
        // Whether a token may be made with `keys` alone depends on its role: see below.
        Request::Status
        | Request::Keys
        | Request::RotateKey { .. }
        | Request::Backup { .. }
        | Request::Check
        | Request::Reload
        | Request::CreateApiToken { .. }
        | Request::ApiTokens
        | Request::RevokeApiToken { .. }
        | Request::DbUsers
        | Request::PutDbUser { .. }
        | Request::RemoveDbUser { .. } => Some(OperatorRight::Keys),
        Request::AuditTail { .. } | Request::AuditVerify | Request::AuditAcceptCut => {
            Some(OperatorRight::Audit)
        }
    }
}

/// What the audit log calls a request.
pub(super) const fn action(request: &Request) -> &'static str {
    match request {
        Request::Status => "status",
        Request::Keys => "keys.list",
        Request::RotateKey { .. } => "keys.rotate",
        Request::CreateApiToken { .. } => "api-tokens.create",
        Request::ApiTokens => "api-tokens.list",
        Request::RevokeApiToken { .. } => "api-tokens.revoke",
        Request::DbUsers => "db-users.list",
        Request::PutDbUser { .. } => "db-users.add",
        Request::RemoveDbUser { .. } => "db-users.remove",
        Request::Tokens { .. } => "tokens.list",
        Request::CountTokens { .. } => "tokens.count",
        Request::ChangeTokens { change, .. } => match change {
            TokenChange::Disable => "tokens.disable",
            TokenChange::Enable => "tokens.enable",
            TokenChange::Delete => "tokens.delete",
            TokenChange::Expire { .. } => "tokens.expire",
        },
        Request::ResumeTokens { .. } => "tokens.resume",
        Request::EraseSubject(_) => "tokens.erase",
        Request::ExportTokens(_) => "tokens.export",
        Request::ImportTokens(_) | Request::Part(_) => "tokens.import",
        Request::Protect(_) => "protect",
        Request::Reveal(_) => "reveal",
        Request::Backup { .. } => "backup",
        Request::AuditTail { .. } => "audit.tail",
        Request::AuditVerify => "audit.verify",
        Request::AuditAcceptCut => "audit.accept-cut",
        Request::Explain { .. } => "explain",
        Request::Check => "check",
        Request::Reload => "reload",
    }
}

/// The right's word in the configuration.
#[must_use]
pub(super) const fn word(right: OperatorRight) -> &'static str {
    match right {
        OperatorRight::Keys => "keys",
        OperatorRight::Tokens => "tokens",
        OperatorRight::Audit => "audit",
    }
}

fn administer(
    gateway: &Arc<Gateway>,
    operator: &Operator,
    request: Request,
) -> Result<Reply, Problem> {
    match request {
        Request::Keys => gateway.keys().map(Reply::Keys),
        Request::RotateKey { key, from_version } => {
            gateway.rotate_key(&operator.name, &key, from_version).map(Reply::Rotated)
        }
        Request::CreateApiToken { name, role, purpose, claims, expires_in } => {
            if gateway.can_reveal(&role) && !operator.rights.contains(&OperatorRight::Tokens) {
                return Err(Problem::new(
                    "not-allowed",
                    format!(
                        "role `{role}` can reveal: making a token for it needs the right `tokens` in `admin: {{ operators: }}`"
                    ),
                ));
            }
            gateway
                .create_api_token(&operator.name, &name, &role, purpose, claims, expires_in)
                .map(Reply::ApiToken)
        }
        Request::ApiTokens => gateway.api_tokens().map(Reply::ApiTokens),
        Request::RevokeApiToken { name } => {
            gateway.revoke_api_token(&operator.name, &name).map(Reply::Done)
        }
        Request::DbUsers => gateway.db_users().map(Reply::DbUsers),
        Request::PutDbUser { name, verifier, replace } => {
            let verifier = Zeroizing::new(verifier);
            if gateway.db_user_can_reveal(&name)
                && !operator.rights.contains(&OperatorRight::Tokens)
            {
                return Err(Problem::new(
                    NOT_ALLOWED,
                    format!(
                        "user `{name}` can reveal: giving it a password needs the right `tokens` in `admin: {{ operators: }}`"
                    ),
                ));
            }
            gateway.put_db_user(&operator.name, &name, &verifier, replace).map(Reply::Done)
        }
        Request::RemoveDbUser { name } => {
            gateway.remove_db_user(&operator.name, &name).map(Reply::Done)
        }
        Request::Backup { file } => gateway.backup(&operator.name, &file).map(Reply::Done),
        Request::AuditTail { lines } => gateway.audit_tail(lines).map(Reply::Lines),
        Request::AuditVerify => gateway.audit_verify().map(Reply::Done),
        Request::AuditAcceptCut => gateway.accept_cut(&operator.name).map(Reply::Done),
        Request::Check => gateway.check().map(Reply::Warnings),
        Request::Reload => gateway
            .reload(&format!("operator:{}", operator.name))
            .map(|revision| Reply::Done(format!("revision {revision} is in force"))),
        _ => Err(Problem::new("internal", "not an administrative request")),
    }
}

/// `allonym protect` and `allonym reveal`: the same pipeline as everybody's, at a local
/// place of the class.
async fn transform(
    gateway: &Arc<Gateway>,
    operator: &Operator,
    batch: Batch,
    direction: Direction,
) -> Result<Reply, Problem> {
    if !gateway.is_serving() {
        return Err(Problem::new("not-serving", "protect and reveal need a running gateway"));
    }
    if batch.values.len() > VALUES {
        return Err(Problem::new("too-many", format!("at most {VALUES} values in one request")));
    }
    let principal = principal(gateway, operator, batch.token.as_deref())?;
    let pipeline = gateway.pipeline();
    let plain =
        pipeline.plan().class(&batch.class).is_some_and(|class| class.protected().is_none());
    if plain {
        let detail = format!(
            "class `{}` is `stored: plain`: there is no protected form of it to make or to reveal",
            batch.class
        );
        return Err(Problem::new("class-plain", detail));
    }
    let purpose = batch.purpose.as_deref();
    let mut crossing = crossing(gateway, principal, &batch.class, purpose, direction)?;
    crossing.subject = batch.subject.as_deref().map(Into::into);
    let mut values = Values::new(&batch.values);
    let result = pipeline.transform(&mut crossing, &mut [&mut values]).await;
    let notices = crossing.notices.iter().map(|notice| notice.reason.to_owned()).collect();
    let outcome = outcome(&crossing).to_owned();
    pipeline.close(crossing, result.as_ref().copied()).await;
    result.map_err(|refusal| Problem::new(refusal.rule, refusal.detail))?;
    Ok(Reply::Values(Shown { values: values.into_text(), outcome, notices }))
}

/// A passage of a local caller through the local place of a class.
pub(super) fn crossing(
    gateway: &Gateway,
    principal: Arc<Principal>,
    class: &str,
    purpose: Option<&str>,
    direction: Direction,
) -> Result<Crossing, Problem> {
    Ok(Crossing {
        request: RequestId::random().map_err(|_| Problem::new("internal", "no randomness"))?,
        namespace: Namespace(*NamespaceId::DEFAULT.as_bytes()),
        place: local_place(class),
        direction,
        purpose: principal.purpose.as_deref().or(purpose).map(Into::into),
        principal,
        subject: None,
        row: None,
        revision: gateway.pipeline().revision(),
        notices: Vec::new(),
        ledger: allonym_contract::Ledger::default(),
    })
}

/// The least that a value of the crossing met.
fn outcome(crossing: &Crossing) -> &'static str {
    let met =
        |fates: &[&str]| crossing.ledger.counts.iter().any(|(_, fate, _)| fates.contains(fate));
    if met(&["protected", "passed", "withheld"]) {
        "protected"
    } else if met(&["masked"]) {
        "masked"
    } else {
        "plain"
    }
}

/// Who a local caller is: the holder of a token, or a user the configuration gives a role.
pub(super) fn principal(
    gateway: &Gateway,
    operator: &Operator,
    token: Option<&str>,
) -> Result<Arc<Principal>, Problem> {
    if let Some(token) = token {
        return gateway.verify_api_token(token);
    }
    let plan = gateway.plan();
    let user = plan.local_users.get(&operator.name).ok_or_else(|| {
        Problem::new(
            "not-allowed",
            format!(
                "{} has no role here: bring an API token, or give the user one in `admin: {{ users: }}`",
                operator.name
            ),
        )
    })?;
    let name = format!("user:{}", operator.name);
    Ok(Arc::new(Principal {
        budget_key: name.clone(),
        name,
        kind: PrincipalKind::LocalUser,
        roles: vec![user.role.clone()],
        purpose: user.purpose.clone(),
        claims: std::collections::BTreeMap::new(),
        expires: None,
    }))
}

/// The values of one request as a record.
struct Values(Vec<Field>);

impl Values {
    fn new(values: &[String]) -> Self {
        let field = |value: &String| Field::new(0, Value::text(value.as_str()), 0..0, false);
        Self(values.iter().map(field).collect())
    }

    fn into_text(self) -> Vec<String> {
        let text = |field: &Field| match field.value() {
            Value::Null => String::new(),
            Value::Bool(value) => value.to_string(),
            other => other.as_str().unwrap_or_default().to_owned(),
        };
        self.0.iter().map(text).collect()
    }
}

impl Record for Values {
    fn fields(&mut self) -> &mut [Field] {
        &mut self.0
    }

    fn insert(&mut self, _: usize, _: &str, _: Value) -> Result<(), CannotInsert> {
        Err(CannotInsert)
    }
}
