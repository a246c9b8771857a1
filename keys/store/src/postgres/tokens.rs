use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use allonym_keyring::DomainId;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Row, Statement};

use super::Postgres;
use super::failure::Failure;
use super::session::{Kind, Session};
use crate::StoreError;
use crate::leases::Lease;
use crate::vault::{At, Fence, LONGEST_TOKEN, PutOutcome, TokenRow, Touch, Wanted};

/// What goes to the server in one statement: far less than a message may hold, and than
/// it can do in the time that a statement has.
const PART_ROWS: usize = 4096;
const PART_BYTES: usize = 8 * 1024 * 1024;

const VERSIONS: &str = "SELECT v.version FROM domains d
     JOIN key_versions v ON v.namespace = d.namespace AND v.key = d.key
     WHERE d.namespace = $1 AND d.number = $2 AND v.version = ANY ($3::bigint[])
         AND v.wrap IS NOT NULL";
const INSERT: &str = "INSERT INTO tokens (namespace, domain, token, lookup, version, sealed,
         created, expires, disabled, subject, meta)
     SELECT $1, $2, r.token, r.lookup, r.version, r.sealed,
         r.created, r.expires, r.disabled, r.subject, r.meta
     FROM unnest($3::text[], $4::bytea[], $5::bigint[], $6::bytea[], $7::bigint[], $8::bigint[],
         $9::bigint[], $10::bytea[], $11::bytea[]) WITH ORDINALITY
         AS r (token, lookup, version, sealed, created, expires, disabled, subject, meta, place)
     ORDER BY r.place ON CONFLICT DO NOTHING RETURNING token, lookup";
// Each row is looked up by itself, and no other index fits: of a domain whose statistics
// are not there yet the planner thinks that it has few rows, and would read all of them.
const DELETE_ENDED: &str = "DELETE FROM tokens t
     USING unnest($3::bytea[]) AS r (lookup) CROSS JOIN LATERAL
         (SELECT id FROM tokens WHERE namespace = $1 AND domain = $2 AND lookup = r.lookup LIMIT 1) f
     WHERE t.id = f.id AND t.expires <= $4";
const BY_LOOKUP: &str = "SELECT t.* FROM unnest($3::bytea[]) AS r (lookup) CROSS JOIN LATERAL
     (SELECT lookup, token, version, sealed, created, expires, disabled, subject, meta
      FROM tokens WHERE namespace = $1 AND domain = $2 AND lookup = r.lookup LIMIT 1) t";
const BY_TOKEN: &str = "SELECT t.* FROM unnest($3::text[]) AS r (token) CROSS JOIN LATERAL
     (SELECT lookup, token, version, sealed, created, expires, disabled, subject, meta
      FROM tokens WHERE namespace = $1 AND domain = $2 AND token = r.token
          AND token <> '' LIMIT 1) t";
const RESEAL: &str = "UPDATE tokens t SET version = r.version, sealed = r.sealed, meta = r.meta
     FROM unnest($3::text[], $4::bigint[], $5::bigint[], $6::bytea[], $7::bytea[])
         AS r (token, old, version, sealed, meta) CROSS JOIN LATERAL
         (SELECT id FROM tokens WHERE namespace = $1 AND domain = $2 AND token = r.token
          AND token <> '' LIMIT 1) f
     WHERE t.id = f.id AND t.version = r.old";
const FENCE: &str = "UPDATE leases SET fence = fence
     WHERE namespace = $1 AND name = $2 AND fence = $3 AND holder = $4";
const SET_DISABLED: &str = "UPDATE tokens t SET disabled = $4
     FROM unnest($3::text[]) AS r (token) CROSS JOIN LATERAL
         (SELECT id FROM tokens WHERE namespace = $1 AND domain = $2 AND token = r.token
          AND token <> '' LIMIT 1) f
     WHERE t.id = f.id RETURNING t.token";
const SET_EXPIRY: &str = "UPDATE tokens t SET expires = $4
     FROM unnest($3::text[]) AS r (token) CROSS JOIN LATERAL
         (SELECT id FROM tokens WHERE namespace = $1 AND domain = $2 AND token = r.token
          AND token <> '' LIMIT 1) f
     WHERE t.id = f.id RETURNING t.token";
const SET_META: &str = "UPDATE tokens t SET meta = r.meta
     FROM unnest($3::text[], $4::bytea[]) AS r (token, meta) CROSS JOIN LATERAL
         (SELECT id FROM tokens WHERE namespace = $1 AND domain = $2 AND token = r.token
          AND token <> '' LIMIT 1) f
     WHERE t.id = f.id RETURNING t.token";
const DELETE: &str = "DELETE FROM tokens t
     USING unnest($3::text[]) AS r (token) CROSS JOIN LATERAL
         (SELECT id FROM tokens WHERE namespace = $1 AND domain = $2 AND token = r.token
          AND token <> '' LIMIT 1) f
     WHERE t.id = f.id RETURNING t.token";
const NUMBER: &str = "SELECT number FROM domains WHERE namespace = $1 AND id = $2";

/// Rows on their way in, in the order in which they are inserted: whoever inserts the
/// same look-ups at the same time meets them in the same order, and waits for one
/// another without a circle.
struct Batch {
    at: At,
    domain: DomainId,
    rows: Vec<TokenRow>,
    order: Vec<usize>,
    versions: Vec<i64>,
    now: Option<i64>,
}

/// What the server says it inserted: tokens with their look-ups.
type Inserted = HashSet<(String, Option<[u8; 16]>)>;

impl Postgres {
    /// See [`crate::Store::token_put`].
    pub(crate) async fn put(
        &self,
        at: At,
        domain: DomainId,
        rows: Vec<TokenRow>,
        now: Option<i64>,
    ) -> Result<Vec<PutOutcome>, StoreError> {
        let mut order: Vec<usize> = (0..rows.len()).collect();
        order.sort_by_key(|index| rows.get(*index).map(|row| row.lookup));
        let versions = distinct(rows.iter().map(|row| row.version));
        let batch = Arc::new(Batch { at, domain, rows, order, versions, now });
        self.change(move |session| {
            let batch = Arc::clone(&batch);
            async move { batch.put(&session).await }
        })
        .await
    }

    /// The rows wanted, as they are at one moment.
    pub(crate) async fn find(
        &self,
        at: At,
        wanted: Wanted,
    ) -> Result<Vec<Option<TokenRow>>, StoreError> {
        let wanted = Arc::new(wanted);
        self.ask(move |session| {
            let wanted = Arc::clone(&wanted);
            async move {
                match &*wanted {
                    Wanted::Lookups(lookups) => {
                        let found = by_lookup(&session, at, lookups).await?;
                        Ok(lookups.iter().map(|lookup| found.get(lookup).cloned()).collect())
                    }
                    Wanted::Tokens(tokens) => by_token(&session, at, tokens).await,
                }
            }
        })
        .await
    }

    /// Replaces what is sealed in each row that still has the version given with it.
    pub(crate) async fn reseal(
        &self,
        at: At,
        domain: DomainId,
        rows: Vec<(u32, TokenRow)>,
        fence: Fence,
    ) -> Result<usize, StoreError> {
        let (rows, fence) = (Arc::new(rows), Arc::new(fence));
        self.change(move |session| {
            let (rows, fence) = (Arc::clone(&rows), Arc::clone(&fence));
            async move {
                session.begin_sealed().await?;
                if let Some(lease) = &*fence {
                    check_fence(&session, at, lease).await?;
                }
                let versions = distinct(rows.iter().map(|(_, row)| row.version));
                let statement = session.statement(VERSIONS).await?;
                let found =
                    session.query(&statement, &[&at.namespace, &at.domain, &versions]).await?;
                check_versions(domain, &versions, &found)?;
                let mut replaced = 0;
                for part in parts(rows.iter().map(|(_, row)| size(row))) {
                    let part = rows.get(part).unwrap_or_default();
                    replaced += reseal(&session, at, part).await?;
                }
                usize::try_from(replaced).map_err(|_| StoreError::Altered("tokens").into())
            }
        })
        .await
    }

    /// Changes or deletes tokens by name; says which there were.
    pub(crate) async fn touch(&self, at: At, touch: Touch) -> Result<Vec<bool>, StoreError> {
        let touch = Arc::new(touch);
        self.change(move |session| {
            let touch = Arc::clone(&touch);
            async move {
                session.begin(Kind::Tokens).await?;
                touched(&session, at, &touch).await
            }
        })
        .await
    }

    /// The number of a domain in the store, which another node may have made.
    pub(crate) async fn number(
        &self,
        namespace: i64,
        domain: DomainId,
    ) -> Result<Option<i64>, StoreError> {
        self.ask(move |session| async move {
            let statement = session.statement(NUMBER).await?;
            let id = domain.as_bytes().as_slice();
            let rows = session.query(&statement, &[&namespace, &id]).await?;
            Ok(rows.first().map(|row| row.try_get(0)).transpose()?)
        })
        .await
    }
}

impl Batch {
    async fn put(&self, session: &Session) -> Result<Vec<PutOutcome>, Failure> {
        let check = session.statement(VERSIONS).await?;
        let insert = session.statement(INSERT).await?;
        let (At { namespace, domain }, versions) = (self.at, &self.versions);
        let check_params: [&(dyn ToSql + Sync); 3] = [&namespace, &domain, versions];
        let rows: Vec<&TokenRow> =
            self.order.iter().filter_map(|index| self.rows.get(*index)).collect();
        // All of it is on its way before the first answer comes, in this order.
        let (begun, found, inserted) = tokio::join!(
            biased;
            session.begin_sealed(),
            session.query(&check, &check_params),
            self.insert(session, &insert, &rows),
        );
        begun?;
        check_versions(self.domain, versions, &found?)?;
        let mut made = vec![false; self.rows.len()];
        self.mark(&mut made, inserted?);
        let mut existing = by_lookup(session, self.at, &self.unmade(&made)).await?;
        if self.replace_ended(session, &insert, &mut made, &existing).await? {
            existing = by_lookup(session, self.at, &self.unmade(&made)).await?;
        }
        let outcome = |(row, made): (&TokenRow, &bool)| match row.lookup {
            _ if *made => PutOutcome::Inserted,
            Some(lookup) => existing
                .get(&lookup)
                .map_or(PutOutcome::TokenTaken, |row| PutOutcome::Existing(row.clone())),
            None => PutOutcome::TokenTaken,
        };
        Ok(self.rows.iter().zip(&made).map(outcome).collect())
    }

    /// Where a look-up has a row that ended, that one makes way. Says whether any did.
    async fn replace_ended(
        &self,
        session: &Session,
        insert: &Statement,
        made: &mut [bool],
        existing: &HashMap<[u8; 16], TokenRow>,
    ) -> Result<bool, Failure> {
        let Some(now) = self.now else { return Ok(false) };
        let ended = |lookup: &[u8; 16]| existing.get(lookup).is_some_and(|row| row.ended(now));
        let lookups: Vec<&[u8]> =
            existing.keys().filter(|lookup| ended(lookup)).map(<[u8; 16]>::as_slice).collect();
        if lookups.is_empty() {
            return Ok(false);
        }
        let delete = session.statement(DELETE_ENDED).await?;
        let At { namespace, domain } = self.at;
        session.execute(&delete, &[&namespace, &domain, &lookups, &now]).await?;
        let rows = self.order.iter().filter_map(|index| self.rows.get(*index));
        let rows: Vec<&TokenRow> =
            rows.filter(|row| row.lookup.as_ref().is_some_and(ended)).collect();
        let inserted = self.insert(session, insert, &rows).await?;
        self.mark(made, inserted);
        Ok(true)
    }

    /// Inserts what is not there.
    async fn insert(
        &self,
        session: &Session,
        insert: &Statement,
        rows: &[&TokenRow],
    ) -> Result<Inserted, Failure> {
        let At { namespace, domain } = self.at;
        let mut inserted = Inserted::with_capacity(rows.len());
        for part in parts(rows.iter().map(|row| size(row))) {
            let rows = rows.get(part).unwrap_or_default();
            let tokens: Vec<&str> = rows.iter().map(|row| row.token.as_str()).collect();
            let lookups: Vec<_> = rows.iter().map(|row| slice(row.lookup.as_ref())).collect();
            let versions: Vec<i64> = rows.iter().map(|row| row.version.into()).collect();
            let sealed: Vec<&[u8]> = rows.iter().map(|row| row.sealed.as_slice()).collect();
            let created: Vec<i64> = rows.iter().map(|row| row.created).collect();
            let expires: Vec<Option<i64>> = rows.iter().map(|row| row.expires).collect();
            let disabled: Vec<i64> = rows.iter().map(|row| row.disabled.into()).collect();
            let subjects: Vec<_> = rows.iter().map(|row| slice(row.subject.as_ref())).collect();
            let metas: Vec<Option<&[u8]>> = rows.iter().map(|row| row.meta.as_deref()).collect();
            let params: [&(dyn ToSql + Sync); 11] = [
                &namespace, &domain, &tokens, &lookups, &versions, &sealed, &created, &expires,
                &disabled, &subjects, &metas,
            ];
            for row in session.query(insert, &params).await? {
                inserted.insert((row.try_get(0)?, bytes(&row, 1)?));
            }
        }
        Ok(inserted)
    }

    /// Marks the rows that were inserted: of several equal ones the first.
    fn mark(&self, made: &mut [bool], mut inserted: Inserted) {
        for index in &self.order {
            let (Some(row), Some(made)) = (self.rows.get(*index), made.get_mut(*index)) else {
                continue;
            };
            if inserted.is_empty() {
                return;
            }
            *made |= inserted.remove(&(row.token.clone(), row.lookup));
        }
    }

    /// The look-ups of the rows that were not inserted. A later statement sees what they
    /// have: by then whoever inserted it has committed.
    fn unmade(&self, made: &[bool]) -> Vec<[u8; 16]> {
        let unmade = self.rows.iter().zip(made).filter(|(_, made)| !**made);
        unmade.filter_map(|(row, _)| row.lookup).collect()
    }
}

async fn by_lookup(
    session: &Session,
    at: At,
    lookups: &[[u8; 16]],
) -> Result<HashMap<[u8; 16], TokenRow>, Failure> {
    if lookups.is_empty() {
        return Ok(HashMap::new());
    }
    let statement = session.statement(BY_LOOKUP).await?;
    let lookups: Vec<&[u8]> = lookups.iter().map(<[u8; 16]>::as_slice).collect();
    let rows = session.query(&statement, &[&at.namespace, &at.domain, &lookups]).await?;
    let mut found = HashMap::with_capacity(rows.len());
    for row in &rows {
        let row = token_row(row)?;
        if let Some(lookup) = row.lookup {
            found.insert(lookup, row);
        }
    }
    Ok(found)
}

async fn by_token(
    session: &Session,
    at: At,
    tokens: &[String],
) -> Result<Vec<Option<TokenRow>>, Failure> {
    let statement = session.statement(BY_TOKEN).await?;
    let asked: Vec<&str> =
        tokens.iter().map(String::as_str).filter(|token| storable(token)).collect();
    let rows = session.query(&statement, &[&at.namespace, &at.domain, &asked]).await?;
    let mut found = HashMap::with_capacity(rows.len());
    for row in &rows {
        let row = token_row(row)?;
        found.insert(row.token.clone(), row);
    }
    Ok(tokens.iter().map(|token| found.get(token).cloned()).collect())
}

async fn reseal(session: &Session, at: At, rows: &[(u32, TokenRow)]) -> Result<u64, Failure> {
    let statement = session.statement(RESEAL).await?;
    let tokens: Vec<&str> = rows.iter().map(|(_, row)| row.token.as_str()).collect();
    let olds: Vec<i64> = rows.iter().map(|(old, _)| (*old).into()).collect();
    let versions: Vec<i64> = rows.iter().map(|(_, row)| row.version.into()).collect();
    let sealed: Vec<&[u8]> = rows.iter().map(|(_, row)| row.sealed.as_slice()).collect();
    let metas: Vec<Option<&[u8]>> = rows.iter().map(|(_, row)| row.meta.as_deref()).collect();
    let params: [&(dyn ToSql + Sync); 7] =
        [&at.namespace, &at.domain, &tokens, &olds, &versions, &sealed, &metas];
    session.execute(&statement, &params).await
}

async fn check_fence(session: &Session, at: At, lease: &Lease) -> Result<(), Failure> {
    let statement = session.statement(FENCE).await?;
    let fence = i64::try_from(lease.fence).unwrap_or(i64::MAX);
    let held =
        session.execute(&statement, &[&at.namespace, &lease.name, &fence, &lease.holder]).await?;
    if held == 1 { Ok(()) } else { Err(StoreError::LeaseLost(lease.name.clone()).into()) }
}

async fn touched(session: &Session, at: At, touch: &Touch) -> Result<Vec<bool>, Failure> {
    let (named, deleting): (Vec<&str>, bool) = match touch {
        Touch::Disabled(tokens, _) | Touch::Expiry(tokens, _) => {
            (tokens.iter().map(String::as_str).collect(), false)
        }
        Touch::Meta(metas) => (metas.iter().map(|(token, _)| token.as_str()).collect(), false),
        Touch::Delete(tokens) => (tokens.iter().map(String::as_str).collect(), true),
    };
    let tokens: Vec<&str> = named.iter().copied().filter(|token| storable(token)).collect();
    let (namespace, domain) = (at.namespace, at.domain);
    let rows = match touch {
        Touch::Disabled(_, disabled) => {
            let disabled = i64::from(*disabled);
            let statement = session.statement(SET_DISABLED).await?;
            session.query(&statement, &[&namespace, &domain, &tokens, &disabled]).await?
        }
        Touch::Expiry(_, expires) => {
            let statement = session.statement(SET_EXPIRY).await?;
            session.query(&statement, &[&namespace, &domain, &tokens, expires]).await?
        }
        Touch::Meta(metas) => {
            // The last one of a token holds.
            let metas: BTreeMap<&str, Option<&[u8]>> =
                metas.iter().map(|(token, meta)| (token.as_str(), meta.as_deref())).collect();
            let metas = metas.into_iter().filter(|(token, _)| storable(token));
            let (tokens, metas): (Vec<&str>, Vec<Option<&[u8]>>) = metas.unzip();
            let statement = session.statement(SET_META).await?;
            let mut rows = Vec::with_capacity(tokens.len());
            for part in parts(metas.iter().map(|meta| meta.map_or(0, <[u8]>::len))) {
                let tokens = tokens.get(part.clone()).unwrap_or_default();
                let metas = metas.get(part).unwrap_or_default();
                let params: [&(dyn ToSql + Sync); 4] = [&namespace, &domain, &tokens, &metas];
                rows.extend(session.query(&statement, &params).await?);
            }
            rows
        }
        Touch::Delete(_) => {
            let statement = session.statement(DELETE).await?;
            session.query(&statement, &[&namespace, &domain, &tokens]).await?
        }
    };
    let mut there = rows.iter().map(|row| row.try_get(0)).collect::<Result<HashSet<&str>, _>>()?;
    // What is named twice is deleted once.
    let mut is_there =
        |token: &str| if deleting { there.remove(token) } else { there.contains(token) };
    Ok(named.iter().map(|token| is_there(token)).collect())
}

fn check_versions(domain: DomainId, wanted: &[i64], found: &[Row]) -> Result<(), Failure> {
    let mut good = HashSet::with_capacity(found.len());
    for row in found {
        good.insert(row.try_get::<_, i64>(0)?);
    }
    let Some(gone) = wanted.iter().find(|version| !good.contains(version)) else {
        return Ok(());
    };
    let version = u32::try_from(*gone).map_err(|_| StoreError::Altered("key_versions"))?;
    Err(StoreError::VersionGone { domain, version }.into())
}

/// Ranges of rows of these sizes in bytes, each as much as goes into one statement; at
/// least one, if empty.
fn parts(sizes: impl Iterator<Item = usize>) -> Vec<Range<usize>> {
    let mut parts = Vec::new();
    let (mut start, mut end, mut bytes) = (0, 0, 0);
    for size in sizes {
        if end > start && (end - start >= PART_ROWS || bytes + size > PART_BYTES) {
            parts.push(start..end);
            (start, bytes) = (end, 0);
        }
        end += 1;
        bytes += size;
    }
    parts.push(start..end);
    parts
}

fn distinct(versions: impl Iterator<Item = u32>) -> Vec<i64> {
    let mut versions: Vec<i64> = versions.map(i64::from).collect();
    versions.dedup();
    versions.sort_unstable();
    versions.dedup();
    versions
}

fn slice(bytes: Option<&[u8; 16]>) -> Option<&[u8]> {
    bytes.map(<[u8; 16]>::as_slice)
}

fn size(row: &TokenRow) -> usize {
    row.token.len() + row.sealed.len() + row.meta.as_ref().map_or(0, Vec::len)
}

/// Whether a row can have this token; PostgreSQL is not asked for another.
fn storable(token: &str) -> bool {
    token.len() <= LONGEST_TOKEN && !token.contains('\0')
}

fn token_row(row: &Row) -> Result<TokenRow, Failure> {
    let altered = || StoreError::Altered("tokens");
    Ok(TokenRow {
        lookup: bytes(row, 0)?,
        token: row.try_get(1)?,
        version: u32::try_from(row.try_get::<_, i64>(2)?).map_err(|_| altered())?,
        sealed: row.try_get(3)?,
        created: row.try_get(4)?,
        expires: row.try_get(5)?,
        disabled: row.try_get::<_, i64>(6)? != 0,
        subject: bytes(row, 7)?,
        meta: row.try_get(8)?,
    })
}

fn bytes(row: &Row, column: usize) -> Result<Option<[u8; 16]>, Failure> {
    let bytes: Option<&[u8]> = row.try_get(column)?;
    let bytes = bytes.map(<[u8; 16]>::try_from).transpose();
    bytes.map_err(|_| StoreError::Altered("tokens").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_goes_in_parts() {
        let check = |count: usize, size: usize, ends: &[usize]| {
            let parts = parts(std::iter::repeat_n(size, count));
            let starts: Vec<_> = parts.iter().skip(1).map(|part| part.start).collect();
            let found: Vec<_> = parts.iter().map(|part| part.end).collect();
            assert_eq!(found, ends, "{count} of {size}");
            assert_eq!(starts, ends[..ends.len() - 1], "each begins where another ends");
        };
        check(0, 1, &[0]);
        check(1, PART_BYTES + 1, &[1]);
        check(PART_ROWS, 1, &[PART_ROWS]);
        check(PART_ROWS + 1, 1, &[PART_ROWS, PART_ROWS + 1]);
        check(5, PART_BYTES / 2, &[2, 4, 5]);
    }
}
