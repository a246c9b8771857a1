use std::cell::Cell as Mutable;
use std::error::Error;
use std::sync::Arc;

use bytes::BytesMut;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

use super::Link;
use super::failure::{Again, Failure};
use super::session::{Lock, Session};
use crate::StoreError;
use crate::sql::{Cell, Param, Row};

/// A transaction for work that goes on statement by statement, on a thread of its own.
pub(crate) struct Bridge<'a> {
    link: &'a Link,
    session: Arc<Session>,
    again: Mutable<Again>,
}

impl<'a> Bridge<'a> {
    pub(crate) fn new(link: &'a Link, session: Arc<Session>) -> Self {
        Self { link, session, again: Mutable::new(Again::No) }
    }

    /// Whether what failed last may succeed if all is done again.
    pub(crate) fn again(&self) -> Again {
        self.again.get()
    }

    /// Runs a statement; returns how many rows it changed.
    pub(crate) fn execute(&self, sql: &str, params: &[Param<'_>]) -> Result<u64, StoreError> {
        let (sql, params) = (spoken(sql), owned(params));
        self.wait(|session| async move {
            let statement = session.statement(&sql).await?;
            session.execute(&statement, &borrowed(&params)).await
        })
    }

    /// All rows a statement gives.
    pub(crate) fn query(&self, sql: &str, params: &[Param<'_>]) -> Result<Vec<Row>, StoreError> {
        let (sql, params) = (spoken(sql), owned(params));
        self.wait(|session| async move {
            let statement = session.statement(&sql).await?;
            let rows = session.query(&statement, &borrowed(&params)).await?;
            rows.iter().map(cells).collect()
        })
    }

    /// Statements without values or answers, which are not kept prepared.
    pub(crate) fn batch(&self, sql: &str) -> Result<(), StoreError> {
        let sql = sql.to_owned();
        self.wait(|session| async move { session.batch(&sql).await })
    }

    /// The rows of a statement that is asked once and not kept prepared.
    pub(crate) fn fetch(&self, sql: &str) -> Result<Vec<Row>, StoreError> {
        let sql = sql.to_owned();
        self.wait(|session| async move {
            let rows = session.ask(&sql).await?;
            rows.iter().map(cells).collect()
        })
    }

    /// Waits for a lock and holds it until the end of the transaction.
    pub(crate) fn lock(&self, lock: Lock) -> Result<(), StoreError> {
        self.batch(&self.session.lock_statement(lock, ""))
    }

    fn wait<T: Send + 'static, F>(
        &self,
        work: impl FnOnce(Arc<Session>) -> F,
    ) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, Failure>> + Send + 'static,
    {
        let done = self.link.wait(work(Arc::clone(&self.session)));
        done.map_err(|failure| {
            self.again.set(failure.again);
            failure.error
        })
    }
}

impl ToSql for Param<'_> {
    fn to_sql(
        &self,
        kind: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Int(number) => number.to_sql(kind, out),
            Self::Text(text) => text.as_ref().to_sql(kind, out),
            Self::Blob(bytes) => bytes.as_ref().to_sql(kind, out),
        }
    }

    fn accepts(kind: &Type) -> bool {
        [Type::INT8, Type::TEXT, Type::BYTEA].contains(kind)
    }

    to_sql_checked!();
}

/// A statement in the words of PostgreSQL: `$1` for `?1`, and no word of which index to
/// use.
fn spoken(sql: &str) -> String {
    let mut words = String::with_capacity(sql.len());
    let mut parts = sql.split(" INDEXED BY ");
    words.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let name = part.find(char::is_whitespace).unwrap_or(part.len());
        words.push_str(part.get(name..).unwrap_or_default());
    }
    words.replace('?', "$")
}

fn owned(params: &[Param<'_>]) -> Vec<Param<'static>> {
    params.iter().map(Param::to_owned).collect()
}

fn borrowed<'a>(params: &'a [Param<'static>]) -> Vec<&'a (dyn ToSql + Sync)> {
    params.iter().map(|param| param as &(dyn ToSql + Sync)).collect()
}

fn cells(row: &tokio_postgres::Row) -> Result<Row, Failure> {
    let mut cells = Vec::with_capacity(row.len());
    for (index, column) in row.columns().iter().enumerate() {
        let cell = match *column.type_() {
            Type::INT8 => row.try_get::<_, Option<i64>>(index)?.map(Cell::Int),
            Type::TEXT => row.try_get::<_, Option<String>>(index)?.map(Cell::Text),
            Type::BYTEA => row.try_get::<_, Option<Vec<u8>>>(index)?.map(Cell::Blob),
            _ => {
                let mistyped = "a column has a type it cannot have".to_owned();
                return Err(StoreError::Damaged(mistyped).into());
            }
        };
        cells.push(cell.unwrap_or(Cell::Null));
    }
    Ok(Row(cells))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_translated() {
        let check = |sql: &str, expected: &str| assert_eq!(spoken(sql), expected);
        check("SELECT 1", "SELECT 1");
        check(
            "SELECT a FROM t WHERE b = ?1 AND c = ?12",
            "SELECT a FROM t WHERE b = $1 AND c = $12",
        );
        check("FROM t INDEXED BY i WHERE a = ?1", "FROM t WHERE a = $1");
        check("FROM t INDEXED BY i\n WHERE a = ?1", "FROM t\n WHERE a = $1");
        check("FROM t INDEXED BY i", "FROM t");
    }
}
