//! Values there and back: as bytes, as what Rust makes of them, and large ones.

use std::collections::HashMap;
use std::error::Error;
use std::fmt::Debug;
use std::net::{IpAddr, Ipv4Addr};

use bytes::BytesMut;
use time::macros::{date, datetime, time};
use tokio_postgres::types::{
    FromSql, FromSqlOwned, IsNull, Json, PgLsn, ToSql, Type, to_sql_checked,
};
use tokio_postgres::{Client, SimpleQueryMessage};
use uuid::Uuid;

use super::one;
use crate::checks::{Checks, Done, LARGE};
use crate::literals::{LITERALS, select};

/// The bytes of a value, whichever its type.
#[derive(Debug)]
struct Raw(Vec<u8>);

impl<'a> FromSql<'a> for Raw {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(raw.to_vec()))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

impl ToSql for Raw {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        out.extend_from_slice(&self.0);
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

pub(super) async fn of_each_type(checks: &mut Checks, client: &Client) -> Done {
    for &(kind, literal) in LITERALS {
        let sql = select(kind, literal);
        let answer = client.simple_query(&sql).await?;
        let text = answer.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0),
            _ => None,
        });
        checks.same(format!("{kind} in text"), text, Some(literal))?;
        let raw: Raw = one(client, &sql).await?;
        let back = format!("SELECT $1::{kind}::text");
        let found: String = client.query_one_scalar(&back, &[&raw]).await?;
        let name = format!("{kind} in binary, there and back");
        checks.same(name, found, literal.trim_end_matches(' '))?;
    }
    Ok(())
}

async fn there_and_back<T>(
    checks: &mut Checks,
    client: &Client,
    kind: &str,
    value: T,
    text: &str,
) -> Done
where
    T: ToSql + FromSqlOwned + PartialEq + Debug + Sync,
{
    let sql = format!("SELECT $1::{kind}, $1::{kind}::text");
    let row = client.query_one(&sql, &[&value]).await?;
    let found: (T, String) = (row.try_get(0)?, row.try_get(1)?);
    checks.same(format!("{kind} as a value of Rust"), found, (value, text.to_owned()))
}

pub(super) async fn of_rust(checks: &mut Checks, client: &Client) -> Done {
    let c = client;
    there_and_back(checks, c, "int2", -32768_i16, "-32768").await?;
    there_and_back(checks, c, "int4", i32::MAX, "2147483647").await?;
    there_and_back(checks, c, "int8", i64::MIN, "-9223372036854775808").await?;
    there_and_back(checks, c, "float4", 1.5_f32, "1.5").await?;
    there_and_back(checks, c, "float8", f64::NEG_INFINITY, "-Infinity").await?;
    there_and_back(checks, c, "bool", true, "true").await?;
    there_and_back(checks, c, "oid", u32::MAX, "4294967295").await?;
    there_and_back(checks, c, "\"char\"", 120_i8, "x").await?;
    there_and_back(checks, c, "text", "ü 🎈".to_owned(), "ü 🎈").await?;
    there_and_back(checks, c, "bytea", vec![0_u8, 255], "\\x00ff").await?;
    there_and_back(checks, c, "date", date!(2024 - 02 - 29), "2024-02-29").await?;
    there_and_back(checks, c, "time", time!(23:59:59.999999), "23:59:59.999999").await?;
    let at = datetime!(2026-01-02 03:04:05.678901);
    there_and_back(checks, c, "timestamp", at, "2026-01-02 03:04:05.678901").await?;
    let at = datetime!(2026-01-02 03:04:05 UTC);
    there_and_back(checks, c, "timestamptz", at, "2026-01-02 03:04:05+00").await?;
    let id = Uuid::from_u128(0xa0ee_bc99_9c0b_4ef8_bb6d_6bb9_bd38_0a11);
    there_and_back(checks, c, "uuid", id, "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11").await?;
    let address = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
    there_and_back(checks, c, "inet", address, "10.0.0.1/32").await?;
    there_and_back(checks, c, "pg_lsn", PgLsn::from(255), "0/FF").await?;
    let json = serde_json::json!({ "a": [1, null, "é"] });
    there_and_back(checks, c, "jsonb", json, "{\"a\": [1, null, \"é\"]}").await?;
    let json = Json(HashMap::from([("k".to_owned(), 1_i32)]));
    there_and_back(checks, c, "json", json, "{\"k\":1}").await?;
    let array = vec![Some(1_i32), None, Some(3)];
    there_and_back(checks, c, "int4[]", array, "{1,NULL,3}").await?;
    let array = vec!["a".to_owned(), "b c".to_owned(), String::new()];
    there_and_back(checks, c, "text[]", array, "{a,\"b c\",\"\"}").await?;
    there_and_back(checks, c, "uuid[]", vec![id], "{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}").await?;
    there_and_back(checks, c, "int8[]", [7_i64, 8], "{7,8}").await?;
    let none: Option<i32> = client.query_one_scalar("SELECT $1::int4", &[&None::<i32>]).await?;
    checks.same("NULL", none, None::<i32>)
}

/// Types of the database's own are looked up in its catalog by more statements.
pub(super) async fn of_own_types(checks: &mut Checks, client: &Client) -> Done {
    let types = "CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE TYPE pair AS (a int, b mood); \
                 CREATE DOMAIN small AS int CHECK (value < 100)";
    client.batch_execute(types).await?;
    let sql = "SELECT ARRAY[ROW(1, 'ok')::pair, NULL], 'sad'::mood, 7::small";
    let statement = client.prepare(sql).await?;
    let names: Vec<_> = statement.columns().iter().map(|column| column.type_().name()).collect();
    checks.same("own types, looked up in the catalog", names, ["_pair", "mood", "int4"])?;
    let row = client
        .query_one("SELECT $1::mood::text, $2::int4::small", &[&Raw(b"ok".into()), &7])
        .await?;
    let found: (String, i32) = (row.try_get(0)?, row.try_get(1)?);
    checks.same("and taken", found, ("ok".to_owned(), 7))
}

pub(super) async fn large(checks: &mut Checks, client: &Client) -> Done {
    let text = "0123456789abcdef".repeat(LARGE / 16);
    let data = [0, 255, 1, 254].repeat(LARGE / 4);
    let row = client.query_one("SELECT $1::text, $2::bytea", &[&text, &data]).await?;
    let same = row.try_get::<_, &str>(0)? == text && row.try_get::<_, &[u8]>(1)? == data;
    checks.same("20 MB in and out, twice", same, true)?;
    let answer = client.simple_query(&format!("SELECT '{text}'")).await?;
    let same = answer.iter().any(
        |message| matches!(message, SimpleQueryMessage::Row(row) if row.get(0) == Some(&text)),
    );
    checks.same("20 MB in and out, simple", same, true)
}
