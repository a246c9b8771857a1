//! Values there and back: as bytes, as what Rust makes of them, and large ones.

use std::fmt::Debug;

use sqlx_core::column::Column;
use sqlx_core::decode::Decode;
use sqlx_core::encode::{Encode, IsNull};
use sqlx_core::error::BoxDynError;
use sqlx_core::query::query;
use sqlx_core::query_as::query_as;
use sqlx_core::query_scalar::query_scalar;
use sqlx_core::raw_sql::raw_sql;
use sqlx_core::row::Row;
use sqlx_core::sql_str::AssertSqlSafe;
use sqlx_core::types::{Json, Type};
use sqlx_postgres::types::{Oid, PgInterval, PgPoint, PgRange, PgTimeTz};
use sqlx_postgres::{
    PgArgumentBuffer, PgConnection, PgHasArrayType, PgTypeInfo, PgValueFormat, PgValueRef, Postgres,
};
use time::macros::{date, datetime, offset, time};
use uuid::Uuid;

use super::{batch, one};
use crate::checks::{Checks, Done, LARGE};
use crate::literals::{LITERALS, select};

/// The bytes of a value, and the type they were sent as.
struct Raw {
    bytes: Vec<u8>,
    kind: Option<PgTypeInfo>,
}

impl Type<Postgres> for Raw {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(Oid(0))
    }

    fn compatible(_: &PgTypeInfo) -> bool {
        true
    }
}

impl<'r> Decode<'r, Postgres> for Raw {
    fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        if value.format() != PgValueFormat::Binary {
            return Err("it came as text".into());
        }
        Ok(Self { bytes: value.as_bytes()?.to_vec(), kind: None })
    }
}

impl Encode<'_, Postgres> for Raw {
    fn encode_by_ref(&self, out: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        out.extend_from_slice(&self.bytes);
        Ok(IsNull::No)
    }

    fn produces(&self) -> Option<PgTypeInfo> {
        self.kind.clone()
    }
}

pub(super) async fn of_each_type(checks: &mut Checks, connection: &mut PgConnection) -> Done {
    for &(kind, literal) in LITERALS {
        let sql = select(kind, literal);
        let row = raw_sql(AssertSqlSafe(sql.clone())).fetch_one(&mut *connection).await?;
        let text = row.try_get_raw(0)?.as_str()?.to_owned();
        checks.same(format!("{kind} in text"), text, literal)?;
        let row = query(AssertSqlSafe(sql)).fetch_one(&mut *connection).await?;
        let mut raw: Raw = row.try_get_unchecked(0)?;
        raw.kind = Some(row.column(0).type_info().clone());
        let back = AssertSqlSafe(format!("SELECT $1::{kind}::text"));
        let found: String = query_scalar(back).bind(raw).fetch_one(&mut *connection).await?;
        let name = format!("{kind} in binary, there and back");
        checks.same(name, found, literal.trim_end_matches(' '))?;
    }
    Ok(())
}

async fn there_and_back<T>(
    checks: &mut Checks,
    connection: &mut PgConnection,
    kind: &str,
    value: T,
    text: &str,
) -> Done
where
    T: for<'q> Encode<'q, Postgres>
        + for<'r> Decode<'r, Postgres>
        + Type<Postgres>
        + PartialEq
        + Debug
        + Clone
        + Send
        + Unpin,
{
    let sql = AssertSqlSafe(format!("SELECT $1::{kind}, $1::{kind}::text"));
    let found: (T, String) = query_as(sql).bind(value.clone()).fetch_one(connection).await?;
    checks.same(format!("{kind} as a value of Rust"), found, (value, text.to_owned()))
}

pub(super) async fn of_rust(checks: &mut Checks, connection: &mut PgConnection) -> Done {
    let c = connection;
    there_and_back(checks, c, "int2", -32768_i16, "-32768").await?;
    there_and_back(checks, c, "int4", i32::MAX, "2147483647").await?;
    there_and_back(checks, c, "int8", i64::MIN, "-9223372036854775808").await?;
    there_and_back(checks, c, "float4", 1.5_f32, "1.5").await?;
    there_and_back(checks, c, "float8", f64::NEG_INFINITY, "-Infinity").await?;
    there_and_back(checks, c, "bool", true, "true").await?;
    there_and_back(checks, c, "\"char\"", 120_i8, "x").await?;
    there_and_back(checks, c, "text", "ü 🎈".to_owned(), "ü 🎈").await?;
    there_and_back(checks, c, "varchar(9)", "abc".to_owned(), "abc").await?;
    there_and_back(checks, c, "bytea", vec![0_u8, 255], "\\x00ff").await?;
    there_and_back(checks, c, "date", date!(2024 - 02 - 29), "2024-02-29").await?;
    there_and_back(checks, c, "time", time!(23:59:59.999999), "23:59:59.999999").await?;
    let at = datetime!(2026-01-02 03:04:05.678901);
    there_and_back(checks, c, "timestamp", at, "2026-01-02 03:04:05.678901").await?;
    let at = datetime!(2026-01-02 03:04:05 UTC);
    there_and_back(checks, c, "timestamptz", at, "2026-01-02 03:04:05+00").await?;
    let id = Uuid::from_u128(0xa0ee_bc99_9c0b_4ef8_bb6d_6bb9_bd38_0a11);
    there_and_back(checks, c, "uuid", id, "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11").await?;
    let json = serde_json::json!({ "a": [1, null, "é"] });
    there_and_back(checks, c, "jsonb", json.clone(), "{\"a\": [1, null, \"é\"]}").await?;
    // It is sent as `jsonb` either way, so the server writes it with spaces.
    there_and_back(checks, c, "json", Json(json), "{\"a\": [1, null, \"é\"]}").await?;
    there_and_back(checks, c, "int4[]", vec![Some(1_i32), None, Some(3)], "{1,NULL,3}").await?;
    let array = vec!["a".to_owned(), "b c".to_owned(), String::new()];
    there_and_back(checks, c, "text[]", array, "{a,\"b c\",\"\"}").await?;
    there_and_back(checks, c, "uuid[]", vec![id], "{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}").await?;
    there_and_back(checks, c, "date[]", vec![date!(2026 - 01 - 02)], "{2026-01-02}").await?;
    there_and_back(checks, c, "bool[]", vec![true, false], "{t,f}").await?;
    let none: Option<i32> = query_scalar("SELECT $1").bind(None::<i32>).fetch_one(&mut *c).await?;
    checks.same("NULL", none, None::<i32>)?;
    let sql = "SELECT count(*) FROM unnest($1::int4[], $2::text[])";
    let (numbers, texts) = ((0..5000).collect::<Vec<i32>>(), vec!["x"; 5000]);
    let count = query_scalar::<Postgres, i64>(sql).bind(numbers).bind(texts).fetch_one(c).await?;
    checks.same("5,000 rows in two arrays", count, 5000)
}

/// Types that only this driver has.
pub(super) async fn of_the_server(checks: &mut Checks, connection: &mut PgConnection) -> Done {
    let c = connection;
    let interval = PgInterval { months: 14, days: 3, microseconds: 14_706_789_000 };
    there_and_back(checks, c, "interval", interval, "1 year 2 mons 3 days 04:05:06.789").await?;
    there_and_back(checks, c, "point", PgPoint { x: 1.5, y: -2.0 }, "(1.5,-2)").await?;
    there_and_back(checks, c, "int4range", PgRange::from(1..5), "[1,5)").await?;
    there_and_back(checks, c, "oid", Oid(u32::MAX), "4294967295").await?;
    let at = PgTimeTz { time: time!(12:34:56), offset: offset!(+5:30) };
    there_and_back(checks, c, "timetz", at, "12:34:56+05:30").await
}

/// An enumeration of the database's own.
#[derive(Clone, Debug, PartialEq)]
struct Mood(String);

impl Type<Postgres> for Mood {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_name("mood")
    }
}

impl PgHasArrayType for Mood {
    fn array_type_info() -> PgTypeInfo {
        PgTypeInfo::array_of("mood")
    }
}

impl<'r> Decode<'r, Postgres> for Mood {
    fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        Ok(Self(value.as_str()?.to_owned()))
    }
}

impl Encode<'_, Postgres> for Mood {
    fn encode_by_ref(&self, out: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        out.extend_from_slice(self.0.as_bytes());
        Ok(IsNull::No)
    }
}

/// They are looked up in its catalog by more statements.
pub(super) async fn of_own_types(checks: &mut Checks, connection: &mut PgConnection) -> Done {
    batch(connection, "CREATE TYPE mood AS ENUM ('sad', 'ok')".to_owned()).await?;
    there_and_back(checks, connection, "mood", Mood("ok".to_owned()), "ok").await?;
    let both = vec![Mood("ok".to_owned()), Mood("sad".to_owned())];
    there_and_back(checks, connection, "mood[]", both, "{ok,sad}").await?;
    let pair: (i32, String) = one(connection, "SELECT ROW(7, 'x'::text)").await?;
    checks.same("a record", pair, (7, "x".to_owned()))
}

pub(super) async fn large(checks: &mut Checks, connection: &mut PgConnection) -> Done {
    let text = "0123456789abcdef".repeat(LARGE / 16);
    let data = [0, 255, 1, 254].repeat(LARGE / 4);
    let row = query("SELECT $1, $2").bind(&text).bind(&data).fetch_one(&mut *connection).await?;
    let same = row.try_get::<&str, _>(0)? == text && row.try_get::<&[u8], _>(1)? == data;
    checks.same("20 MB in and out, twice", same, true)?;
    let sql = AssertSqlSafe(format!("SELECT '{text}'"));
    let row = raw_sql(sql).fetch_one(connection).await?;
    let same = row.try_get_raw(0)?.as_str()? == text;
    checks.same("20 MB in and out, simple", same, true)
}
