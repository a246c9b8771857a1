//! What was typed: the configuration file, read strictly.
//!
//! Every key, value and cross-reference that is wrong is an error with file, line,
//! column and a hint; a key nobody knows is wrong too. What the configuration means
//! (domains, keys, places, policy) is the business of the plan.
//!
//! ```text
//!   text ──read──▶ what serde saw ──convert──▶ typed sections ──cross-check──▶ Config
//! ```
//!
//! Relative paths are kept as they were typed: they count from the working directory.

mod access;
mod admin;
mod case;
mod class;
mod connectors;
mod crosscheck;
mod entries;
mod error;
mod keys;
mod located;
mod service;
mod store;
mod units;

use std::path::{Path, PathBuf};

use serde::Deserialize;

pub use access::{Budget, OnBudget, Purpose, Rule};
pub use admin::{Admin, AdminRight, AdminTls, LocalUser, Operator};
pub use allonym_contract::config::{SecretError, SecretRef};
pub use case::{Case, Given, Scalar};
pub use class::{
    Class, Protection, Stored, is_deterministic, is_reversible, is_stored, method_name,
};
pub use connectors::{Connector, ConnectorConfig};
pub use error::{ConfigError, ConfigErrors};
pub use keys::{Key, Rotate};
pub use located::Located;
pub use service::{Audit, Durability, Seal, SealKind};
pub use store::{Postgres, Store, StoreKind};

pub(crate) use units::duration;

use access::RuleTyped;
use admin::AdminTyped;
use class::ClassTyped;
use connectors::ConnectorTyped;
use entries::Entries;
use error::Problems;
use keys::KeyTyped;
use service::{AuditTyped, SealsTyped};
use store::StoreTyped;

/// A configuration file, read and cross-checked.
#[derive(Debug)]
pub struct Config {
    /// The file's name, as errors say it.
    pub file: String,
    /// What wraps the root key: at least one.
    pub seals: Vec<Seal>,
    /// Where keys, tokens and pinned specifications are kept.
    pub store: Store,
    /// Where the audit log goes.
    pub audit: Audit,
    /// The administrative side.
    pub admin: Admin,
    /// Named keys, in file order.
    pub keys: Vec<Key>,
    /// The purposes a caller may give.
    pub purposes: Vec<Located<String>>,
    /// Data classes, in file order.
    pub data: Vec<Class>,
    /// Who may do what, in file order (the first mask of a class wins).
    pub access: Vec<Rule>,
    /// Where the data passes, in file order.
    pub connectors: Vec<Connector>,
    /// The configuration's own tests.
    pub tests: Vec<Case>,
}

/// The longest configuration file that is read, in bytes.
const LONGEST: u64 = 4 << 20;

impl Config {
    /// Reads a configuration file.
    ///
    /// # Errors
    /// When it cannot be read, or anything in it is wrong: all that could be found out
    /// in one go, in file order.
    pub fn load(path: &Path) -> Result<Self, ConfigErrors> {
        let name = path.display().to_string();
        let whole = |message: String| ConfigErrors(vec![ConfigError::whole_file(&name, message)]);
        let size = std::fs::metadata(path)
            .map_err(|cause| whole(format!("cannot be read: {cause}")))?
            .len();
        if size > LONGEST {
            return Err(whole(format!(
                "is longer than the {LONGEST} bytes a configuration may have"
            )));
        }
        let text = std::fs::read_to_string(path)
            .map_err(|cause| whole(format!("cannot be read: {cause}")))?;
        Self::parse(&text, &name)
    }

    /// Reads a configuration from text; `file` is how errors name it.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn parse(text: &str, file: &str) -> Result<Self, ConfigErrors> {
        let fail =
            |cause: &serde_saphyr::Error| ConfigErrors(vec![error::translate(cause, file, text)]);
        let typed: FileTyped =
            serde_saphyr::from_str_with_options(text, error::options()).map_err(|e| fail(&e))?;
        let mut problems = Problems::new(file);
        connectors::check_types(&typed.connectors, &mut problems);
        problems.finish()?;
        let connectors = connectors::read(text, &typed.connectors).map_err(|e| fail(&e))?;

        let mut problems = Problems::new(file);
        let config = typed.convert(connectors, file, &mut problems);
        crosscheck::check(&config, &mut problems);
        problems.finish()?;
        Ok(config)
    }

    /// The data class of this name.
    #[must_use]
    pub fn class(&self, name: &str) -> Option<&Class> {
        self.data.iter().find(|class| class.name == name)
    }

    /// The key of this name.
    #[must_use]
    pub fn key(&self, name: &str) -> Option<&Key> {
        self.keys.iter().find(|key| key.name == name)
    }

    /// The Unix socket the CLI talks to.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.admin.socket.clone()
    }

    /// An error at a place of this file, for those who find out more about it.
    #[must_use]
    pub fn error_at(
        &self,
        at: allonym_contract::Location,
        message: impl Into<String>,
        hint: Option<String>,
    ) -> ConfigError {
        ConfigError {
            file: self.file.clone(),
            line: at.line,
            column: at.column,
            message: message.into(),
            hint,
        }
    }
}

/// The whole file as serde sees it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileTyped {
    seal: SealsTyped,
    store: Option<Located<StoreTyped>>,
    audit: Option<AuditTyped>,
    admin: Option<AdminTyped>,
    #[serde(default)]
    keys: Entries<Option<KeyTyped>>,
    #[serde(default)]
    purposes: Vec<Located<String>>,
    #[serde(default)]
    data: Entries<ClassTyped>,
    #[serde(default)]
    access: Vec<Located<RuleTyped>>,
    #[serde(default)]
    connectors: Entries<ConnectorTyped>,
    #[serde(default)]
    tests: Vec<Located<Case>>,
}

impl FileTyped {
    fn convert(
        self,
        connectors: Vec<(Located<String>, ConnectorConfig)>,
        file: &str,
        problems: &mut Problems,
    ) -> Config {
        let store = store::convert(self.store, problems);
        let audit = service::audit(self.audit, &store);
        let admin = admin::convert(self.admin, &store, problems);
        Config {
            file: file.to_owned(),
            seals: service::seals(self.seal, &store, problems),
            store,
            audit,
            admin,
            keys: keys::convert(self.keys, problems),
            purposes: self.purposes,
            data: self
                .data
                .0
                .into_iter()
                .filter_map(|(name, typed)| class::convert(name, typed, problems))
                .collect(),
            access: self.access.into_iter().map(|rule| access::convert(rule, problems)).collect(),
            connectors: connectors::convert(connectors, problems),
            tests: self.tests.into_iter().map(|case| Case { at: case.at, ..case.value }).collect(),
        }
    }
}

#[cfg(test)]
mod tests;
