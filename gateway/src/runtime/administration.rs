//! Administration: every act is on the record, at durability `power`, before it happens.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use allonym_audit::{AuditSink, Durability, Event, EventKind};
use allonym_keyring::{KeyState, KeyVersion, Purpose, Secret};
use allonym_store::{ApiTokenRow, BackupReport, Store, StoreError};

use super::{Gateway, store_problem};
use crate::api::{ApiTokenView, KeyView, Problem};
use crate::identity::{ApiToken, TokenRecord};

/// The longest life of an API token that ends, in seconds: a hundred years.
const LONGEST: u64 = 36_500 * 86_400;

impl Gateway {
    /// The keys, with the classes they protect.
    ///
    /// # Errors
    /// When the store is away.
    pub fn keys(&self) -> Result<Vec<KeyView>, Problem> {
        let keys = self.store.keys().map_err(|error| store_problem(&error))?;
        Ok(keys.into_iter().map(|key| self.view(key)).collect())
    }

    fn view(&self, key: allonym_store::KeyInfo) -> KeyView {
        let current = self.current.load();
        let rotate = current.config.key(&key.name).map_or_else(
            || "not configured".to_owned(),
            |key| crate::plan::rotation_word(key.rotate),
        );
        let state = |state: KeyState| match state {
            KeyState::Active => "active",
            KeyState::Deactivated => "deactivated",
            KeyState::Destroyed => "destroyed",
        };
        KeyView {
            classes: current.pipeline.plan().classes_of_key(&key.name),
            rotate,
            id: key.id.to_string(),
            versions: key
                .versions
                .iter()
                .map(|version| (version.version.number(), state(version.state).to_owned()))
                .collect(),
            name: key.name,
        }
    }

    /// Gives a key a new version. Refused where old values could no longer be found or
    /// read without a rewrap.
    ///
    /// # Errors
    /// When the key is not known, may not rotate so, or the store or the record is away.
    pub fn rotate_key(
        &self,
        actor: &str,
        name: &str,
        from_version: Option<u32>,
    ) -> Result<KeyView, Problem> {
        let _one = self.lock();
        let key = self
            .store
            .keys()
            .map_err(|error| store_problem(&error))?
            .into_iter()
            .find(|key| key.name == name)
            .ok_or_else(|| Problem::new("key-unknown", format!("there is no key `{name}`")))?;
        let current = self.current.load_full();
        // No domain comes into use under the versions that are judged here.
        let first_use =
            self.shared.first_use.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let domains = self.store.domains().map_err(|error| store_problem(&error))?;
        crate::plan::check_rotation(&self.plan(), &current.config, &key, &domains, from_version)?;
        self.on_the_record(actor, "keys.rotate", &[("key", name)], || {
            let now = SystemTime::now();
            let version = match from_version.and_then(KeyVersion::new) {
                Some(least) => self.store.rotate_from(key.id, least, now)?,
                None => self.store.rotate(key.id, now)?,
            };
            Ok((version, vec![("version", version.to_string())]))
        })?;
        self.refresh_keys()?;
        drop(first_use);
        self.repin();
        let keys = self.store.keys().map_err(|error| store_problem(&error))?;
        keys.into_iter()
            .find(|key| key.name == name)
            .map(|key| self.view(key))
            .ok_or_else(|| Problem::new("internal", "the key is gone"))
    }

    /// Makes an API token; the returned text is nowhere else.
    ///
    /// # Errors
    /// When the role is not known, the name taken, or the store or the record is away.
    pub fn create_api_token(
        &self,
        actor: &str,
        name: &str,
        role: &str,
        purpose: Option<String>,
        claims: BTreeMap<String, String>,
        expires_in: Option<u64>,
    ) -> Result<String, Problem> {
        let _one = self.lock();
        self.check_new_token(name, role, purpose.as_deref())?;
        let created = SystemTime::now();
        let expires = expires_in.map(|seconds| end(created, seconds)).transpose()?;
        let token = ApiToken::mint().map_err(|_| Problem::new("internal", "no randomness"))?;
        let row = ApiTokenRow {
            id: token.id().to_owned(),
            name: name.to_owned(),
            roles: vec![role.to_owned()],
            purpose,
            claims: serde_json::json!(claims),
            hash: self.tokens.hash(&token),
            created,
            expires,
            revoked: None,
        };
        let named = [("name", name), ("role", role)];
        self.on_the_record(actor, "api-tokens.create", &named, || {
            self.store.api_token_put(&row)?;
            Ok(((), Vec::new()))
        })?;
        self.refresh_tokens()?;
        Ok(token.text().to_string())
    }

    fn check_new_token(
        &self,
        name: &str,
        role: &str,
        purpose: Option<&str>,
    ) -> Result<(), Problem> {
        let plan = self.plan();
        let known = plan.rules.iter().any(|rule| rule.role == role);
        if !known {
            return Err(Problem::new(
                "role-unknown",
                format!("no entry of `access:` is for role `{role}`"),
            ));
        }
        let current = self.current.load();
        if let Some(purpose) = purpose
            && !current.config.purposes.iter().any(|known| known.value == purpose)
        {
            return Err(Problem::new(
                "purpose-unknown",
                format!("`{purpose}` is not in `purposes:`"),
            ));
        }
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if name.is_empty() || name.len() > 64 || !name.chars().all(fits) {
            return Err(Problem::new(
                "name-invalid",
                "a name is 1 to 64 letters, digits, `-`, `_`, `.`",
            ));
        }
        let taken = self.store.api_tokens().map_err(|error| store_problem(&error))?;
        if taken.iter().any(|token| token.name == name) {
            return Err(Problem::new(
                "name-taken",
                format!("there is an API token `{name}` already"),
            ));
        }
        Ok(())
    }

    /// The API tokens, without their text.
    ///
    /// # Errors
    /// When the store is away.
    pub fn api_tokens(&self) -> Result<Vec<ApiTokenView>, Problem> {
        let tokens = self.store.api_tokens().map_err(|error| store_problem(&error))?;
        let view = |token: ApiTokenRow| ApiTokenView {
            name: token.name,
            role: token.roles.join(", "),
            purpose: token.purpose,
            created: seconds(token.created),
            expires: token.expires.map(seconds),
            revoked: token.revoked.is_some(),
        };
        Ok(tokens.into_iter().map(view).collect())
    }

    /// Ends an API token at once.
    ///
    /// # Errors
    /// When there is none of this name, or the store or the record is away.
    pub fn revoke_api_token(&self, actor: &str, name: &str) -> Result<String, Problem> {
        let _one = self.lock();
        let known = self.store.api_tokens().map_err(|error| store_problem(&error))?;
        if !known.iter().any(|token| token.name == name) {
            return Err(Problem::new("token-unknown", format!("there is no API token `{name}`")));
        }
        self.on_the_record(actor, "api-tokens.revoke", &[("name", name)], || {
            self.store.api_token_revoke(name, SystemTime::now())?;
            Ok(((), Vec::new()))
        })?;
        self.refresh_tokens()?;
        Ok(format!("API token `{name}` is revoked"))
    }

    pub(super) fn refresh_tokens(&self) -> Result<(), Problem> {
        let records = api_token_records(&self.store).map_err(|error| store_problem(&error))?;
        self.tokens.replace(records);
        Ok(())
    }

    /// Writes a sealed, verified copy of everything that cannot be made again.
    ///
    /// # Errors
    /// When it cannot be written, or does not verify.
    pub fn backup(&self, actor: &str, file: &Path) -> Result<String, Problem> {
        let shown = file.display().to_string();
        let report = self.on_the_record(actor, "backup", &[("file", &shown)], || {
            let report = self.store.backup(file, SystemTime::now())?;
            Ok((report, Vec::new()))
        })?;
        Ok(format!("{shown}: {}", counts(&report)))
    }

    /// The last events of the record.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn audit_tail(&self, lines: usize) -> Result<Vec<String>, Problem> {
        let entries = allonym_audit::tail(&self.audit_folder(), lines.min(100_000))
            .map_err(|error| Problem::new("audit-unreadable", error.to_string()))?;
        Ok(entries.iter().filter_map(line).collect())
    }

    /// Puts on the record what an operator asked for and has no right to.
    pub(crate) async fn record_refusal(&self, operator: &str, action: &str, rule: &str) {
        let event = Event::new(EventKind::Refused, format!("operator:{operator}"), action);
        let event =
            Event { outcome: Some("refused".to_owned()), rule: Some(rule.to_owned()), ..event };
        if self.audit.accept(event, Durability::Process).await.is_err() {
            self.shared.metrics.audit_refused();
        }
    }

    /// Intent, act, result. An act whose intent is not accepted does not happen.
    pub(super) fn on_the_record<T>(
        &self,
        actor: &str,
        action: &str,
        named: &[(&str, &str)],
        act: impl FnOnce() -> Result<(T, Vec<(&'static str, String)>), StoreError>,
    ) -> Result<T, Problem> {
        let refused = |error: allonym_audit::AuditError| {
            Problem::new(
                "audit-unavailable",
                format!("nothing is done that is not on the record: {error}"),
            )
        };
        self.shared.tenure.check()?;
        let event = named.iter().fold(
            Event::new(EventKind::Intent, format!("operator:{actor}"), action),
            |event, (name, what)| event.with_detail(*name, *what),
        );
        let result = Event { kind: EventKind::Result, ..event.clone() };
        let intent = self.audit.accept_blocking(event, Durability::Power).map_err(refused)?;
        let outcome = act();
        let mut result = Event { of: Some(intent), ..result };
        result.outcome = Some(if outcome.is_ok() { "done" } else { "failed" }.to_owned());
        if let Ok((_, details)) = &outcome {
            for (name, what) in details {
                result.detail.insert((*name).to_owned(), what.clone());
            }
        }
        // The act has happened: a record that fails now is an alert.
        if self.audit.accept_blocking(result, Durability::Power).is_err() {
            self.shared.metrics.audit_refused();
        }
        outcome.map(|(value, _)| value).map_err(|error| store_problem(&error))
    }
}

/// When a token ends. An end that cannot be kept is refused: a token without one never ends.
fn end(created: SystemTime, seconds: u64) -> Result<SystemTime, Problem> {
    (1..=LONGEST)
        .contains(&seconds)
        .then(|| created.checked_add(Duration::from_secs(seconds)))
        .flatten()
        .ok_or_else(|| {
            let detail = format!("a token ends after 1 second to {} days", LONGEST / 86_400);
            Problem::new("expiry-invalid", detail)
        })
}

/// The key under which API tokens are hashed.
pub(super) fn api_token_key(store: &Store) -> Secret {
    store.subkey(Purpose::ApiToken)
}

/// The API tokens as the book of those that are accepted.
pub(super) fn api_token_records(store: &Store) -> Result<Vec<TokenRecord>, StoreError> {
    let record = |row: ApiTokenRow| TokenRecord {
        id: row.id,
        name: row.name,
        roles: row.roles,
        purpose: row.purpose,
        claims: serde_json::from_value(row.claims).unwrap_or_default(),
        hash: row.hash,
        expires: row.expires,
        revoked: row.revoked,
    };
    Ok(store.api_tokens()?.into_iter().map(record).collect())
}

/// What a backup holds, in words.
#[must_use]
pub fn counts(report: &BackupReport) -> String {
    format!(
        "{} bytes, verified: {} keys with {} versions, {} domains, {} vaulted tokens, {} API tokens",
        report.bytes,
        report.keys,
        report.key_versions,
        report.domains,
        report.tokens,
        report.api_tokens
    )
}

/// An event as the log holds it, without its place in the chain.
fn line(entry: &allonym_audit::Entry) -> Option<String> {
    let mut line = serde_json::to_value(&entry.event).ok()?;
    let fields = line.as_object_mut()?;
    fields.insert("seq".to_owned(), entry.sequence.into());
    fields.insert("time".to_owned(), entry.time.clone().into());
    serde_json::to_string(&line).ok()
}

pub(super) fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
