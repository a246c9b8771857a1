"""SQLAlchemy 2 over psycopg and over asyncpg: the same model there and back."""

import asyncio
import datetime as dt
import decimal
import uuid

from sqlalchemy import JSON, Column, Date, DateTime, Enum, ForeignKey, Identity, Integer, LargeBinary, MetaData, Numeric, String, Table
from sqlalchemy import create_engine, func, insert, inspect, select, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, UUID
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.exc import DBAPIError, IntegrityError, ProgrammingError
from sqlalchemy.ext.asyncio import create_async_engine

import with_asyncpg
from checks import OPTIONS, ROLE, SCHEMA, Checks

IDENTITY = uuid.UUID("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11")
METADATA = MetaData(schema=SCHEMA)
SHOP = Table(
    "shop", METADATA,
    Column("id", Integer, Identity(), primary_key=True),
    Column("name", String(50), unique=True),
)
SALE = Table(
    "sale", METADATA,
    Column("id", Integer, Identity(), primary_key=True),
    Column("shop", ForeignKey(f"{SCHEMA}.shop.id")),
    Column("amount", Numeric(12, 2)),
    Column("at", DateTime(timezone=True)),
    Column("day", Date),
    Column("ref", UUID(as_uuid=True)),
    Column("tags", ARRAY(String)),
    Column("extra", JSONB),
    Column("plain", JSON),
    Column("raw", LargeBinary),
    Column("kind", Enum("cash", "card", name="kind", metadata=METADATA)),
)
ROW = {
    "amount": decimal.Decimal("12.50"),
    "at": dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.timezone.utc),
    "day": dt.date(2026, 1, 2),
    "ref": IDENTITY,
    "tags": ["a", "b c"],
    "extra": {"k": [1, None, "é"]},
    "plain": [1, 2],
    "raw": b"\0\xff",
    "kind": "card",
}


def run():
    checks = Checks("sqlalchemy, psycopg")
    engine = create_engine("postgresql+psycopg://", connect_args={"options": OPTIONS}, pool_size=3)
    with engine.connect() as connection:
        round_trip(checks, connection)
    reconnects(checks, engine)
    engine.dispose()
    later = Checks("sqlalchemy, asyncpg")
    asyncio.run(asynchronous(later))
    return checks.count + later.count


def login():
    checks = Checks("sqlalchemy, psycopg")
    engine = create_engine("postgresql+psycopg://", connect_args={"options": OPTIONS})
    with engine.connect() as connection:
        checks.same("logged in", connection.execute(text("SELECT current_user")).scalar_one(), ROLE)
    engine.dispose()
    later = Checks("sqlalchemy, asyncpg")
    asyncio.run(alone(later))
    return checks.count + later.count


async def alone(checks):
    engine = create_async_engine("postgresql+asyncpg://", connect_args=with_asyncpg.tls())
    async with engine.connect() as connection:
        found = await connection.execute(text("SELECT current_user"))
        checks.same("logged in", found.scalar_one(), ROLE)
    await engine.dispose()


def round_trip(checks, connection):
    connection.execute(text(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE"))
    connection.execute(text(f"CREATE SCHEMA {SCHEMA}"))
    METADATA.create_all(connection)
    connection.commit()
    checks.same("tables are seen", sorted(inspect(connection).get_table_names(SCHEMA)), ["sale", "shop"])
    columns = {c["name"]: str(c["type"]) for c in inspect(connection).get_columns("sale", SCHEMA)}
    checks.same("columns are seen", (columns["amount"], columns["ref"]), ("NUMERIC(12, 2)", "UUID"))
    checks.same("keys are seen", inspect(connection).get_foreign_keys("sale", SCHEMA)[0]["referred_table"], "shop")
    shop = connection.execute(insert(SHOP).values(name="first")).inserted_primary_key[0]
    connection.execute(insert(SALE).values(shop=shop, **ROW))
    connection.commit()
    found = connection.execute(select(SALE)).mappings().one()
    for name, value in ROW.items():
        checks.same(f"{name} there and back", found[name], value)
    rows = connection.execute(insert(SHOP).returning(SHOP.c.id, sort_by_parameter_order=True), [{"name": f"s{n}"} for n in range(1500)])
    checks.same("insertmanyvalues", len({row.id for row in rows}), 1500)
    statement = upsert(SHOP).values(name="first").on_conflict_do_update(index_elements=["name"], set_={"name": "again"}).returning(SHOP.c.name)
    checks.same("upsert", connection.execute(statement).scalar_one(), "again")
    connection.rollback()
    joined = select(SHOP.c.name, func.sum(SALE.c.amount)).join(SALE).group_by(SHOP.c.name).where(SALE.c.tags.any("a"))
    checks.same("join and group", tuple(connection.execute(joined).one()), ("first", ROW["amount"]))
    checks.same("JSON path", connection.execute(select(SALE.c.extra["k"][2].astext)).scalar_one(), "é")
    error = checks.raises("unique violation", IntegrityError, lambda: connection.execute(insert(SHOP).values(name="first")))
    checks.same("its SQLSTATE", error.orig.sqlstate, "23505")
    connection.rollback()
    checks.raises("syntax error", ProgrammingError, lambda: connection.execute(text("SELEC 1")))
    connection.rollback()
    with connection.begin():
        connection.execute(insert(SHOP).values(name="kept"))
        nested = connection.begin_nested()
        connection.execute(insert(SHOP).values(name="lost"))
        nested.rollback()
    names = select(SHOP.c.name).where(SHOP.c.name.in_(["kept", "lost"]))
    checks.same("savepoint", connection.execute(names).scalars().all(), ["kept"])
    if not connection.dialect.is_async:
        options = {"stream_results": True, "max_row_buffer": 50}
        found = connection.execute(text("SELECT generate_series(1, 1000)"), execution_options=options).scalars().partitions(100)
        checks.same("server-side cursor", [len(part) for part in found], [100] * 10)
    connection.rollback()
    METADATA.drop_all(connection)
    connection.execute(text(f"DROP SCHEMA {SCHEMA} CASCADE"))
    connection.commit()
    checks.same("dropped", inspect(connection).has_table("sale", SCHEMA), False)
    connection.rollback()


def reconnects(checks, engine):
    """A server that ends the session must look as it does without a relay."""
    with engine.connect() as connection:
        checks.raises("ended by the server", DBAPIError, lambda: connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid()), pg_sleep(5)")))
        checks.true("is known as a lost connection", connection.invalidated)
    with engine.connect() as connection:
        checks.same("and the pool makes a new one", connection.execute(text("SELECT 1")).scalar_one(), 1)


async def asynchronous(checks):
    server = {"server_settings": {"search_path": SCHEMA}, **with_asyncpg.tls()}
    engine = create_async_engine("postgresql+asyncpg://", connect_args=server)
    async with engine.connect() as connection:
        await connection.run_sync(lambda inner: round_trip(checks, inner))
        found = await connection.stream(text("SELECT generate_series(1, 1000) AS n"))
        checks.same("streamed", sum([row.n async for row in found]), 500500)
    await engine.dispose()
