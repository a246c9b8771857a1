//! A throw-away installation: a real store with throw-away keys in a folder that goes
//! away. `check` and `test` compile and run a configuration in it, so that neither ever
//! touches what is real.

use std::path::PathBuf;
use std::sync::Arc;

use crate::config::{Config, Located, Seal, SealKind, StoreKind};
use crate::runtime::{Gateway, StartError};

/// A gateway over a folder of its own.
pub struct Sandbox {
    /// The gateway; it serves nothing.
    pub gateway: Arc<Gateway>,
    folder: PathBuf,
}

impl Sandbox {
    /// Opens a configuration with everything that is kept replaced by throw-away parts.
    ///
    /// # Errors
    /// When the configuration cannot be compiled, or the folder not made.
    pub fn open(mut config: Config) -> Result<Self, StartError> {
        let folder = folder().map_err(|cause| StartError::System {
            what: "a folder for throw-away keys".to_owned(),
            cause,
        })?;
        let seal = folder.join("seal.key");
        let opened =
            allonym_seal::FileSeal::create(&seal).map_err(StartError::from).and_then(|_| {
                config.seals = vec![Seal {
                    at: allonym_contract::Location::default(),
                    kind: SealKind::File(seal),
                }];
                config.store.kind = StoreKind::File(folder.join("store").join("store.db"));
                config.audit.path = folder.join("audit");
                config.admin.listen = None::<Located<std::net::SocketAddr>>;
                Gateway::examine(config)
            });
        match opened {
            Ok(gateway) => Ok(Self { gateway, folder }),
            Err(error) => {
                let _ = std::fs::remove_dir_all(&folder);
                Err(error)
            }
        }
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn folder() -> std::io::Result<PathBuf> {
    use std::os::unix::fs::DirBuilderExt;
    let mut random = [0_u8; 8];
    getrandom::fill(&mut random).map_err(std::io::Error::other)?;
    let name = format!("allonym-{:016x}", u64::from_be_bytes(random));
    let folder = std::env::temp_dir().join(name);
    std::fs::DirBuilder::new().mode(0o700).create(&folder)?;
    Ok(folder)
}
