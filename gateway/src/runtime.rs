//! The gateway as it runs: what is open, which snapshot is in force, and how that changes.
//!
//! Reload, rotation and revocation build something new beside the old and swap it in;
//! whatever is under way keeps the snapshot it pinned.

mod administration;
mod anchor;
mod serve;
mod upkeep;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use allonym_audit::{AuditLog, AuditOptions, AuditSink, Durability, Event, EventKind};
use allonym_contract::{Guard, Principal};
use allonym_http::{ConfigFault, HttpConfig, HttpConnector};
use allonym_policy::{Budgets, Right};
use allonym_seal::{FileSeal, PassphraseSeal, Seal};
use allonym_store::Store;
use allonym_tokens::VaultStore;
use arc_swap::ArcSwap;
use zeroize::Zeroizing;

pub use administration::counts;
pub use anchor::cut_warning;

use crate::api::{Explained, OperatorRight, Problem, Status};
use crate::config::{self, AdminRight, Config, ConfigErrors, ConnectorConfig, SealKind};
use crate::identity::TokenBook;
use crate::metrics::Metrics;
use crate::pipeline::{Pipeline, Shared};
use crate::plan::{self, Callers, Draft, Plan};

/// Everything that is open while the gateway lives.
pub struct Gateway {
    store: Store,
    audit: Arc<AuditLog>,
    shared: Arc<Shared>,
    tokens: Arc<TokenBook>,
    vault: Arc<VaultStore>,
    current: ArcSwap<Current>,
    revision: AtomicU64,
    connectors: Mutex<Vec<(String, Arc<HttpConnector>)>>,
    serving: AtomicBool,
    /// Set once the audit log was compared with its anchor.
    compared: AtomicBool,
    /// Reload, rotation and the like happen one after another.
    change: Mutex<()>,
}

/// A configuration and what it means.
struct Current {
    config: Arc<Config>,
    pipeline: Arc<Pipeline>,
}

/// Why the gateway does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration is wrong.
    #[error("{0}")]
    Config(#[from] ConfigErrors),
    /// The seal does not open.
    #[error("seal: {0}")]
    Seal(#[from] allonym_seal::SealError),
    /// A secret is missing.
    #[error("seal: {0}")]
    Secret(#[from] config::SecretError),
    /// The store does not open.
    #[error("store: {0}")]
    Store(#[from] allonym_store::StoreError),
    /// The audit log does not open.
    #[error("audit: {0}")]
    Audit(#[from] allonym_audit::OpenError),
    /// The audit log does not take the start.
    #[error("audit: {0}")]
    AuditSink(#[from] allonym_audit::AuditError),
    /// A connector does not start.
    #[error("{connector}: {cause}")]
    Connector {
        /// Which.
        connector: String,
        /// Why.
        cause: String,
    },
    /// A part of the gateway ended while it was needed.
    #[error("{0} ended early")]
    Ended(&'static str),
    /// Anything the operating system refuses.
    #[error("{what}: {cause}")]
    System {
        /// What was tried.
        what: String,
        /// Why it failed.
        cause: std::io::Error,
    },
}

impl StartError {
    /// What to print: a configuration has an error a line.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        match self {
            Self::Config(errors) => errors.0.iter().map(ToString::to_string).collect(),
            other => vec![format!("allonym: {other}")],
        }
    }
}

impl Gateway {
    /// Opens seal, store and audit log, and compiles the configuration. Nothing listens yet.
    ///
    /// # Errors
    /// When any of it does not open, or the configuration contradicts what is pinned.
    pub fn open(config: Config) -> Result<Arc<Self>, StartError> {
        Self::open_for(config, Callers::Identified)
    }

    /// The same for looking at a configuration: no caller will ever be identified, and no
    /// key set is fetched for it.
    ///
    /// # Errors
    /// As [`Gateway::open`].
    pub fn examine(config: Config) -> Result<Arc<Self>, StartError> {
        Self::open_for(config, Callers::Examined)
    }

    fn open_for(config: Config, callers: Callers) -> Result<Arc<Self>, StartError> {
        let seals = open_seals(&config)?;
        let store = Store::open(&config.store.path, &seals, SystemTime::now())?;
        let audit = Arc::new(AuditLog::open(&config.audit.path, AuditOptions::default())?);
        let tokens = Arc::new(TokenBook::new(administration::api_token_key(&store)));
        tokens.replace(administration::api_token_records(&store)?);
        let vault = Arc::new(VaultStore::new(store.clone()));
        let plan =
            Draft::new(&config, 1, &store, &vault, &tokens, callers)?.commit(&store, &vault)?;
        let shared = Arc::new(Shared {
            newest: ArcSwap::from_pointee(store.key_set()?),
            budgets: Budgets::default(),
            audit: Arc::clone(&audit) as Arc<dyn AuditSink>,
            durability: match config.audit.reads {
                config::Durability::Process => Durability::Process,
                config::Durability::Power => Durability::Power,
            },
            store: store.clone(),
            on_record: AtomicBool::new(true),
            metrics: Metrics::default(),
        });
        let pipeline = Arc::new(Pipeline::new(Arc::new(plan), Arc::clone(&shared)));
        shared.metrics.reloaded(Some(1));
        Ok(Arc::new(Self {
            store,
            audit,
            shared,
            tokens,
            vault,
            current: ArcSwap::from_pointee(Current { config: Arc::new(config), pipeline }),
            revision: AtomicU64::new(1),
            connectors: Mutex::default(),
            serving: AtomicBool::new(false),
            compared: AtomicBool::new(false),
            change: Mutex::default(),
        }))
    }

    /// The snapshot in force.
    #[must_use]
    pub fn pipeline(&self) -> Arc<Pipeline> {
        Arc::clone(&self.current.load().pipeline)
    }

    /// The plan in force.
    #[must_use]
    pub fn plan(&self) -> Arc<Plan> {
        Arc::clone(self.current.load().pipeline.plan())
    }

    /// Whether connectors are serving.
    #[must_use]
    pub fn is_serving(&self) -> bool {
        self.serving.load(Ordering::Acquire)
    }

    /// What is counted.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.shared.metrics
    }

    /// Local users with administrative rights, as configured.
    #[must_use]
    pub fn operators(&self) -> HashMap<String, Vec<OperatorRight>> {
        let current = self.current.load();
        let right = |right: &AdminRight| match right {
            AdminRight::Keys => OperatorRight::Keys,
            AdminRight::Tokens => OperatorRight::Tokens,
            AdminRight::Audit => OperatorRight::Audit,
        };
        let operators = current.config.admin.operators.iter();
        operators
            .map(|operator| {
                (operator.user.value.clone(), operator.rights.iter().map(right).collect())
            })
            .collect()
    }

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
        Ok(self.installation_warnings())
    }

    fn reload_locked(&self) -> Result<u64, Problem> {
        let current = self.current.load_full();
        let path = PathBuf::from(&current.config.file);
        let config = Config::load(&path).map_err(|errors| refused(&errors))?;
        if let Some(what) = needs_restart(&current.config, &config) {
            let detail = format!("`{what}` changes at a restart only");
            return Err(Problem::new("restart-needed", detail));
        }
        let revision = self.revision.load(Ordering::Acquire) + 1;
        let callers = Callers::Identified;
        let draft = Draft::new(&config, revision, &self.store, &self.vault, &self.tokens, callers)
            .map_err(|errors| refused(&errors))?;
        // Everybody is asked before anything changes.
        self.check_swap(&config)?;
        let plan = draft.commit(&self.store, &self.vault).map_err(|errors| refused(&errors))?;
        self.refresh_keys()?;
        let pipeline = Arc::new(Pipeline::new(Arc::new(plan), Arc::clone(&self.shared)));
        self.swap(&config, &pipeline)?;
        self.revision.store(revision, Ordering::Release);
        self.current.store(Arc::new(Current { config: Arc::new(config), pipeline }));
        Ok(revision)
    }

    /// Whether every connector could take its new section without a restart.
    fn check_swap(&self, config: &Config) -> Result<(), Problem> {
        let connectors = self.connectors.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.is_serving() {
            return Ok(());
        }
        let same = connectors.len() == config.connectors.len()
            && connectors
                .iter()
                .all(|(name, _)| config.connectors.iter().any(|other| other.name == *name));
        if !same {
            let detail = "connectors come and go at a restart only";
            return Err(Problem::new("restart-needed", detail));
        }
        sections(&connectors, config).try_for_each(|(name, connector, http)| {
            connector.check_swap(http).map_err(|faults| told(name, &faults))
        })
    }

    /// Gives every connector its new section and guard.
    fn swap(&self, config: &Config, pipeline: &Arc<Pipeline>) -> Result<(), Problem> {
        let connectors = self.connectors.lock().unwrap_or_else(PoisonError::into_inner);
        sections(&connectors, config).try_for_each(|(name, connector, http)| {
            let guard = Arc::clone(pipeline) as Arc<dyn Guard>;
            connector.swap(http.clone(), guard).map_err(|faults| told(name, &faults))
        })
    }

    /// Takes the newest keys from the store: first for reveals everywhere, then for
    /// protecting, by a new snapshot.
    pub(crate) fn refresh_keys(&self) -> Result<(), Problem> {
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
    pub(crate) fn repin(&self) -> Result<(), Problem> {
        let current = self.current.load_full();
        let plan = Arc::clone(current.pipeline.plan());
        let pipeline = Arc::new(Pipeline::new(plan, Arc::clone(&self.shared)));
        self.swap(&current.config, &pipeline)?;
        let config = Arc::clone(&current.config);
        self.current.store(Arc::new(Current { config, pipeline }));
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, ()> {
        self.change.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a role would see at a place.
    ///
    /// # Errors
    /// When there is no such place.
    pub fn explain(
        &self,
        connector: &str,
        place: &str,
        role: &str,
        purpose: Option<&str>,
    ) -> Result<Vec<Explained>, Problem> {
        let keys = self.shared.newest.load_full();
        crate::explain::explain(&self.plan(), &keys, connector, place, role, purpose)
    }

    /// Whether a role can see anything in plain or in part.
    #[must_use]
    pub fn can_reveal(&self, role: &str) -> bool {
        let plan = self.plan();
        (0..plan.rules.len()).filter_map(|index| plan.policy.rule(index)).any(|rule| {
            rule.role == role
                && [Right::Reveal, Right::Mask].iter().any(|right| rule.rights.contains_key(right))
        })
    }

    /// The principal an API token stands for.
    ///
    /// # Errors
    /// When it stands for none.
    pub fn verify_api_token(&self, token: &str) -> Result<Arc<Principal>, Problem> {
        self.tokens
            .verify(token, SystemTime::now())
            .map_err(|_| Problem::new("credential-invalid", "the API token is not valid"))
    }

    /// How it is.
    #[must_use]
    pub fn status(&self) -> Status {
        let connectors = self.connectors.lock().unwrap_or_else(PoisonError::into_inner);
        let address = |connector: &HttpConnector| {
            connector.local_addr().map_or_else(|| "-".to_owned(), |address| address.to_string())
        };
        Status {
            serving: self.is_serving(),
            revision: self.revision.load(Ordering::Acquire),
            connectors: connectors.iter().map(|(name, c)| (name.clone(), address(c))).collect(),
            warnings: self.warnings(),
        }
    }

    /// What an operator should know about this installation.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let plan = self.plan();
        let serious = plan.warnings.iter().filter(|warning| warning.serious);
        let serious = serious.map(|warning| warning.text.clone());
        self.installation_warnings().into_iter().chain(serious).collect()
    }

    /// The same of the installation alone: its seals, backups and keys.
    #[must_use]
    pub fn installation_warnings(&self) -> Vec<String> {
        let current = self.current.load();
        let plan = current.pipeline.plan();
        let warnings = plan::installation_warnings(&self.store, plan, &current.config);
        let texts = warnings.into_iter().map(|warning| warning.text);
        cut_warning(&self.store).into_iter().chain(texts).collect()
    }

    /// Whether it can do its work: keys open, audit log writable. If the log refused the
    /// last event, it is tried again here: without traffic nobody else would.
    pub async fn is_ready(&self) -> bool {
        if !self.is_serving() || self.audit.broken().is_some() {
            return false;
        }
        if self.shared.on_record.load(Ordering::Acquire) {
            return true;
        }
        let probe = Event::new(EventKind::Admin, "allonym", "audit.probe");
        let accepted = self.audit.accept(probe, Durability::Process).await.is_ok();
        self.shared.on_record.store(accepted, Ordering::Release);
        accepted
    }
}

fn open_seals(config: &Config) -> Result<Vec<Box<dyn Seal>>, StartError> {
    let open = |seal: &config::Seal| -> Result<Box<dyn Seal>, StartError> {
        Ok(match &seal.kind {
            SealKind::File(path) => Box::new(FileSeal::open(path)?),
            SealKind::Passphrase(secret) => {
                let passphrase: Zeroizing<String> = secret.resolve()?;
                Box::new(PassphraseSeal::new(passphrase)?)
            }
        })
    };
    config.seals.iter().map(open).collect()
}

/// Opens the seals a configuration names, for `restore`.
///
/// # Errors
/// As [`Gateway::open`].
pub fn seals(config: &Config) -> Result<Vec<Box<dyn Seal>>, StartError> {
    open_seals(config)
}

/// The connectors with their sections of a configuration.
fn sections<'a>(
    connectors: &'a [(String, Arc<HttpConnector>)],
    config: &'a Config,
) -> impl Iterator<Item = (&'a str, &'a HttpConnector, &'a HttpConfig)> {
    connectors.iter().filter_map(|(name, connector)| {
        let section = config.connectors.iter().find(|other| other.name == *name)?;
        let ConnectorConfig::Http(http) = &section.config;
        Some((name.as_str(), &**connector, &**http))
    })
}

fn told(connector: &str, faults: &[ConfigFault]) -> Problem {
    let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
    Problem::new("restart-needed", format!("{connector}: {}", faults.join("; ")))
}

/// What a reload cannot change, if it differs.
fn needs_restart(now: &Config, next: &Config) -> Option<&'static str> {
    let kinds = |config: &Config| -> Vec<SealKind> {
        config.seals.iter().map(|seal| seal.kind.clone()).collect()
    };
    let listen = |config: &Config| config.admin.listen.as_ref().map(|listen| listen.value);
    [
        ("seal", kinds(now) != kinds(next)),
        ("store", now.store.path != next.store.path),
        ("audit", now.audit.path != next.audit.path || now.audit.reads != next.audit.reads),
        ("admin.listen", listen(now) != listen(next)),
        ("admin.socket", now.admin.socket != next.admin.socket),
    ]
    .into_iter()
    .find_map(|(what, differs)| differs.then_some(what))
}

fn refused(errors: &ConfigErrors) -> Problem {
    let lines: Vec<String> = errors.0.iter().map(ToString::to_string).collect();
    Problem::new("config-invalid", lines.join("\n"))
}

fn store_problem(error: &allonym_store::StoreError) -> Problem {
    Problem::new("store-unavailable", error.to_string())
}
