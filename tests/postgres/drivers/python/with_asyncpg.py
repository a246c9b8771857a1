"""asyncpg: its own protocol implementation, always extended, always binary where it can."""

import asyncio
import io
import os
import ssl

import asyncpg

from checks import LARGE, ROLE, SCHEMA, Checks
from values import AS_TEXT, VALUES


def tls():
    """asyncpg reads the PG* variables for TLS itself; this is for client certificates."""
    mode = os.environ.get("PGSSLMODE", "prefer")
    if "PGSSLCERT" not in os.environ or mode == "disable":
        return {}
    context = ssl.create_default_context(cafile=os.environ.get("PGSSLROOTCERT"))
    context.check_hostname = mode == "verify-full"
    context.load_cert_chain(os.environ["PGSSLCERT"], os.environ.get("PGSSLKEY"))
    return {"ssl": context}


async def connect(**settings):
    settings = {"application_name": "asyncpg suite", "search_path": SCHEMA, "work_mem": "3MB", **settings}
    direct = {"direct_tls": True} if os.environ.get("PGSSLNEGOTIATION") == "direct" else {}
    return await asyncpg.connect(server_settings=settings, **tls(), **direct)


def run():
    checks = Checks("asyncpg")
    asyncio.run(everything(checks))
    return checks.count


def login():
    checks = Checks("asyncpg")
    asyncio.run(alone(checks))
    return checks.count


async def alone(checks):
    connection = await connect()
    checks.same("logged in", await connection.fetchval("SELECT current_user"), ROLE)
    checks.same("and on", await connection.fetchval("SELECT $1::int + 1", 41), 42)
    await connection.close()


async def everything(checks):
    connection = await connect()
    await connection.execute(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE; CREATE SCHEMA {SCHEMA}; SET timezone = 'UTC'")
    await connection_phase(checks, connection)
    await statements(checks, connection)
    await values(checks, connection)
    await failures(checks, connection)
    await transactions(checks, connection)
    await copies(checks, connection)
    await large(checks, connection)
    await asides(checks, connection)
    await cancels(checks, connection)
    await pool(checks)
    await connection.execute(f"DROP SCHEMA {SCHEMA} CASCADE")
    await connection.close()


async def connection_phase(checks, connection):
    checks.true("server version", connection.get_server_version().major >= 13)
    checks.same("startup parameters", tuple(await connection.fetchrow("SELECT current_setting('application_name'), current_setting('work_mem'), current_schema()")), ("asyncpg suite", "3MB", SCHEMA))
    checks.same("parameter status", connection.get_settings().server_encoding, "UTF8")
    await connection.execute("SET application_name = 'renamed'")
    checks.same("a status that changes", connection.get_settings().application_name, "renamed")
    checks.same("pid", connection.get_server_pid() > 0, True)


async def statements(checks, connection):
    checks.same("simple query", await connection.execute("SELECT 1; SELECT 2; CREATE TABLE people (id int PRIMARY KEY, name text)"), "CREATE TABLE")
    checks.same("extended query", await connection.fetchval("SELECT $1::int + 1", 41), 42)
    statement = await connection.prepare("SELECT $1::int * 2 AS doubled, $2::text")
    for number in range(10):
        checks.same(f"prepared, use {number + 1}", tuple(await statement.fetchrow(number, "x")), (number * 2, "x"))
    checks.same("parameter types", [p.name for p in statement.get_parameters()], ["int4", "text"])
    checks.same("column names", [a.name for a in statement.get_attributes()], ["doubled", "text"])
    checks.same("status", await connection.execute("INSERT INTO people VALUES ($1, $2)", 1, "one"), "INSERT 0 1")
    await connection.executemany("INSERT INTO people VALUES ($1, $2)", [(n, f"p{n}") for n in range(2, 3000)])
    checks.same("executemany, pipelined", await connection.fetchval("SELECT count(*) FROM people"), 2999)
    rows = await connection.fetchmany("INSERT INTO people VALUES ($1, $2) RETURNING id", [(5000, "a"), (5001, "b")])
    checks.same("fetchmany, pipelined", [row["id"] for row in rows], [5000, 5001])
    rows = await connection.fetch("SELECT g, repeat('x', g % 100) FROM generate_series(1, 20000) g")
    checks.same("20,000 rows", (len(rows), tuple(rows[-1])), (20000, (20000, "")))


async def values(checks, connection):
    for kind, literal, expected in VALUES:
        found = await connection.fetchval(f"SELECT $1::text::{kind}", literal)
        checks.same(f"{kind} in binary", found, expected)
        checks.same(f"{kind} sent in binary", await connection.fetchval(f"SELECT $1::{kind}", expected), expected)
    for kind, literal in AS_TEXT:
        checks.same(f"{kind} in text", await connection.fetchval(f"SELECT $1::text::{kind}::text", literal), literal)
    for kind, literal in AS_TEXT:
        found = await connection.fetchval(f"SELECT $1::text::{kind}", literal)
        checks.true(f"{kind} in binary", found is not None)
        checks.same(f"{kind} sent back", await connection.fetchval(f"SELECT $1::{kind}::text", found), literal)
    await connection.execute("CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE TYPE pair AS (a int, b mood)")
    found = await connection.fetchval("SELECT ARRAY[ROW(1, 'ok')::pair, NULL]")
    checks.same("own types, looked up in the catalog", (found[0]["b"], found[1]), ("ok", None))
    await connection.set_type_codec("jsonb", encoder=str, decoder=lambda text: ("mine", text), schema="pg_catalog")
    checks.same("a codec of one's own", await connection.fetchval("SELECT '[1]'::jsonb"), ("mine", "[1]"))
    await connection.reset_type_codec("jsonb", schema="pg_catalog")


async def failures(checks, connection):
    error = await checks.raises_later(
        "unique violation", asyncpg.UniqueViolationError, connection.execute("INSERT INTO people VALUES ($1, 'x')", 1)
    )
    checks.same("its SQLSTATE", error.sqlstate, "23505")
    checks.same("its detail", error.detail, "Key (id)=(1) already exists.")
    await checks.raises_later("syntax error", asyncpg.PostgresSyntaxError, connection.fetch("SELEC 1"))
    await checks.raises_later("an error after rows", asyncpg.DivisionByZeroError, connection.fetch("SELECT 1 / (1000 - g) FROM generate_series(1, 2000) g"))
    await checks.raises_later(
        "an error in a batch", asyncpg.UniqueViolationError,
        connection.executemany("INSERT INTO people VALUES ($1, 'x')", [(n,) for n in range(9000, 9500)] + [(1,)]),
    )
    checks.same("takes the whole batch back", await connection.fetchval("SELECT count(*) FROM people WHERE id >= 9000"), 0)
    await connection.execute("CREATE TABLE shape (a int)")
    await connection.fetch("SELECT * FROM shape")
    await connection.execute("ALTER TABLE shape ADD b text")
    checks.same("a plan that changed", len(await connection.fetch("SELECT * FROM shape")), 0)


async def transactions(checks, connection):
    async with connection.transaction(isolation="serializable"):
        await connection.execute("INSERT INTO people VALUES (6000, 'kept')")
        inner = connection.transaction()
        await inner.start()
        await connection.execute("INSERT INTO people VALUES (6001, 'lost')")
        await inner.rollback()
    checks.same("transaction and savepoint", [r[0] for r in await connection.fetch("SELECT id FROM people WHERE id IN (6000, 6001)")], [6000])
    async with connection.transaction():
        found = [row[0] async for row in connection.cursor("SELECT generate_series(1, $1::int)", 500, prefetch=7)]
        checks.same("cursor", found, list(range(1, 501)))
        cursor = await connection.cursor("SELECT generate_series(1, 10)")
        found = [row[0] for row in await cursor.fetch(3)]
        await cursor.forward(2)
        checks.same("cursor, by hand", found + [(await cursor.fetchrow())[0]], [1, 2, 3, 6])


async def copies(checks, connection):
    await connection.execute("CREATE TABLE copied (id int, name text)")
    records = [(n, f"name {n}") for n in range(10000)]
    checks.same("COPY in, binary", await connection.copy_records_to_table("copied", records=records), "COPY 10000")
    out = io.BytesIO()
    checks.same("COPY out, text", await connection.copy_from_table("copied", output=out), "COPY 10000")
    checks.same("what came out", out.getvalue().splitlines()[9999], b"9999\tname 9999")
    source = io.BytesIO(b'1,"a, b"\n2,\n')
    checks.same("COPY in, CSV", await connection.copy_to_table("copied", source=source, format="csv"), "COPY 2")
    out = io.BytesIO()
    await connection.copy_from_query("SELECT $1::int, 'x'::text", 5, output=out, format="binary")
    checks.same("COPY out, binary", out.getvalue()[:11], b"PGCOPY\n\xff\r\n\0")
    await checks.raises_later(
        "an error in COPY", asyncpg.BadCopyFileFormatError, connection.copy_to_table("copied", source=io.BytesIO(b"1\n"))
    )


async def large(checks, connection):
    text, data = "0123456789abcdef" * (LARGE // 16), os.urandom(1024) * (LARGE // 1024)
    found = await connection.fetchrow("SELECT $1::text, $2::bytea", text, data)
    checks.true("20 MB in and out", tuple(found) == (text, data))


async def asides(checks, connection):
    notices, payloads = [], asyncio.Queue()
    connection.add_log_listener(lambda _, message: notices.append(message.message))
    await connection.execute("DO $$ BEGIN RAISE NOTICE 'hello'; END $$")
    await asyncio.sleep(0)
    checks.same("notice", notices, ["hello"])
    channel = f"{SCHEMA}_asyncpg"
    await connection.add_listener(channel, lambda _, pid, channel, payload: payloads.put_nowait((pid, payload)))
    other = await connect()
    await other.execute("SELECT pg_notify($1, 'one')", channel)
    found = await asyncio.wait_for(payloads.get(), 20)
    checks.same("notification while idle", found, (other.get_server_pid(), "one"))
    await connection.execute(f"NOTIFY {channel}, 'own'")
    found = await asyncio.wait_for(payloads.get(), 20)
    checks.same("one's own", found, (connection.get_server_pid(), "own"))
    await connection.reset()
    await other.close()


async def cancels(checks, connection):
    try:
        await connection.execute("SELECT pg_sleep(30)", timeout=0.3)
        checks.fail("cancel by timeout", "it ended")
    except asyncio.TimeoutError:
        checks.passed("cancel by timeout")
    checks.same("the connection goes on", await connection.fetchval("SELECT 1"), 1)
    for _ in range(5):
        task = asyncio.create_task(connection.fetchval("SELECT pg_sleep(30)"))
        await asyncio.sleep(0.05)
        task.cancel()
        await asyncio.wait([task])
        checks.same("cancel by task, and on", await connection.fetchval("SELECT 2"), 2)
    await connection.execute("SET application_name = 'renamed'")


async def pool(checks):
    async with asyncpg.create_pool(min_size=2, max_size=8, server_settings={"search_path": SCHEMA}, **tls()) as pool:
        found = await asyncio.gather(*(pool.fetchval("SELECT $1::int", n) for n in range(200)))
        checks.same("a pool of eight, 200 tasks", found, list(range(200)))
