//! What a configuration names and is not to be had here and now. A configuration may be
//! looked at on another machine than it serves on, so it is no fault of it.

use allonym_contract::config::ConfigFault;
use allonym_seal::FileSeal;

use crate::config::{Config, ConnectorConfig, SealKind};

/// Seals, certificates, authorities and passwords that cannot be read where this runs,
/// each with its place in the file.
#[must_use]
pub fn missing(config: &Config) -> Vec<String> {
    let mut missing = Vec::new();
    for seal in &config.seals {
        let trouble = match &seal.kind {
            SealKind::File(path) => FileSeal::open(path).err().map(|error| error.to_string()),
            SealKind::Passphrase(secret) => secret.resolve().err().map(|error| error.to_string()),
        };
        let trouble = trouble.map(|says| config.error_at(seal.at, format!("seal: {says}"), None));
        missing.extend(trouble.map(|error| error.to_string()));
    }
    for connector in &config.connectors {
        let faults = match &connector.config {
            ConnectorConfig::Http(http) => http.missing(),
            ConnectorConfig::Postgres(postgres) => postgres.missing(),
        };
        let placed = |fault: ConfigFault| {
            let says = format!("connector `{}`: {}", connector.name, fault.message);
            config.error_at(fault.location, says, None).to_string()
        };
        missing.extend(faults.into_iter().map(placed));
    }
    missing
}
