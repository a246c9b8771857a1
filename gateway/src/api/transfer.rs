//! Export and import of tokens with their values: page by page over one connection, under
//! the operator's right and the caller's own.

use std::io::Error;
use std::sync::Arc;

use allonym_contract::{Direction, Guard, Refusal};
use allonym_protect::Vaulted;
use allonym_tokens::{Exporter, ImportError, Imported, Importer, Summary};

use super::answer::{NOT_ALLOWED, allowed, crossing, principal};
use super::socket::Peer;
use super::{ImportReport, Operator, Part, Problem, Reply, Request, Transfer};
use crate::pipeline::Pipeline;
use crate::runtime::{Gateway, token_problem, vaulted};

/// Lines that were not stored and are named in the answer.
const NAMED: usize = 100;
/// What marks a line that has a value; it may stand in others' texts only with its quotes
/// escaped.
const VALUE: &[u8] = b"\"value\":";

/// Sends all tokens of a class with their values. Each page is decided, charged and on
/// the record before it leaves.
///
/// # Errors
/// When the client is gone; inside, why it was refused or ended early.
pub(super) async fn export(
    gateway: &Arc<Gateway>,
    operator: &Operator,
    transfer: &Transfer,
    peer: &mut Peer,
) -> Result<Result<Reply, Problem>, Error> {
    let mut gone = None;
    let mut crossing = match begin(gateway, operator, transfer, Direction::ToClient) {
        Ok(crossing) => crossing,
        Err(problem) => {
            if problem.rule == NOT_ALLOWED {
                gateway.record_refusal(&operator.name, "tokens.export", NOT_ALLOWED).await;
            }
            return Ok(Err(problem));
        }
    };
    let pipeline = gateway.pipeline();
    let named = [("class", &*transfer.class), ("principal", &*crossing.principal.name.clone())];
    let outcome = gateway
        .recorded(&operator.name, "tokens.export", &named, async |_| {
            let sent = pages(gateway, &pipeline, transfer, &mut crossing, peer).await;
            let failed = sent.as_ref().err().map(Stopped::refusal);
            pipeline.close(crossing, failed.as_ref().map_or(Ok(()), Err)).await;
            match sent {
                Ok(values) => Ok(((), vec![("values", values.to_string())])),
                Err(Stopped::Refused(refusal)) => Err(Problem::new(refusal.rule, refusal.detail)),
                Err(Stopped::Failed(problem)) => Err(problem),
                Err(Stopped::Gone(error)) => {
                    gone = Some(error);
                    Err(Problem::new("client-gone", "the client closed the connection"))
                }
            }
        })
        .await;
    match gone {
        Some(error) => Err(error),
        None => Ok(outcome.map(|()| Reply::Part(Part { text: String::new(), is_last: true }))),
    }
}

/// Why an export ended early.
enum Stopped {
    Refused(Refusal),
    Failed(Problem),
    Gone(Error),
}

impl Stopped {
    fn refusal(&self) -> Refusal {
        match self {
            Self::Refused(refusal) => refusal.clone(),
            Self::Failed(_) => Refusal::new(
                allonym_contract::Fault::Unavailable,
                "store-unavailable",
                "the export ended early",
            ),
            Self::Gone(_) => Refusal::new(
                allonym_contract::Fault::Unavailable,
                "client-gone",
                "the client closed the connection",
            ),
        }
    }
}

async fn pages(
    gateway: &Gateway,
    pipeline: &Pipeline,
    transfer: &Transfer,
    crossing: &mut allonym_contract::Crossing,
    peer: &mut Peer,
) -> Result<u64, Stopped> {
    let vaulted = vaulted(pipeline.plan(), &transfer.class).map_err(Stopped::Failed)?;
    let keys = pipeline.newest_keys();
    let mut exporter = Exporter::new(gateway.vault(), vaulted, &*keys);
    if let Some(tenant) = tenant(vaulted, crossing).map_err(Stopped::Failed)? {
        exporter = exporter.of_tenant(tenant);
    }
    let mut values = 0;
    while let Some(page) = exporter.page().await.map_err(|e| Stopped::Failed(token_problem(&e)))? {
        let lines = page.split(|byte| *byte == b'\n');
        let here = lines.filter(|line| line.windows(VALUE.len()).any(|w| w == VALUE)).count();
        pipeline.may_export(crossing, here).await.map_err(Stopped::Refused)?;
        values += here as u64;
        let text = std::str::from_utf8(&page).map_err(|_| {
            Stopped::Failed(Problem::new("unreadable", "a page of the export is not a text"))
        })?;
        let text = text.to_owned();
        let reply = Ok(Reply::Part(Part { text, is_last: false }));
        peer.send(&reply).await.map_err(Stopped::Gone)?;
    }
    Ok(values)
}

/// Takes tokens with their values, part by part, each of which is answered.
///
/// # Errors
/// When the client is gone; inside, why it was refused or ended early.
pub(super) async fn import(
    gateway: &Arc<Gateway>,
    operator: &Operator,
    transfer: &Transfer,
    peer: &mut Peer,
) -> Result<Result<Reply, Problem>, Error> {
    let crossing = match begin(gateway, operator, transfer, Direction::ToUpstream) {
        Ok(crossing) => crossing,
        Err(problem) => {
            if problem.rule == NOT_ALLOWED {
                gateway.record_refusal(&operator.name, "tokens.import", NOT_ALLOWED).await;
            }
            return Ok(Err(problem));
        }
    };
    let pipeline = gateway.pipeline();
    let told = |refusal: Refusal| Problem::new(refusal.rule, refusal.detail);
    if let Err(refusal) = pipeline.may_import(&crossing, 0).await {
        gateway.record_refusal(&operator.name, "tokens.import", refusal.rule).await;
        return Ok(Err(told(refusal)));
    }
    let named = [("class", &*transfer.class), ("principal", &*crossing.principal.name)];
    let mut gone = None;
    let outcome = gateway
        .recorded_told(&operator.name, "tokens.import", &named, async |_| {
            let (mut tally, mut refused) = (Summary::default(), Vec::new());
            let taken = async {
            let vaulted = vaulted(pipeline.plan(), &transfer.class)?;
            let keys = pipeline.newest_keys();
            let mut importer = Importer::new(gateway.vault(), vaulted, &*keys);
            if let Some(tenant) = tenant(vaulted, &crossing)? {
                importer = importer.of_tenant(tenant);
            }
            let mut report = |line: u64, outcome: Imported| {
                *tallied(&mut tally, &outcome) += 1;
                if let Some(why) = why(&outcome)
                    && refused.len() < NAMED
                {
                    refused.push((line, why));
                }
            };
            loop {
                let part = match peer.exchange().await {
                    Ok(Some(Request::Part(part))) => part,
                    Ok(Some(_)) => return Err(Problem::new("malformed", "a part was to come")),
                    Ok(None) => return Err(Problem::new("client-gone", "the import was cut")),
                    Err(error) => {
                        gone = Some(error);
                        return Err(Problem::new("client-gone", "the import was cut"));
                    }
                };
                let lines = part.text.bytes().filter(|byte| *byte == b'\n').count();
                pipeline.may_import(&crossing, lines).await.map_err(told)?;
                let bytes = part.text.as_bytes();
                importer.push(bytes, &mut report).await.map_err(|e| import_problem(&e))?;
                if part.is_last {
                    break;
                }
            }
            importer.finish(&mut report).await.map_err(|error| import_problem(&error))?;
            Ok(())
            };
            // What was stored before it failed stays, so it is told.
            let outcome = match taken.await {
                Ok(()) => Ok(as_report(tally, refused)),
                Err(Problem { rule, detail }) => {
                    let Summary { imported, already, .. } = tally;
                    let detail = format!(
                        "{detail}; until then {imported} tokens were imported, {already} were there already"
                    );
                    Err(Problem { rule, detail })
                }
            };
            (outcome, counts(tally))
        })
        .await;
    match gone {
        Some(error) => Err(error),
        None => Ok(outcome.map(Reply::Imported)),
    }
}

/// What both begin with: the operator's right, and who the caller is.
fn begin(
    gateway: &Arc<Gateway>,
    operator: &Operator,
    transfer: &Transfer,
    direction: Direction,
) -> Result<allonym_contract::Crossing, Problem> {
    allowed(operator, super::OperatorRight::Tokens)?;
    if !gateway.is_serving() {
        let detail = "an export or import needs a running gateway";
        return Err(Problem::new("not-serving", detail));
    }
    vaulted(&gateway.plan(), &transfer.class)?;
    let principal = principal(gateway, operator, transfer.token.as_deref())?;
    let purpose = transfer.purpose.as_deref();
    crossing(gateway, principal, &transfer.class, purpose, direction)
}

/// The tenant whose tokens the caller moves, where the scope of a class is one.
fn tenant<'a>(
    vaulted: &Vaulted,
    crossing: &'a allonym_contract::Crossing,
) -> Result<Option<&'a str>, Problem> {
    let Some(claim) = vaulted.tenant_claim() else { return Ok(None) };
    let tenant = crossing.principal.claims.get(claim).filter(|tenant| !tenant.is_empty());
    tenant.map(|tenant| Some(tenant.as_str())).ok_or_else(|| {
        let detail = "the scope of the class is a tenant, and the caller has no such claim";
        Problem::new("no-tenant", detail)
    })
}

fn why(outcome: &Imported) -> Option<String> {
    match outcome {
        Imported::Imported | Imported::Already => None,
        Imported::Conflict => Some("the value has another token, which stays".to_owned()),
        Imported::Taken => Some("the token is another value's".to_owned()),
        Imported::Invalid(rule) => Some(rule.clone()),
    }
}

fn tallied<'a>(tally: &'a mut Summary, outcome: &Imported) -> &'a mut u64 {
    match outcome {
        Imported::Imported => &mut tally.imported,
        Imported::Already => &mut tally.already,
        Imported::Conflict => &mut tally.conflict,
        Imported::Taken => &mut tally.taken,
        Imported::Invalid(_) => &mut tally.invalid,
    }
}

fn as_report(summary: Summary, refused: Vec<(u64, String)>) -> ImportReport {
    let Summary { imported, already, conflict, taken, invalid } = summary;
    ImportReport { imported, already, conflict, taken, invalid, refused }
}

fn counts(summary: Summary) -> Vec<(&'static str, String)> {
    vec![
        ("imported", summary.imported.to_string()),
        ("already", summary.already.to_string()),
        ("conflict", summary.conflict.to_string()),
        ("taken", summary.taken.to_string()),
        ("invalid", summary.invalid.to_string()),
    ]
}

fn import_problem(error: &ImportError) -> Problem {
    match error {
        ImportError::Store(error) => token_problem(error),
        other => Problem::new("import-invalid", other.to_string()),
    }
}
