//! Vaulted tokens over real stores.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]
#![allow(clippy::indexing_slicing, reason = "as above")]

/// Tests of whatever the store is in.
macro_rules! conformance {
    ($($name:ident),* $(,)?) => {
        mod file {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(crate::World::in_file()).await;
            })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(crate::World::in_postgres()).await;
            })*
        }
    };
}

mod crashes;
mod lives;
mod memory;
mod published;
mod sequences;
#[path = "../../../../keys/store/tests/it/server.rs"]
#[expect(dead_code, reason = "the tests of the store use more of it")]
mod server;
mod subjects;
mod transfer;
mod values;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use allonym_keyring::{DomainId, KeyError, KeyId, KeySet, KeyVersion, Keyring, NamespaceId};
use allonym_protect::{
    Candidate, Canonical, Context, Domain, Fault, FaultRule, Found, Issue, Issued, Keep, Luhn,
    Mark, Numbers, Owner, Scope, TokenDomain, TokenError, TokenStore, TokenTemplate, Vaulted,
    VaultedFault,
};
use allonym_record::Value;
use allonym_seal::{FileSeal, Seal};
use allonym_store::{Store, StoreError, TokenRow};
use allonym_tokens::{CacheSettings, Settings, VaultStore};
use zeroize::Zeroizing;

/// A store with one key, and tokens in it.
struct World {
    home: Home,
    store: Store,
    vault: Arc<VaultStore>,
    key: KeyId,
    /// By how many milliseconds the clock of the tokens is ahead.
    ahead: Arc<AtomicU64>,
}

/// Where a store is.
struct Home {
    folder: tempfile::TempDir,
    schema: Option<String>,
}

impl Home {
    fn new(schema: Option<String>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        FileSeal::create(folder.path().join("seal.key")).unwrap();
        Self { folder, schema }
    }

    fn seal_key(&self) -> PathBuf {
        self.folder.path().join("seal.key")
    }

    fn open(&self) -> Store {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            match self.try_open() {
                // A task of the one before lets go of it a moment after its last answer.
                Err(StoreError::InUse(_)) if Instant::now() < deadline => std::thread::yield_now(),
                opened => return opened.unwrap(),
            }
        }
    }

    fn try_open(&self) -> Result<Store, StoreError> {
        let seals: [Box<dyn Seal>; 1] = [Box::new(FileSeal::open(self.seal_key()).unwrap())];
        let now = SystemTime::now();
        match &self.schema {
            None => Store::open(&self.folder.path().join("data/store.db"), &seals, now),
            Some(schema) => {
                let config = server::shared().config("postgres", schema);
                Store::open_postgres(&config, &seals, now)
            }
        }
    }
}

impl World {
    fn in_file() -> Self {
        Self::open(Home::new(None))
    }

    fn in_postgres() -> Self {
        Self::open(Home::new(Some(server::shared().schema())))
    }

    fn open(home: Home) -> Self {
        let store = home.open();
        let key = store.ensure_key("contact", None, SystemTime::now()).unwrap();
        let ahead = Arc::new(AtomicU64::new(0));
        let vault = Self::vault(&store, &ahead, CacheSettings::default());
        Self { home, store, vault, key, ahead }
    }

    fn vault(store: &Store, ahead: &Arc<AtomicU64>, cache: CacheSettings) -> Arc<VaultStore> {
        let ahead = Arc::clone(ahead);
        let now = move || SystemTime::now() + Duration::from_millis(ahead.load(Ordering::SeqCst));
        Arc::new(VaultStore::with(store.clone(), Settings { cache, clock: Arc::new(now) }))
    }

    /// The same store, opened anew: in a file there is one opener at a time.
    fn reopened(self) -> Self {
        let Self { home, store, vault, .. } = self;
        drop((store, vault));
        Self::open(home)
    }

    /// The same store as another node sees it; in a file, one that remembers nothing.
    fn neighbour(&self) -> Self {
        let home = Home { folder: tempfile::tempdir().unwrap(), schema: self.home.schema.clone() };
        let store = match &self.home.schema {
            None => self.store.clone(),
            Some(_) => self.home.open(),
        };
        let ahead = Arc::clone(&self.ahead);
        let vault = Self::vault(&store, &ahead, CacheSettings::OFF);
        Self { home, store, vault, key: self.key, ahead }
    }

    fn pass(&self, time: Duration) {
        self.ahead.fetch_add(u64::try_from(time.as_millis()).unwrap(), Ordering::SeqCst);
    }

    fn now(&self) -> SystemTime {
        SystemTime::now() + Duration::from_millis(self.ahead.load(Ordering::SeqCst))
    }

    fn domain(&self, name: &str) -> TokenDomain {
        let id = self.store.put_domain(name, "{}", self.key).unwrap();
        let domain = Domain { namespace: NamespaceId::DEFAULT, id, key: self.key };
        TokenDomain { domain, specification: [5; 32] }
    }

    fn plain(&self, name: &str) -> Vaulted {
        self.method(name, TokenTemplate::Plain, false, Canonical::Exact, Scope::Global)
    }

    fn email(&self, name: &str, canonical: Canonical) -> Vaulted {
        let template = TokenTemplate::Email { token_domain: "Allonym.invalid".into() };
        self.method(name, template, false, canonical, Scope::Global)
    }

    fn format(&self, name: &str, template: TokenTemplate) -> Vaulted {
        self.method(name, template, false, Canonical::Exact, Scope::Global)
    }

    fn method(
        &self,
        name: &str,
        template: TokenTemplate,
        random: bool,
        canonical: Canonical,
        scope: Scope,
    ) -> Vaulted {
        let vault = Arc::clone(&self.vault) as Arc<dyn TokenStore>;
        Vaulted::new(self.domain(name), &template, random, canonical, scope, vault).unwrap()
    }

    fn keys(&self) -> KeySet {
        self.store.key_set().unwrap()
    }

    async fn count(&self, name: &str) -> u64 {
        self.store.token_count(self.id(name)).await.unwrap()
    }

    fn id(&self, name: &str) -> DomainId {
        self.domain(name).domain.id
    }

    async fn row(&self, name: &str, token: &Value) -> TokenRow {
        let token = token.as_str().unwrap().to_owned();
        self.store.token_by_token(self.id(name), vec![token]).await.unwrap().remove(0).unwrap()
    }
}

fn context(keys: &KeySet) -> Context<'_> {
    Context { pinned: keys, newest: keys, tenant: None, subject: None, stated: &[] }
}

fn about<'a>(keys: &'a KeySet, subject: &'a str) -> Context<'a> {
    Context { subject: Some(subject), ..context(keys) }
}

async fn protect(method: &Vaulted, values: &[Value], context: &Context<'_>) -> Vec<Value> {
    try_protect(method, values, context).await.unwrap()
}

async fn try_protect(
    method: &Vaulted,
    values: &[Value],
    context: &Context<'_>,
) -> Result<Vec<Value>, VaultedFault> {
    changed(values, async |batch| method.protect(batch, context).await).await
}

async fn reveal(
    method: &Vaulted,
    values: &[Value],
    context: &Context<'_>,
) -> Result<Vec<Value>, VaultedFault> {
    changed(values, async |batch| method.reveal(batch, context).await).await
}

/// What a method makes of copies of these values.
async fn changed(
    values: &[Value],
    method: impl AsyncFnOnce(&mut [&mut Value]) -> Result<(), VaultedFault>,
) -> Result<Vec<Value>, VaultedFault> {
    let mut values = values.to_vec();
    let mut batch: Vec<&mut Value> = values.iter_mut().collect();
    method(&mut batch).await?;
    Ok(values)
}

fn fault<T>(index: usize, rule: FaultRule) -> Result<T, VaultedFault> {
    Err(VaultedFault::Fault(Fault { index, rule }))
}

fn emails(count: usize) -> Vec<Value> {
    (0..count).map(|number| Value::text(format!("Zoë.{number}@example.org"))).collect()
}

fn texts(values: &[Value]) -> Vec<&str> {
    values.iter().filter_map(Value::as_str).collect()
}
