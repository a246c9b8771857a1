mod found;

use std::collections::HashSet;

use allonym_keyring::Keyring;
use allonym_protect::{FaultRule, Owner, TokenError, Vaulted};
use allonym_record::Value;
use allonym_store::{PutOutcome, TokenRow};
use zeroize::{Zeroize as _, Zeroizing};

use self::found::existing;
use super::{FORMAT, Header, Line, VERSION};
use crate::claims::{SHARED, claim_of, spent_of};
use crate::sealing::{Sealer, subject_hash};
use crate::upkeep::write_metadata;
use crate::vault::{VaultStore, store_failed};

/// Longest line, in bytes: the longest value with every character escaped, and more.
const LONGEST_LINE: usize = 2 << 20;
/// Lines that go to the store at a time, and bytes of them.
const LINES: usize = 1000;
const BYTES: usize = 4 << 20;

/// Reads tokens with their values into a domain. Nothing that is there is changed, so
/// what was interrupted is begun again from its first line.
pub struct Importer<'a> {
    vault: &'a VaultStore,
    method: &'a Vaulted,
    keys: &'a dyn Keyring,
    /// The line that is being read; it never grows, so no copy is left behind.
    buffer: Zeroizing<Vec<u8>>,
    number: u64,
    state: State,
    pending: Vec<Entry>,
    /// Tokens and look-ups of what is pending: none twice, so that of two lines that
    /// contradict each other the first holds.
    named: HashSet<String>,
    found_by: HashSet<[u8; 16]>,
    pending_bytes: usize,
    summary: Summary,
    tenant: Option<String>,
}

enum State {
    Header,
    Lines { ours: bool },
    End,
}

/// What became of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Imported {
    /// It is stored now.
    Imported,
    /// The value has this token already. Where the line names somebody else whom it is
    /// about, it is about several now.
    Already,
    /// The value has another token, or this one with another end or switched the other
    /// way: what is there stays.
    Conflict,
    /// The token is another value's.
    Taken,
    /// It breaks this rule.
    Invalid(String),
}

/// How many lines became what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Stored now.
    pub imported: u64,
    /// There already.
    pub already: u64,
    /// Values that have another token, or the token with another end or state.
    pub conflict: u64,
    /// Tokens of other values.
    pub taken: u64,
    /// Lines that break a rule.
    pub invalid: u64,
}

/// Why an import ended early. What was reported as imported is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// The first line is not one of this format.
    #[error("the first line is not the header of allonym-tokens, version 1")]
    Header,
    /// A line without an end in sight.
    #[error("line {0} is longer than 2 MiB")]
    Long(u64),
    /// There are lines after the last.
    #[error("line {0} is after the end")]
    AfterEnd(u64),
    /// The last line is missing, or counts other lines.
    #[error("the file is cut: its last line is missing or counts other lines")]
    Cut,
    /// The token store.
    #[error(transparent)]
    Store(#[from] TokenError),
}

/// A line that may be stored.
struct Entry {
    number: u64,
    row: TokenRow,
    /// What is sealed, to compare with what is there; `None` for a claim.
    value: Option<Zeroizing<Vec<u8>>>,
}

/// Told the number and the outcome of each line.
pub(super) type Report<'r> = &'r mut (dyn FnMut(u64, Imported) + Send);

impl<'a> Importer<'a> {
    /// An import into the domain of this method.
    #[must_use]
    pub fn new(vault: &'a VaultStore, method: &'a Vaulted, keys: &'a dyn Keyring) -> Self {
        Self {
            vault,
            method,
            keys,
            buffer: Zeroizing::new(Vec::with_capacity(LONGEST_LINE)),
            number: 0,
            state: State::Header,
            pending: Vec::new(),
            named: HashSet::new(),
            found_by: HashSet::new(),
            pending_bytes: 0,
            summary: Summary::default(),
            tenant: None,
        }
    }

    /// The same, of which lines of other tenants are refused as invalid.
    #[must_use]
    pub fn of_tenant(mut self, tenant: &str) -> Self {
        self.tenant = Some(tenant.to_owned());
        self
    }

    /// How many lines became what until now.
    #[must_use]
    pub const fn summary(&self) -> Summary {
        self.summary
    }

    /// Takes the next bytes, wherever they are cut. Lines are reported some time after
    /// they came, once they are on disk.
    ///
    /// # Errors
    /// As said with [`ImportError`]; the importer is of no further use then.
    pub async fn push(
        &mut self,
        mut bytes: &[u8],
        report: &mut (dyn FnMut(u64, Imported) + Send),
    ) -> Result<(), ImportError> {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            let (line, rest) = bytes.split_at(end);
            bytes = rest.get(1..).unwrap_or_default();
            self.hold(line)?;
            self.line(report).await?;
        }
        self.hold(bytes)
    }

    /// Ends the import: what is left is stored and reported.
    ///
    /// # Errors
    /// [`ImportError::Cut`] unless the last line was there and counted all others, and
    /// as said with [`ImportError`].
    pub async fn finish(
        mut self,
        report: &mut (dyn FnMut(u64, Imported) + Send),
    ) -> Result<Summary, ImportError> {
        if !self.buffer.is_empty() {
            self.line(report).await?;
        }
        self.flush(report).await?;
        match self.state {
            State::End => Ok(self.summary),
            State::Header | State::Lines { .. } => Err(ImportError::Cut),
        }
    }

    fn hold(&mut self, bytes: &[u8]) -> Result<(), ImportError> {
        if self.buffer.len() + bytes.len() > LONGEST_LINE {
            return Err(ImportError::Long(self.number + 1));
        }
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    /// Takes the line that is held.
    async fn line(&mut self, report: Report<'_>) -> Result<(), ImportError> {
        self.number += 1;
        let number = self.number;
        match self.state {
            State::End if self.buffer.iter().all(u8::is_ascii_whitespace) => {}
            State::End => return Err(ImportError::AfterEnd(number)),
            State::Header => self.header()?,
            State::Lines { ours } => {
                // What serde says of a line may hold a part of it.
                let line = serde_json::from_slice::<Line>(&self.buffer);
                match line {
                    Err(_) => self.tell(report, number, invalid("it is no line of this format")),
                    Ok(line) if line.end == Some(true) && line.is_last() => {
                        // Neither the header nor this line counts.
                        if line.lines != Some(number - 2) {
                            return Err(ImportError::Cut);
                        }
                        self.state = State::End;
                    }
                    Ok(line) => match self.entry(number, &line, ours)? {
                        Ok(entry) => self.pend(entry, report).await?,
                        Err(outcome) => self.tell(report, number, outcome),
                    },
                }
            }
        }
        self.buffer.as_mut_slice().zeroize();
        self.buffer.clear();
        if self.pending.len() >= LINES || self.pending_bytes >= BYTES {
            self.flush(report).await?;
        }
        Ok(())
    }

    fn header(&mut self) -> Result<(), ImportError> {
        let header: Header =
            serde_json::from_slice(&self.buffer).map_err(|_| ImportError::Header)?;
        if header.format != FORMAT || header.version != VERSION {
            return Err(ImportError::Header);
        }
        let ours = header.domain == Some(self.method.domain().domain.id.to_string());
        self.state = State::Lines { ours };
        Ok(())
    }

    /// What a line would store.
    fn entry(
        &self,
        number: u64,
        line: &Line,
        ours: bool,
    ) -> Result<Result<Entry, Imported>, TokenError> {
        let domain = self.method.domain();
        if line.end.is_some() || line.lines.is_some() {
            return Ok(Err(invalid("`end` and `lines` are of the last line, and have it alone")));
        }
        if self.tenant.as_ref().is_some_and(|tenant| *tenant != line.tenant) {
            return Ok(Err(invalid("it is of another tenant")));
        }
        let foreign = line.subject_hash.is_some() || line.shared || line.claim.is_some();
        if foreign && !ours {
            return Ok(Err(invalid("whom it is about is known in the domain it comes from only")));
        }
        if let Some(claim) = &line.claim {
            let subject = match self.check_claim(line, claim) {
                Ok(subject) => subject,
                Err(rule) => return Ok(Err(Imported::Invalid(rule))),
            };
            let row = self.vault.claim_row(domain, self.keys, claim_of(subject, &line.token))?;
            return Ok(Ok(Entry { number, row, value: None }));
        }
        let Some(value) = line.value() else {
            return Ok(Err(invalid("it has no value of its kind")));
        };
        let candidate = match self.method.entry(&value, &line.token, &line.tenant) {
            Ok(candidate) => candidate,
            Err(rule) => return Ok(Err(Imported::Invalid(rule.to_string()))),
        };
        let known = self.vault.domains.of(&self.vault.store, domain)?;
        let subject = match (&line.subject, &line.subject_hash, line.shared) {
            (None, None, false) => None,
            (Some(subject), None, false) if !subject.is_empty() => {
                Some(subject_hash(&known.subject, Owner { tenant: &line.tenant, subject })?)
            }
            (None, Some(hash), false) => match subject_of(hash) {
                Some(subject) => Some(subject),
                None => return Ok(Err(invalid("its subject is no hash"))),
            },
            (None, None, true) => Some(SHARED),
            _ => return Ok(Err(invalid("it names whom it is about twice, or nobody"))),
        };
        let Ok(meta) = write_metadata(&line.meta) else {
            return Ok(Err(invalid("there is too much metadata")));
        };
        let sealer = Sealer::new(domain, self.keys, self.keys.active(domain.domain.key)?)?;
        let found_by = candidate.lookup.as_ref().map(|value| known.lookup.of(value)).transpose()?;
        let token = candidate.token;
        let row = TokenRow {
            lookup: found_by,
            version: sealer.version().number(),
            sealed: sealer.seal(&known.lookup, found_by, &token, &candidate.value)?,
            created: line.created.unwrap_or_else(|| self.vault.settings.now()),
            expires: line.expires,
            disabled: line.disabled,
            subject,
            meta: meta.map(|meta| sealer.seal_meta(&token, &meta)).transpose()?,
            token,
        };
        Ok(Ok(Entry { number, row, value: Some(candidate.value) }))
    }

    /// Whose claim a line is, or the rule that it breaks.
    fn check_claim(&self, line: &Line, claim: &str) -> Result<[u8; 16], String> {
        if !line.is_bare_claim() {
            return Err("a claim has a token and a tenant, and nothing of a token".to_owned());
        }
        if line.tenant.is_empty() != self.method.tenant_claim().is_none() {
            return Err(FaultRule::NoTenant.to_string());
        }
        if self.method.issued(&Value::text(line.token.as_str())).as_ref() != Some(&line.token) {
            return Err("its token is none that this class could have".to_owned());
        }
        subject_of(claim).ok_or_else(|| "it is no claim".to_owned())
    }

    /// Keeps an entry until there are enough, or one of them is of the same token or
    /// value.
    async fn pend(&mut self, entry: Entry, report: Report<'_>) -> Result<(), ImportError> {
        let found_by = entry.row.lookup;
        if self.named.contains(&entry.row.token)
            || found_by.is_some_and(|found_by| self.found_by.contains(&found_by))
        {
            self.flush(report).await?;
        }
        self.named.insert(entry.row.token.clone());
        self.found_by.extend(found_by);
        self.pending_bytes += self.buffer.len();
        self.pending.push(entry);
        Ok(())
    }

    /// Stores what is pending.
    async fn flush(&mut self, report: Report<'_>) -> Result<(), ImportError> {
        let pending = std::mem::take(&mut self.pending);
        self.pending_bytes = 0;
        self.named.clear();
        self.found_by.clear();
        if pending.is_empty() {
            return Ok(());
        }
        let mut outcomes = self.known(&pending).await?;
        let fresh: Vec<&Entry> = pending
            .iter()
            .zip(&outcomes)
            .filter(|(_, outcome)| outcome.is_none())
            .map(|(entry, _)| entry)
            .collect();
        self.spend(&fresh).await?;
        let mut put = self.put(&fresh).await?.into_iter();
        for outcome in outcomes.iter_mut().filter(|outcome| outcome.is_none()) {
            *outcome = put.next();
        }
        for (entry, outcome) in pending.iter().zip(outcomes) {
            self.tell(report, entry.number, outcome.ok_or(TokenError::Altered)?);
        }
        Ok(())
    }

    /// What is known of entries whose value has a token already: nothing of them is
    /// stored, so no number is lost over them.
    async fn known(&self, pending: &[Entry]) -> Result<Vec<Option<Imported>>, ImportError> {
        let id = self.method.domain().domain.id;
        let asked = pending.iter().filter_map(|entry| entry.row.lookup).collect();
        let rows = self.vault.store.token_by_lookup(id, asked).await.map_err(store_failed)?;
        let mut rows = rows.into_iter();
        let (mut outcomes, mut shared) = (Vec::with_capacity(pending.len()), Vec::new());
        for entry in pending {
            let row = entry.row.lookup.and_then(|_| rows.next().flatten());
            outcomes.push(row.map(|row| existing(row, entry, &mut shared)));
        }
        self.share(shared).await?;
        Ok(outcomes)
    }

    async fn put(&self, fresh: &[&Entry]) -> Result<Vec<Imported>, ImportError> {
        if fresh.is_empty() {
            return Ok(Vec::new());
        }
        let rows = fresh.iter().map(|entry| entry.row.clone()).collect();
        let id = self.method.domain().domain.id;
        let put = self.vault.store.token_import(id, rows).await.map_err(store_failed)?;
        if put.len() != fresh.len() {
            return Err(TokenError::Altered.into());
        }
        let mut shared = Vec::new();
        let mut outcomes: Vec<Imported> = Vec::with_capacity(fresh.len());
        for (entry, put) in fresh.iter().copied().zip(put) {
            outcomes.push(match put {
                PutOutcome::Inserted => Imported::Imported,
                PutOutcome::Existing(row) => existing(row, entry, &mut shared),
                PutOutcome::TokenTaken => Imported::Taken,
            });
        }
        self.tell_equal(fresh, &mut outcomes, &mut shared).await?;
        self.share(shared).await?;
        Ok(outcomes)
    }

    /// Keeps, before the tokens are stored, that no counter may ever issue them.
    async fn spend(&self, fresh: &[&Entry]) -> Result<(), ImportError> {
        let domain = self.method.domain();
        let tokens = fresh.iter().filter(|entry| entry.value.is_some());
        let rows = tokens
            .filter_map(|entry| spent_of(&entry.row.token))
            .map(|spent| self.vault.claim_row(domain, self.keys, spent))
            .collect::<Result<Vec<_>, _>>()?;
        if !rows.is_empty() {
            self.vault.store.token_import(domain.domain.id, rows).await.map_err(store_failed)?;
        }
        Ok(())
    }

    fn tell(&mut self, report: Report<'_>, number: u64, outcome: Imported) {
        let count = match &outcome {
            Imported::Imported => &mut self.summary.imported,
            Imported::Already => &mut self.summary.already,
            Imported::Conflict => &mut self.summary.conflict,
            Imported::Taken => &mut self.summary.taken,
            Imported::Invalid(_) => &mut self.summary.invalid,
        };
        *count += 1;
        report(number, outcome);
    }
}

fn invalid(rule: &str) -> Imported {
    Imported::Invalid(rule.to_owned())
}

/// A subject, out of its hash in hexadecimal.
fn subject_of(hash: &str) -> Option<[u8; 16]> {
    unhex(hash).filter(|subject| *subject != SHARED)
}

fn unhex(text: &str) -> Option<[u8; 16]> {
    let mut bytes = [0; 16];
    if text.len() != 32 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(bytes)
}
