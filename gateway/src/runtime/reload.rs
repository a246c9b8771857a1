//! Reload: another configuration, swapped in whole or not at all; and newer keys.

use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use allonym_audit::{AuditSink, Durability, Event, EventKind};
use allonym_contract::Guard;
use allonym_contract::config::ConfigFault;

use super::connectors::{Running, Swap};
use super::missing::missing;
use super::{Current, Gateway, refused, store_problem};
use crate::api::Problem;
use crate::config::{Config, ConfigErrors, ConnectorConfig, SealKind};
use crate::pipeline::Pipeline;
use crate::plan::{self, Callers, Draft};

impl Gateway {
    /// Reads the configuration again and swaps it in. An invalid one changes nothing.
    ///
    /// # Errors
    /// When the new configuration is wrong, contradicts what is pinned, or changes what
    /// cannot change while running (store, audit folder, listeners).
    pub fn reload(&self, actor: &str) -> Result<u64, Problem> {
        let _one = self.lock();
        let intent = Event::new(EventKind::Intent, actor, "reload")
            .with_detail("file", self.current.load().config.file.clone());
        let result = Event { kind: EventKind::Result, ..intent.clone() };
        let accepted = self.audit.accept_blocking(intent, Durability::Power).map_err(|error| {
            let detail = format!("nothing is done that is not on the record: {error}");
            Problem::new("audit-unavailable", detail)
        })?;
        let outcome = self.reload_locked();
        self.shared.metrics.reloaded(outcome.as_ref().ok().copied());
        let mut result = Event { of: Some(accepted), ..result };
        match &outcome {
            Ok(revision) => {
                result.outcome = Some("done".to_owned());
                result = result.with_detail("revision", revision.to_string());
            }
            Err(problem) => {
                result.outcome = Some("refused".to_owned());
                result.rule = Some(problem.rule.clone());
            }
        }
        if self.audit.accept_blocking(result, Durability::Power).is_err() {
            self.shared.metrics.audit_refused();
        }
        outcome
    }

    /// Whether the configuration file, as it is now, agrees with what is pinned; and what
    /// an operator should know.
    ///
    /// # Errors
    /// When it does not.
    pub fn check(&self) -> Result<Vec<String>, Problem> {
        let path = PathBuf::from(&self.current.load().config.file);
        let config = Config::load(&path).map_err(|errors| refused(&errors))?;
        plan::check_pins(&config, &self.store).map_err(|errors| refused(&errors))?;
        let missing = missing(&config).into_iter();
        let missing = missing.map(|what| format!("a start or a reload would be refused: {what}"));
        Ok(missing.chain(self.installation_warnings()).collect())
    }

    fn reload_locked(&self) -> Result<u64, Problem> {
        self.shared.tenure.check()?;
        let current = self.current.load_full();
        let path = PathBuf::from(&current.config.file);
        let config = Config::load(&path).map_err(|errors| refused(&errors))?;
        if let Some(what) = needs_restart(&current.config, &config) {
            let detail = format!("`{what}` changes at a restart only");
            return Err(Problem::new("restart-needed", detail));
        }
        let swaps = self.prepare(&config)?;
        self.install(Arc::new(config), swaps)
    }

    /// Reads again what another gateway may have changed while it had the store. Until
    /// that is done nothing is written.
    pub(super) fn read_again(&self) -> Result<(), Problem> {
        let Some(fence) = self.shared.tenure.regained() else { return Ok(()) };
        let _one = self.lock();
        self.refresh_tokens()?;
        self.refresh_db_users()?;
        let config = Arc::clone(&self.current.load().config);
        let outcome = self.install(config, self.kept());
        self.shared.metrics.reloaded(outcome.as_ref().ok().copied());
        outcome?;
        self.shared.tenure.was_read(fence);
        Ok(())
    }

    /// Puts a configuration in force, under the newest keys. What connectors make of it
    /// was prepared before, so that it is in force everywhere or nowhere.
    fn install(&self, config: Arc<Config>, swaps: Vec<Swap>) -> Result<u64, Problem> {
        let revision = self.revision.load(Ordering::Acquire) + 1;
        let callers = Callers::Identified;
        let draft = Draft::new(&config, revision, &self.store, &self.vault, &self.tokens, callers)
            .map_err(|errors| refused(&errors))?;
        let plan = draft.commit(&self.store, &self.vault).map_err(|errors| refused(&errors))?;
        self.refresh_keys()?;
        let pipeline = Arc::new(Pipeline::new(Arc::new(plan), Arc::clone(&self.shared)));
        put(swaps, &pipeline);
        self.revision.store(revision, Ordering::Release);
        self.current.store(Arc::new(Current { config, pipeline }));
        Ok(revision)
    }

    /// Has every connector read its new section: everybody is asked before anything
    /// changes.
    fn prepare(&self, config: &Config) -> Result<Vec<Swap>, Problem> {
        let connectors = self.connectors.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.is_serving() {
            return Ok(Vec::new());
        }
        let same = connectors.len() == config.connectors.len()
            && connectors
                .iter()
                .all(|(name, _)| config.connectors.iter().any(|other| other.name == *name));
        if !same {
            let detail = "connectors come and go at a restart only";
            return Err(Problem::new("restart-needed", detail));
        }
        let sections = || sections(&connectors, config);
        sections().try_for_each(|(name, connector, section)| {
            connector.check_swap(section).map_err(|faults| restart_needed(name, &faults))
        })?;
        let prepare = |(name, connector, section): (&str, &Running, &ConnectorConfig)| {
            connector.prepare(section).map_err(|faults| not_readable(config, name, faults))
        };
        sections().map(prepare).collect()
    }

    /// Every connector with the section it has.
    fn kept(&self) -> Vec<Swap> {
        let connectors = self.connectors.lock().unwrap_or_else(PoisonError::into_inner);
        connectors.iter().map(|(_, connector)| connector.keep()).collect()
    }

    /// Takes the newest keys from the store: first for reveals everywhere, then for
    /// protecting, by a new snapshot.
    pub(super) fn refresh_keys(&self) -> Result<(), Problem> {
        let keys = self.store.key_set().map_err(|error| store_problem(&error))?;
        for (_, entry) in keys.iter() {
            if let Some((version, _)) = entry
                .versions
                .iter()
                .rev()
                .find(|(_, (state, _))| *state == allonym_keyring::KeyState::Active)
            {
                self.shared.metrics.key_version(&entry.name, version.number());
            }
        }
        self.shared.newest.store(Arc::new(keys));
        Ok(())
    }

    /// A new snapshot of the plan in force, under the newest keys.
    pub(super) fn repin(&self) {
        let current = self.current.load_full();
        let plan = Arc::clone(current.pipeline.plan());
        let pipeline = Arc::new(Pipeline::new(plan, Arc::clone(&self.shared)));
        put(self.kept(), &pipeline);
        let config = Arc::clone(&current.config);
        self.current.store(Arc::new(Current { config, pipeline }));
    }
}

/// The connectors with their sections of a configuration.
fn sections<'a>(
    connectors: &'a [(String, Running)],
    config: &'a Config,
) -> impl Iterator<Item = (&'a str, &'a Running, &'a ConnectorConfig)> {
    connectors.iter().filter_map(|(name, connector)| {
        let section = config.connectors.iter().find(|other| other.name == *name)?;
        Some((name.as_str(), connector, &section.config))
    })
}

/// Gives every connector its section and guard.
fn put(swaps: Vec<Swap>, pipeline: &Arc<Pipeline>) {
    swaps.into_iter().for_each(|swap| swap(Arc::clone(pipeline) as Arc<dyn Guard>));
}

fn restart_needed(connector: &str, faults: &[ConfigFault]) -> Problem {
    let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
    Problem::new("restart-needed", format!("{connector}: {}", faults.join("; ")))
}

fn not_readable(config: &Config, connector: &str, faults: Vec<ConfigFault>) -> Problem {
    let placed = faults.into_iter().map(|fault| {
        let says = format!("connector `{connector}`: {}", fault.message);
        config.error_at(fault.location, says, fault.hint)
    });
    refused(&ConfigErrors(placed.collect()))
}

/// What a reload cannot change, if it differs.
fn needs_restart(now: &Config, next: &Config) -> Option<&'static str> {
    let kinds = |config: &Config| -> Vec<SealKind> {
        config.seals.iter().map(|seal| seal.kind.clone()).collect()
    };
    let listen = |config: &Config| config.admin.listen.as_ref().map(|listen| listen.value);
    [
        ("seal", kinds(now) != kinds(next)),
        ("store", now.store.kind != next.store.kind),
        ("audit", now.audit.path != next.audit.path || now.audit.reads != next.audit.reads),
        ("admin.listen", listen(now) != listen(next)),
        ("admin.socket", now.admin.socket != next.admin.socket),
    ]
    .into_iter()
    .find_map(|(what, differs)| differs.then_some(what))
}
