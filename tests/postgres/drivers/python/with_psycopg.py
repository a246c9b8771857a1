"""psycopg 3, synchronous and asynchronous; libpq inside, so it reads the PG* variables."""

import asyncio
import io
import os
import threading
import time

import psycopg
from psycopg import errors, sql
from psycopg.rows import dict_row

from checks import LARGE, OPTIONS, ROLE, SCHEMA, Checks
from values import AS_TEXT, VALUES


def connect(**settings):
    return psycopg.connect("", application_name="psycopg suite", options=OPTIONS, autocommit=True, **settings)


def run():
    checks = Checks("psycopg")
    with psycopg.connect("", autocommit=True) as first:
        first.execute(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE; CREATE SCHEMA {SCHEMA}; SET timezone = 'UTC'")
    with connect() as connection:
        connection.execute("SET timezone = 'UTC'")
        connection_phase(checks, connection)
        statements(checks, connection)
        values(checks, connection)
        failures(checks, connection)
        transactions(checks, connection)
        copies(checks, connection)
        large(checks, connection)
        cursors(checks, connection)
        asides(checks, connection)
        cancels(checks, connection)
        pipelines(checks, connection)
    asyncio.run(asynchronous(checks))
    with psycopg.connect("", autocommit=True) as last:
        last.execute(f"DROP SCHEMA {SCHEMA} CASCADE")
    return checks.count


def login():
    checks = Checks("psycopg")
    with connect() as connection:
        checks.same("logged in", connection.execute("SELECT current_user").fetchone(), (ROLE,))
        encrypted(checks, connection)
        checks.same("and on", connection.execute("SELECT %s::int + 1", (41,)).fetchone(), (42,))
    return checks.count


def encrypted(checks, connection):
    mode = os.environ.get("PGSSLMODE", "prefer")
    if mode != "prefer":
        checks.same("TLS as asked for", connection.info.pgconn.ssl_in_use, mode not in ("disable", "allow"))


def connection_phase(checks, connection):
    info = connection.info
    checks.true("server version", info.server_version >= 130000, info.server_version)
    checks.same("parameter status", info.parameter_status("server_encoding"), "UTF8")
    checks.same("application_name", connection.execute("SHOW application_name").fetchone(), ("psycopg suite",))
    checks.same("options", connection.execute("SHOW work_mem").fetchone(), ("3MB",))
    checks.same("search_path", connection.execute("SELECT current_schema()").fetchone(), (SCHEMA,))
    encrypted(checks, connection)
    pid = connection.execute("SELECT pg_backend_pid()").fetchone()[0]
    checks.true("a backend pid", pid > 0 and info.backend_pid > 0, (pid, info.backend_pid))
    connection.execute("SET application_name = 'renamed'")
    checks.same("a status that changes", info.parameter_status("application_name"), "renamed")
    if psycopg.pq.version() >= 180000:
        versions = {"3.0": 30000, "3.2": 30002, "latest": 30002}
        asked = os.environ.get("PGMAXPROTOCOLVERSION")
        if asked:
            least = versions.get(os.environ.get("PGMINPROTOCOLVERSION", "3.0"))
            found = info.full_protocol_version
            checks.true("protocol version", least <= found <= versions[asked], found)


def statements(checks, connection):
    checks.same("simple query", connection.execute(b"SELECT 1 AS one").fetchone(), (1,))
    cursor = connection.execute("SELECT 1; SELECT 'two'; SELECT 3.5::float8")
    found = [cursor.fetchone()]
    while cursor.nextset():
        found.append(cursor.fetchone())
    checks.same("several statements in one", found, [(1,), ("two",), (3.5,)])
    checks.same("parameters", connection.execute("SELECT %s::int + 1, %s::text", (41, "x")).fetchone(), (42, "x"))
    checks.same("NULL", connection.execute("SELECT %s::int", (None,)).fetchone(), (None,))
    checks.same("binary parameters", connection.execute("SELECT %b::int8, %b::bytea", (7, b"\0\1")).fetchone(), (7, b"\0\1"))
    for number in range(10):
        found = connection.execute("SELECT %s::int * 2", (number,), prepare=True).fetchone()
        checks.same(f"prepared, use {number + 1}", found, (number * 2,))
    prepared = connection.execute("SELECT count(*) FROM pg_prepared_statements").fetchone()[0]
    checks.true("named statements stay on the server", prepared >= 1, prepared)
    connection.execute("CREATE TABLE people (id int PRIMARY KEY, name text)")
    with connection.cursor() as cursor:
        cursor.executemany("INSERT INTO people VALUES (%s, %s)", [(i, f"p{i}") for i in range(500)])
        checks.same("executemany", cursor.rowcount, 500)
        cursor.executemany("INSERT INTO people VALUES (%s, %s) RETURNING id", [(1000, "a"), (1001, "b")], returning=True)
        found = [cursor.fetchone()]
        while cursor.nextset():
            found.append(cursor.fetchone())
    checks.same("executemany, returning", found, [(1000,), (1001,)])
    rows = connection.execute("SELECT g, repeat('x', g % 100) FROM generate_series(1, 20000) g").fetchall()
    checks.same("20,000 rows", (len(rows), rows[-1]), (20000, (20000, "")))
    with connection.cursor(row_factory=dict_row) as cursor:
        checks.same("column names", cursor.execute('SELECT 1 AS "ä", 2 AS "b c"').fetchone(), {"ä": 1, "b c": 2})
    query = sql.SQL("SELECT {} FROM {}").format(sql.Identifier("name"), sql.Identifier(SCHEMA, "people"))
    checks.same("quoted names", connection.execute(query.as_string(connection) + " WHERE id = 3").fetchone(), ("p3",))


def values(checks, connection):
    for binary in (False, True):
        form = "binary" if binary else "text"
        with connection.cursor(binary=binary) as cursor:
            for kind, literal, expected in VALUES:
                found = cursor.execute(f"SELECT %s::text::{kind}", (literal,)).fetchone()[0]
                checks.same(f"{kind} in {form}", found, expected)
            for kind, literal in AS_TEXT:
                found = cursor.execute(f"SELECT %s::text::{kind}::text", (literal,)).fetchone()[0]
                checks.same(f"{kind} in {form}", found, literal)
            sent = [v for k, _, v in VALUES if k not in ("timetz", "oid", "bool[]")]
            found = cursor.execute("SELECT " + ", ".join(["%b"] * len(sent)), sent).fetchone()
            checks.same(f"{len(sent)} values there and back in {form}", [str(v) for v in found], [str(v) for v in sent])


def failures(checks, connection):
    error = checks.raises(
        "unique violation", errors.UniqueViolation, lambda: connection.execute("INSERT INTO people VALUES (1, 'again')")
    )
    checks.same("its SQLSTATE", error.sqlstate, "23505")
    checks.same("its constraint", error.diag.constraint_name, "people_pkey")
    checks.same("its detail", error.diag.message_detail, "Key (id)=(1) already exists.")
    error = checks.raises("syntax error", errors.SyntaxError, lambda: connection.execute("SELEC 1"))
    checks.same("its position", error.diag.statement_position, "1")
    checks.raises("division by zero", errors.DivisionByZero, lambda: connection.execute("SELECT 1 / %s::int", (0,)))
    checks.raises("a wrong value", errors.InvalidTextRepresentation, lambda: connection.execute("SELECT %s::int", ("x",)))
    checks.raises("an error after rows", errors.DivisionByZero, lambda: connection.execute("SELECT 1 / (1000 - g) FROM generate_series(1, 2000) g"))
    checks.same("the connection goes on", connection.execute("SELECT 1").fetchone(), (1,))


def transactions(checks, connection):
    with connection.transaction():
        connection.execute("INSERT INTO people VALUES (2000, 'kept')")
    try:
        with connection.transaction():
            connection.execute("INSERT INTO people VALUES (2001, 'lost')")
            raise RuntimeError
    except RuntimeError:
        pass
    with connection.transaction():
        connection.execute("INSERT INTO people VALUES (2002, 'kept')")
        try:
            with connection.transaction():
                connection.execute("INSERT INTO people VALUES (2002, 'again')")
        except errors.UniqueViolation:
            pass
    found = connection.execute("SELECT id FROM people WHERE id BETWEEN 2000 AND 2100 ORDER BY 1").fetchall()
    checks.same("commit, rollback, savepoint", found, [(2000,), (2002,)])
    connection.autocommit = False
    connection.isolation_level = psycopg.IsolationLevel.SERIALIZABLE
    checks.same("isolation level", connection.execute("SHOW transaction_isolation").fetchone(), ("serializable",))
    checks.raises("an error in a transaction", errors.UndefinedTable, lambda: connection.execute("SELECT * FROM nothing_here"))
    checks.raises("an aborted transaction", errors.InFailedSqlTransaction, lambda: connection.execute("SELECT 1"))
    connection.rollback()
    connection.isolation_level = None
    connection.autocommit = True
    identity = connection.xid(1, SCHEMA, "branch")
    if connection.execute("SHOW max_prepared_transactions").fetchone() != ("0",):
        connection.autocommit = False
        connection.tpc_begin(identity)
        connection.execute("INSERT INTO people VALUES (2003, 'two phases')")
        connection.tpc_prepare()
        connection.tpc_commit()
        connection.autocommit = True
        checks.same("two phases", connection.execute("SELECT name FROM people WHERE id = 2003").fetchone(), ("two phases",))


def copies(checks, connection):
    connection.execute("CREATE TABLE copied (id int, name text, at date)")
    rows = [(1, "tab\tand\nline", None), (2, "back\\slash", None), (3, None, None), (4, "", None)]
    with connection.cursor() as cursor:
        with cursor.copy("COPY copied FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
        checks.same("COPY in, text", cursor.execute("SELECT * FROM copied ORDER BY id").fetchall(), rows)
        with cursor.copy("COPY copied TO STDOUT") as copy:
            found = list(copy.rows())
        checks.same("COPY out, text", [row[1] for row in found], [row[1] for row in rows])
        with cursor.copy("COPY copied FROM STDIN (FORMAT csv)") as copy:
            copy.write('5,"with ""quotes"", and\na line",2026-01-01\n')
        with cursor.copy("COPY (SELECT * FROM copied WHERE id = 5) TO STDOUT (FORMAT csv, HEADER)") as copy:
            data = b"".join(bytes(part) for part in copy)
        checks.same("COPY in and out, CSV", data, b'id,name,at\n5,"with ""quotes"", and\na line",2026-01-01\n')
        with cursor.copy("COPY copied (id, name) FROM STDIN (FORMAT binary)") as copy:
            copy.set_types(["int4", "text"])
            for number in range(1000):
                copy.write_row((10000 + number, f"binary {number}"))
        with cursor.copy("COPY (SELECT id, name FROM copied WHERE id >= 10000 ORDER BY id) TO STDOUT (FORMAT binary)") as copy:
            copy.set_types(["int4", "text"])
            found = list(copy.rows())
        checks.same("COPY in and out, binary", (len(found), found[999]), (1000, (10999, "binary 999")))
        source = io.StringIO("".join(f"{n}\tline {n}\t2026-01-01\n" for n in range(100000, 200000)))
        with cursor.copy("COPY copied FROM STDIN") as copy:
            while part := source.read(50000):
                copy.write(part)
        checks.same("COPY of 100,000 rows", cursor.rowcount, 100000)

        def fails():
            with cursor.copy("COPY copied FROM STDIN") as copy:
                copy.write("1\tfine\t\\N\nnot a number\tx\t\\N\n")

        error = checks.raises("an error in COPY", errors.InvalidTextRepresentation, fails)
        checks.true("and its line", "line 2" in error.diag.context, error.diag.context)

        def given_up():
            with cursor.copy("COPY copied FROM STDIN") as copy:
                copy.write("9999\tgone\t\\N\n")
                raise RuntimeError("given up")

        checks.raises("COPY given up", RuntimeError, given_up)

        def left_early():
            with cursor.copy("COPY (SELECT g FROM generate_series(1, 1000000) g) TO STDOUT") as copy:
                copy.read()
                raise RuntimeError("seen enough")

        checks.raises("COPY out left early", RuntimeError, left_early)
        checks.same("what was given up is not there", cursor.execute("SELECT count(*) FROM copied WHERE id = 9999").fetchone(), (0,))


def large(checks, connection):
    text = "0123456789abcdef" * (LARGE // 16)
    data = os.urandom(1024) * (LARGE // 1024)
    connection.execute("CREATE TABLE big (t text, b bytea)")
    connection.execute("ALTER TABLE big ALTER t SET STORAGE EXTERNAL, ALTER b SET STORAGE EXTERNAL")
    connection.execute("INSERT INTO big VALUES (%s, %b)", (text, data))
    checks.same("20 MB in", connection.execute("SELECT length(t), length(b) FROM big").fetchone(), (LARGE, LARGE))
    for binary in (False, True):
        with connection.cursor(binary=binary) as cursor:
            found = cursor.execute("SELECT t, b FROM big").fetchone()
        checks.true(f"20 MB out, {'binary' if binary else 'text'}", found == (text, data))
    found = connection.execute(f"SELECT '{text}'::text = t FROM big".encode()).fetchone()
    checks.same("a statement of 20 MB", found, (True,))
    connection.execute("DROP TABLE big")


def cursors(checks, connection):
    with connection.transaction():
        with connection.cursor("named", scrollable=True) as cursor:
            cursor.execute("SELECT g FROM generate_series(1, %s) g", (1000,))
            found = [cursor.fetchone(), cursor.fetchmany(2), len(cursor.fetchmany(500))]
            cursor.scroll(-1)
            found.append(cursor.fetchone())
            cursor.scroll(999, mode="absolute")
            found += [cursor.fetchone(), cursor.fetchone()]
        checks.same("server-side cursor", found, [(1,), [(2,), (3,)], 500, (503,), (1000,), None])
        with connection.cursor("binary_one", binary=True) as cursor:
            cursor.itersize = 7
            cursor.execute("SELECT g::numeric / 4 FROM generate_series(1, 50) g")
            checks.same("a binary one, in pieces", float(sum(row[0] for row in cursor)), 318.75)
    with connection.cursor("held", withhold=True) as cursor:
        cursor.execute("SELECT generate_series(1, 5)")
        checks.same("one that is held", cursor.fetchall(), [(1,), (2,), (3,), (4,), (5,)])
    with psycopg.ClientCursor(connection) as cursor:
        checks.same("a client-side one", cursor.execute("SELECT %s, %s", (1, "it's")).fetchone(), (1, "it's"))
    with connection.cursor() as cursor:
        found = [row[0] for row in cursor.stream("SELECT generate_series(1, 100)")]
        checks.same("single-row mode", found, list(range(1, 101)))
        found = [row[0] for row in cursor.stream("SELECT generate_series(1, 100)", size=13)] if psycopg.pq.version() >= 170000 else found
        checks.same("chunked mode", found, list(range(1, 101)))


def asides(checks, connection):
    seen = []
    connection.add_notice_handler(lambda notice: seen.append((notice.severity, notice.message_primary)))
    connection.execute("DO $$ BEGIN RAISE NOTICE 'hello %', 1; RAISE WARNING 'careful'; END $$")
    checks.same("notices", seen, [("NOTICE", "hello 1"), ("WARNING", "careful")])
    connection.execute(f"LISTEN {SCHEMA}_channel")
    with connect() as other:
        other.execute(f"NOTIFY {SCHEMA}_channel, 'one'")
        other.execute(f"SELECT pg_notify('{SCHEMA}_channel', %s)", ("two",))
        sender = other.info.backend_pid
        found = [(n.payload, n.pid) for n in connection.notifies(timeout=20, stop_after=2)]
    checks.same("notifications while idle", [payload for payload, _ in found], ["one", "two"])
    checks.same("and who sent them", {pid for _, pid in found}, {sender})
    connection.execute(f"UNLISTEN {SCHEMA}_channel")


def asleep(pid):
    """Waits until the server process is in pg_sleep: a cancel request before that is for nothing."""
    with connect() as other:
        while not other.execute("SELECT 1 FROM pg_stat_activity WHERE pid = %s AND wait_event = 'PgSleep'", (pid,)).fetchone():
            time.sleep(0.02)


def cancels(checks, connection):
    pid = connection.execute("SELECT pg_backend_pid()").fetchone()[0]
    ways = {"cancel": lambda: connection.cancel_safe(timeout=10), "cancel, the old way": connection.cancel}
    for name, cancel in ways.items():
        thread = threading.Thread(target=lambda: (asleep(pid), cancel()))
        start = time.monotonic()
        thread.start()
        error = checks.raises(name, errors.QueryCanceled, lambda: connection.execute("SELECT pg_sleep(30)"))
        thread.join()
        checks.true("soon", time.monotonic() - start < 20)
        checks.same("its SQLSTATE", error.sqlstate, "57014")
        checks.same("the connection goes on", connection.execute("SELECT 1").fetchone(), (1,))


def pipelines(checks, connection):
    with connection.pipeline() as pipeline:
        results = [connection.execute("SELECT %s::int", (n,)) for n in range(300)]
        pipeline.sync()
        checks.same("pipeline", [r.fetchone()[0] for r in results], list(range(300)))
    queued = []

    def fails():
        # The error shows at the first call that reads the server's answer: whichever comes to it.
        with connection.pipeline() as pipeline:
            queued.append(connection.execute("SELECT 1"))
            pipeline.sync()
            connection.execute("SELECT 1 / %s::int", (0,))
            connection.execute("INSERT INTO people VALUES (4000, 'never')")
            pipeline.sync()

    checks.raises("an error in a pipeline", errors.DivisionByZero, fails)
    checks.same("what came before it", queued[0].fetchone(), (1,))
    checks.same("what came after it", connection.execute("SELECT count(*) FROM people WHERE id = 4000").fetchone(), (0,))
    with connection.pipeline():
        connection.cursor().executemany("INSERT INTO people VALUES (%s, %s)", [(i, "x" * 3000) for i in range(5000, 8000)])
        results = [connection.execute("SELECT repeat('y', 5000)") for _ in range(500)]
    checks.same("both directions full", {len(r.fetchone()[0]) for r in results}, {5000})


async def asynchronous(checks):
    connections = [
        await psycopg.AsyncConnection.connect("", application_name=f"async {n}", options=OPTIONS, autocommit=True)
        for n in range(8)
    ]

    async def one(number, connection):
        total = 0
        for value in range(20):
            cursor = await connection.execute("SELECT %s::int + %s::int", (number * 100, value))
            total += (await cursor.fetchone())[0]
        return total

    found = await asyncio.gather(*(one(n, c) for n, c in enumerate(connections)))
    checks.same("eight asynchronous connections", found, [n * 2000 + 190 for n in range(8)])
    pid = (await (await connections[0].execute("SELECT pg_backend_pid()")).fetchone())[0]
    task = asyncio.create_task(connections[0].execute("SELECT pg_sleep(30)"))
    await asyncio.to_thread(asleep, pid)
    task.cancel()
    await asyncio.wait([task])
    checks.true("a cancelled task", task.cancelled() or isinstance(task.exception(), errors.QueryCanceled))
    cursor = await connections[0].execute("SELECT current_setting('application_name')")
    checks.same("the connection goes on", await cursor.fetchone(), ("async 0",))
    async with connections[1].pipeline():
        cursors = [await connections[1].execute("SELECT %s::int", (n,)) for n in range(50)]
    checks.same("asynchronous pipeline", [(await c.fetchone())[0] for c in cursors], list(range(50)))
    async with connections[2].cursor() as cursor:
        async with cursor.copy("COPY (SELECT generate_series(1, 1000)) TO STDOUT") as copy:
            rows = [row async for row in copy.rows()]
    checks.same("asynchronous COPY", len(rows), 1000)
    for connection in connections:
        await connection.close()
