use allonym_keyring::Keyring;
use allonym_protect::{TokenError, Vaulted};
use allonym_store::TokenRow;
use serde::Serialize;
use zeroize::Zeroizing;

use super::{FORMAT, Header, Line, Trailer, VERSION};
use crate::claims::{SHARED, claimed, hex, is_spent};
use crate::upkeep::open_metadata;
use crate::vault::{Sealers, VaultStore, store_failed};

/// Rows to a page.
const PAGE: usize = 1000;
/// Tokens of claims that are read at a time, however large.
const TOKENS: usize = 64;

/// The tokens of a domain with their values in plain, page by page. What is issued
/// meanwhile may be in it or not.
pub struct Exporter<'a> {
    vault: &'a VaultStore,
    method: &'a Vaulted,
    keys: &'a dyn Keyring,
    lines: u64,
    at: At,
    tenant: Option<String>,
}

enum At {
    Beginning,
    After(Option<String>),
    End,
}

impl<'a> Exporter<'a> {
    /// An export from the first token on.
    #[must_use]
    pub fn new(vault: &'a VaultStore, method: &'a Vaulted, keys: &'a dyn Keyring) -> Self {
        Self { vault, method, keys, lines: 0, at: At::Beginning, tenant: None }
    }

    /// The same, of the tokens of one tenant only.
    #[must_use]
    pub fn of_tenant(mut self, tenant: &str) -> Self {
        self.tenant = Some(tenant.to_owned());
        self
    }

    /// The next lines, each with its line feed; nothing after the last, which is the
    /// one that says how many there were.
    ///
    /// # Errors
    /// When the store is away, or something in it does not open: what was given so far
    /// has no last line then.
    pub async fn page(&mut self) -> Result<Option<Zeroizing<Vec<u8>>>, TokenError> {
        let mut page = Zeroizing::new(Vec::new());
        let after = match std::mem::replace(&mut self.at, At::End) {
            At::End => return Ok(None),
            At::Beginning => {
                let header = Header {
                    format: FORMAT.to_owned(),
                    version: VERSION,
                    domain: Some(self.method.domain().domain.id.to_string()),
                    created: Some(self.vault.settings.now()),
                };
                write(&mut page, &header)?;
                self.at = At::After(None);
                return Ok(Some(page));
            }
            At::After(after) => after,
        };
        let id = self.method.domain().domain.id;
        let rows = self.vault.store.token_page(id, after, PAGE).await.map_err(store_failed)?;
        let Some(last) = rows.last().map(|row| row.token.clone()) else {
            write(&mut page, &Trailer { end: true, lines: self.lines })?;
            return Ok(Some(page));
        };
        let mut sealers = Sealers::new(self.method.domain(), self.keys);
        let mut tenants = self.tenants_of_claims(&mut sealers, &rows).await?.into_iter();
        for row in rows {
            // What is said of spent tokens means nothing elsewhere.
            if is_spent(&row.token) {
                continue;
            }
            let line = match claimed(&row.token) {
                None => token_line(&mut sealers, row)?,
                Some((subject, token)) => match tenants.next().flatten() {
                    Some(tenant) => claim_line(subject, token, tenant),
                    // Nor does a claim to a token that is gone.
                    None => continue,
                },
            };
            if self.tenant.as_ref().is_none_or(|wanted| *wanted == line.tenant) {
                write(&mut page, &line)?;
                self.lines += 1;
            }
        }
        self.at = At::After(Some(last));
        Ok(Some(page))
    }
}

impl Exporter<'_> {
    /// For each claim among the rows the tenant of its token; nothing where that is gone.
    async fn tenants_of_claims(
        &self,
        sealers: &mut Sealers<'_>,
        rows: &[TokenRow],
    ) -> Result<Vec<Option<String>>, TokenError> {
        let asked: Vec<String> = rows
            .iter()
            .filter_map(|row| claimed(&row.token))
            .map(|(_, token)| token.to_owned())
            .collect();
        let id = self.method.domain().domain.id;
        let mut tenant = |row: Option<TokenRow>| -> Result<Option<String>, TokenError> {
            let Some(row) = row else { return Ok(None) };
            let opened = sealers.of(row.version)?.open(&row.token, &row.sealed)?;
            let (_, tenant) = Vaulted::opened(&opened).ok_or(TokenError::Altered)?;
            Ok(Some(tenant.to_owned()))
        };
        let mut tenants = Vec::with_capacity(asked.len());
        for some in asked.chunks(TOKENS) {
            let named = self.vault.store.token_by_token(id, some.to_vec()).await;
            for row in named.map_err(store_failed)? {
                tenants.push(tenant(row)?);
            }
        }
        Ok(tenants)
    }
}

fn claim_line(subject: &str, token: &str, tenant: String) -> Line {
    let (claim, token) = (Some(subject.to_owned()), token.to_owned());
    Line { claim, token, tenant, ..Line::default() }
}

fn token_line(sealers: &mut Sealers<'_>, row: TokenRow) -> Result<Line, TokenError> {
    let opened = sealers.of(row.version)?.open(&row.token, &row.sealed)?;
    let (value, tenant) = Vaulted::opened(&opened).ok_or(TokenError::Altered)?;
    let shared = row.subject == Some(SHARED);
    let mut line = Line {
        tenant: tenant.to_owned(),
        meta: open_metadata(sealers, &row.token, &row)?,
        created: (row.created > 0).then_some(row.created),
        expires: row.expires,
        disabled: row.disabled,
        shared,
        subject_hash: row.subject.filter(|_| !shared).map(|subject| hex(&subject)),
        token: row.token,
        ..Line::default()
    };
    line.set_value(&value);
    Ok(line)
}

fn write(page: &mut Zeroizing<Vec<u8>>, line: &impl Serialize) -> Result<(), TokenError> {
    // Written apart, so that what grows leaves no copy behind unwiped.
    let mut room = 512;
    loop {
        let mut bytes = Zeroizing::new(Vec::with_capacity(room));
        match serde_json::to_writer(Bounded { bytes: &mut bytes, room }, line) {
            Ok(()) => {
                append(page, &bytes);
                append(page, b"\n");
                return Ok(());
            }
            Err(error) if error.is_io() => room *= 4,
            Err(_) => return Err(TokenError::Altered),
        }
    }
}

/// Grows by moving to new room and wiping the old.
fn append(page: &mut Zeroizing<Vec<u8>>, bytes: &[u8]) {
    if page.len() + bytes.len() > page.capacity() {
        let mut larger = Vec::with_capacity(2 * (page.len() + bytes.len()).max(4096));
        larger.extend_from_slice(page);
        *page = Zeroizing::new(larger);
    }
    page.extend_from_slice(bytes);
}

/// Writes no more than there is room for.
struct Bounded<'a> {
    bytes: &'a mut Vec<u8>,
    room: usize,
}

impl std::io::Write for Bounded<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.bytes.len() + bytes.len() > self.room {
            return Err(std::io::ErrorKind::StorageFull.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
