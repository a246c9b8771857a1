//! The audit log against what the store remembers of it. Lines cut off its end, or a log
//! that is gone, are found when serving starts, and stay known until an operator accepts
//! that on the record.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use allonym_audit::{AuditSink, Durability, Event, EventKind, FILE_NAME, Head, VerifyError};
use allonym_store::{Store, StoreError};

use super::{Gateway, StartError, store_problem};
use crate::api::Problem;

/// The setting that holds where the log once ended.
const ANCHOR: &str = "audit.anchor";
/// The setting that says what was found to be missing; empty when nothing is.
const CUT: &str = "audit.cut";
/// A larger log is walked beside serving, so that it does not make the start slow.
const WALKED_AT_START: u64 = 64 << 20;

impl Gateway {
    /// Compares the log with its anchor before anything is served; a large log right
    /// after, by a thread of its own. `said` hears what was found.
    pub(super) async fn compare_record(
        self: &Arc<Self>,
        said: impl Fn(&str) + Send + 'static,
    ) -> Result<(), StartError> {
        let system = |cause| StartError::System { what: "audit log".to_owned(), cause };
        let length = std::fs::metadata(self.audit_folder().join(FILE_NAME)).map_err(system)?.len();
        let gateway = Arc::clone(self);
        let compare = move || gateway.compare();
        if length <= WALKED_AT_START {
            let found = tokio::task::spawn_blocking(compare).await;
            let found = found.map_err(|_| StartError::Ended("the walk of the audit log"))??;
            found.into_iter().for_each(|warning| said(&format!("warning: {warning}")));
            return Ok(());
        }
        // Not one of the runtime's threads: stopping does not wait for a long walk, and a
        // walk that was not finished is begun again at the next start.
        let walk = move || match compare() {
            Ok(found) => found.into_iter().for_each(|warning| said(&format!("warning: {warning}"))),
            Err(error) => said(&format!("warning: the audit log was not compared: {error}")),
        };
        std::thread::Builder::new().name("audit-walk".to_owned()).spawn(walk).map_err(system)?;
        Ok(())
    }

    /// Walks the log and puts on the record, and into the store, what is wrong with it.
    /// What was found before and is not accepted yet is not looked for again.
    fn compare(&self) -> Result<Option<String>, StartError> {
        let mut warning = None;
        if cut(&self.store)?.is_none() {
            match allonym_audit::verify(&self.audit_folder(), self.anchor()?) {
                Ok(_) => {}
                Err(VerifyError::Io { path, source }) => {
                    let what = format!("audit log {}", path.display());
                    return Err(StartError::System { what, cause: source });
                }
                Err(found) => {
                    let found = found.to_string();
                    // First the store: an event that is refused must not make it forgotten.
                    self.store.put_setting(CUT, found.as_bytes())?;
                    let event = Event::new(EventKind::Admin, "allonym", "audit.cut")
                        .with_detail("found", found.as_str());
                    self.audit.accept_blocking(event, Durability::Power)?;
                    warning = Some(told(&found));
                }
            }
        }
        self.compared.store(true, Ordering::Release);
        Ok(warning)
    }

    /// Makes the store remember where the audit log ends, so that lines cut off its end
    /// are found out. Not before the log was compared, nor while it is known to be cut:
    /// the old anchor is the proof.
    pub(super) fn drop_anchor(&self, head: &Head) -> Result<(), StoreError> {
        if !self.compared.load(Ordering::Acquire) || cut(&self.store)?.is_some() {
            return Ok(());
        }
        let head = head.to_string();
        if self.store.setting(ANCHOR)?.is_some_and(|held| **held == *head.as_bytes()) {
            return Ok(());
        }
        self.store.put_setting(ANCHOR, head.as_bytes())
    }

    /// Where the audit log ended when the store last looked.
    fn anchor(&self) -> Result<Option<Head>, StoreError> {
        let text = self.store.setting(ANCHOR)?;
        Ok(text.and_then(|text| std::str::from_utf8(&text).ok()?.parse().ok()))
    }

    /// Walks the whole record and compares its end with what the store remembers.
    ///
    /// # Errors
    /// When it was altered or cut, also if that was found earlier and is not accepted
    /// yet; or when it cannot be read.
    pub fn audit_verify(&self) -> Result<String, Problem> {
        let away = |error| store_problem(&error);
        let (anchor, cut) = (self.anchor().map_err(away)?, cut(&self.store).map_err(away)?);
        let altered = |what: &str| {
            let known = match &cut {
                Some(found) => format!("; found at a start: {found}; {ACCEPT}"),
                None => String::new(),
            };
            Problem::new("audit-altered", format!("{what}{known}"))
        };
        let report = allonym_audit::verify(&self.audit_folder(), anchor)
            .map_err(|error| altered(&error.to_string()))?;
        if cut.is_some() {
            return Err(altered("the log was not what the store remembers of it"));
        }
        let span = match (&report.first, &report.last) {
            (Some(first), Some(last)) => format!(", from {first} to {last}"),
            _ => String::new(),
        };
        let anchored = if anchor.is_some() { ", and the store's anchor is in it" } else { "" };
        Ok(format!(
            "{} events, every link of the chain holds{anchored}{span}; {} intents without a result",
            report.lines, report.open_intents
        ))
    }

    /// Takes the log as it is, on the record: from now on it is compared with where it
    /// ends now.
    ///
    /// # Errors
    /// When nothing is missing, when the chain itself is broken, or when the store or the
    /// record is away.
    pub fn accept_cut(&self, actor: &str) -> Result<String, Problem> {
        let _one = self.lock();
        let away = |error| store_problem(&error);
        let folder = self.audit_folder();
        let found = match cut(&self.store).map_err(away)? {
            Some(found) => found,
            None => match allonym_audit::verify(&folder, self.anchor().map_err(away)?) {
                Err(error) => error.to_string(),
                Ok(_) => {
                    let detail = "the log is as the store remembers it: there is nothing to accept";
                    return Err(Problem::new("audit-not-cut", detail));
                }
            },
        };
        let report = allonym_audit::verify(&folder, None).map_err(|error| {
            let detail = format!(
                "a broken chain cannot be accepted: {error}; stop the gateway, move the log to where it is kept, start, and accept that it is gone"
            );
            Problem::new("audit-altered", detail)
        })?;
        self.on_the_record(actor, "audit.accept-cut", &[("found", &found)], || {
            // The intent is on the disk, and so is every line before it.
            self.store.put_setting(ANCHOR, report.head.to_string().as_bytes())?;
            self.store.put_setting(CUT, b"")?;
            Ok(((), vec![("anchor", report.head.to_string())]))
        })?;
        Ok(format!("accepted: {found}; the log is compared with line {} from now on", report.lines))
    }

    pub(super) fn audit_folder(&self) -> PathBuf {
        self.current.load().config.audit.path.clone()
    }
}

/// What an operator should know of the audit log, if it was found to be cut.
#[must_use]
pub fn cut_warning(store: &Store) -> Option<String> {
    cut(store).ok().flatten().map(|found| told(&found))
}

/// What was found to be wrong with the log at an earlier start, and is not accepted.
fn cut(store: &Store) -> Result<Option<String>, StoreError> {
    let text = store.setting(CUT)?.filter(|text| !text.is_empty());
    Ok(text.map(|text| String::from_utf8_lossy(&text).into_owned()))
}

const ACCEPT: &str =
    "keep a copy of the log, find out why, then accept it with `allonym audit accept-cut`";

fn told(found: &str) -> String {
    format!("the audit log is not what the store remembers of it: {found}; {ACCEPT}")
}
