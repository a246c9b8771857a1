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
        let ours = self.ours(&mut sealers, &rows).await?;
        for (row, ours) in rows.into_iter().zip(ours) {
            // What is said of spent tokens means nothing elsewhere.
            if !ours || is_spent(&row.token) {
                continue;
            }
            write(&mut page, &line(&mut sealers, row)?)?;
            self.lines += 1;
        }
        self.at = At::After(Some(last));
        Ok(Some(page))
    }
}

impl Exporter<'_> {
    /// Which rows are of the tenant whose tokens are asked for: a claim is where its
    /// token is.
    async fn ours(
        &self,
        sealers: &mut Sealers<'_>,
        rows: &[TokenRow],
    ) -> Result<Vec<bool>, TokenError> {
        let Some(wanted) = &self.tenant else { return Ok(vec![true; rows.len()]) };
        let claimed: Vec<Option<&str>> =
            rows.iter().map(|row| claimed(&row.token).map(|(_, token)| token)).collect();
        let asked: Vec<String> = claimed.iter().flatten().map(|token| (*token).into()).collect();
        let id = self.method.domain().domain.id;
        let named = self.vault.store.token_by_token(id, asked).await.map_err(store_failed)?;
        let mut named = named.into_iter();
        let mut ours = Vec::with_capacity(rows.len());
        for (row, claimed) in rows.iter().zip(claimed) {
            let named = claimed.map(|_| named.next().flatten());
            let row = match &named {
                None => row,
                Some(Some(named)) => named,
                Some(None) => {
                    ours.push(false);
                    continue;
                }
            };
            let opened = sealers.of(row.version)?.open(&row.token, &row.sealed)?;
            let (_, tenant) = Vaulted::opened(&opened).ok_or(TokenError::Altered)?;
            ours.push(tenant == wanted);
        }
        Ok(ours)
    }
}

fn line(sealers: &mut Sealers<'_>, row: TokenRow) -> Result<Line, TokenError> {
    let mut line = Line::default();
    if let Some((subject, token)) = claimed(&row.token) {
        line.claim = Some(subject.to_owned());
        line.token = token.to_owned();
        return Ok(line);
    }
    let opened = sealers.of(row.version)?.open(&row.token, &row.sealed)?;
    let (value, tenant) = Vaulted::opened(&opened).ok_or(TokenError::Altered)?;
    line.set_value(&value);
    line.tenant = tenant.to_owned();
    line.meta = open_metadata(sealers, &row.token, &row)?;
    line.created = (row.created > 0).then_some(row.created);
    line.expires = row.expires;
    line.disabled = row.disabled;
    line.shared = row.subject == Some(SHARED);
    line.subject_hash = row.subject.filter(|_| !line.shared).map(|subject| hex(&subject));
    line.token = row.token;
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
