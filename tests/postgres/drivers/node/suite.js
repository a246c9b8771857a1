// Real node-postgres against the server that the PG* variables name; with the argument `login`, a
// login alone.
'use strict'

const fs = require('fs')
const { Readable } = require('stream')
const { pipeline } = require('stream/promises')
const { setTimeout } = require('timers/promises')
const { isDeepStrictEqual } = require('util')
const { Client, Pool, types } = require('pg')
const { from: copyFrom, to: copyTo } = require('pg-copy-streams')
const Cursor = require('pg-cursor')
const { LITERALS, VALUES } = require('./values')

const SCHEMA = process.env.ALLONYM_SCHEMA || 'drivers_node'
const LARGE = 20 * 1024 * 1024
let count = 0

function same(name, found, expected) {
  if (!isDeepStrictEqual(found, expected)) {
    const show = (value) => JSON.stringify(value)?.slice(0, 300)
    fail(name, `found ${show(found)}, expected ${show(expected)}`)
  }
  count += 1
  console.log(`pg: ${name}`)
}

function fail(name, why) {
  fs.writeSync(2, `pg: ${name}: FAILED: ${why}\n`)
  process.exit(1)
}

async function failsWith(name, code, promise) {
  const error = await promise.then(() => fail(name, 'no error'), (error) => error)
  same(name, error.code, code)
  return error
}

function settings(more = {}) {
  const mode = process.env.PGSSLMODE || 'disable'
  const read = (name) => (process.env[name] ? fs.readFileSync(process.env[name]) : undefined)
  const ssl = ['disable', 'allow', 'prefer'].includes(mode)
    ? false
    : {
        ca: read('PGSSLROOTCERT'),
        cert: read('PGSSLCERT'),
        key: read('PGSSLKEY'),
        rejectUnauthorized: mode.startsWith('verify'),
        ...(mode === 'verify-full' ? {} : { checkServerIdentity: () => undefined }),
      }
  return {
    ssl,
    enableChannelBinding: ['require', 'prefer'].includes(process.env.PGCHANNELBINDING),
    sslnegotiation: process.env.PGSSLNEGOTIATION,
    application_name: 'node suite',
    options: `-c search_path=${SCHEMA} -c work_mem=3MB`,
    ...more,
  }
}

async function connect(more) {
  const client = new Client(settings(more))
  await client.connect()
  return client
}

const value = async (client, ...query) => Object.values((await client.query(...query)).rows[0])[0]

async function login() {
  const client = new Client(settings())
  let asked = 'none'
  client.connection.on('authenticationCleartextPassword', () => { asked = 'password' })
  client.connection.on('authenticationMD5Password', () => { asked = 'md5' })
  const begin = client.connection.sendSASLInitialResponseMessage
  client.connection.sendSASLInitialResponseMessage = function (mechanism, response) {
    asked = mechanism.toLowerCase()
    return begin.call(this, mechanism, response)
  }
  await client.connect()
  same('logged in', await value(client, 'SELECT current_user'), process.env.ALLONYM_ROLE || process.env.PGUSER)
  same('and on', await value(client, 'SELECT $1::int + 1', [41]), 42)
  same('TLS as asked for', Boolean(client.connection.stream.encrypted), Boolean(settings().ssl))
  // The driver has no switches that insist on either.
  if (process.env.PGREQUIREAUTH) {
    const bound = process.env.PGCHANNELBINDING === 'require' ? '-plus' : ''
    same('as it had to', asked, process.env.PGREQUIREAUTH + bound)
  }
  await client.end()
  console.log(`ok ${count} checks`)
}

async function connectionPhase(client) {
  same('application_name', await value(client, 'SHOW application_name'), 'node suite')
  same('options', await value(client, 'SHOW work_mem'), '3MB')
  same('search_path', await value(client, 'SELECT current_schema()'), SCHEMA)
  same('a backend pid', client.processID > 0, true)
  same('TLS as asked for', Boolean(client.connection.stream.encrypted), Boolean(settings().ssl))
  const seen = []
  client.connection.on('parameterStatus', (message) => seen.push([message.parameterName, message.parameterValue]))
  await client.query("SET application_name = 'renamed'")
  same('a status that changes', seen, [['application_name', 'renamed']])
}

async function statements(client) {
  same('simple query', (await client.query('SELECT 1 AS one')).rows, [{ one: 1 }])
  const several = await client.query("SELECT 1 AS a; SELECT 'two' AS b; CREATE TABLE people (id int PRIMARY KEY, name text)")
  same('several statements in one', several.map((result) => [result.command, result.rows]), [
    ['SELECT', [{ a: 1 }]], ['SELECT', [{ b: 'two' }]], ['CREATE', []],
  ])
  same('parameters', (await client.query('SELECT $1::int + 1 AS n, $2::text AS t, $3::text AS x', [41, 'ü', null])).rows, [{ n: 42, t: 'ü', x: null }])
  for (let use = 0; use < 10; use += 1) {
    same(`named statement, use ${use + 1}`, await value(client, { name: 'named', text: 'SELECT $1::int * 2', values: [use] }), use * 2)
  }
  same('it is on the server', await value(client, "SELECT count(*)::int FROM pg_prepared_statements WHERE name = 'named'"), 1)
  // Only what is UTF-8: the driver reads every field as a string first.
  const binary = await client.query({ text: 'SELECT $1::int4 AS i, $2::text AS t, $3::bool AS b', values: [7, 'ü', true], binary: true })
  same('binary results', binary.rows, [{ i: 7, t: 'ü', b: true }])
  const array = await client.query({ text: 'SELECT 1 AS a, 2 AS a', rowMode: 'array' })
  same('two columns of one name', [array.rows, array.fields.map((field) => field.name)], [[[1, 2]], ['a', 'a']])
  await client.query('INSERT INTO people SELECT g, repeat($1, g) FROM generate_series(1, 100) g', ['x'])
  const rows = (await client.query("SELECT g, repeat('x', g % 100) AS s FROM generate_series(1, 20000) g")).rows
  same('20,000 rows', [rows.length, rows[19998]], [20000, { g: 19999, s: 'x'.repeat(99) }])
  const queued = await Promise.all(Array.from({ length: 200 }, (_, n) => value(client, 'SELECT $1::int', [n])))
  same('200 queries waiting in line', queued, Array.from({ length: 200 }, (_, n) => n))
}

async function values(client) {
  for (const [kind, literal, expected] of VALUES) {
    same(`${kind} as a value of JavaScript`, await value(client, `SELECT $1::text::${kind}`, [literal]), expected)
  }
  for (const [kind, literal] of LITERALS) {
    same(`${kind} in text`, await value(client, { text: `SELECT $1::${kind} AS v`, values: [literal], types: { getTypeParser: () => (text) => text } }), literal)
  }
}

async function failures(client) {
  const error = await failsWith('unique violation', '23505', client.query('INSERT INTO people VALUES ($1, $2)', [1, 'again']))
  same('its fields', [error.detail, error.constraint, error.table, error.severity], ['Key (id)=(1) already exists.', 'people_pkey', 'people', 'ERROR'])
  same('its position', (await failsWith('syntax error', '42601', client.query('SELEC 1'))).position, '1')
  await failsWith('an error in parameters', '22P02', client.query('SELECT $1::int', ['x']))
  await failsWith('an error after rows', '22012', client.query('SELECT 1 / (1000 - g) FROM generate_series(1, 2000) g'))
  await failsWith('an error in a named statement', '22012', client.query({ name: 'bad', text: 'SELECT 1 / $1::int', values: [0] }))
  same('and its next use', await value(client, { name: 'bad', text: 'SELECT 1 / $1::int', values: [1] }), 1)
  const queued = await Promise.allSettled([client.query('SELECT 1'), client.query('SELEC'), client.query('SELECT $1::int', ['y']), client.query('SELECT 2')])
  same('errors in line', queued.map((result) => result.status), ['fulfilled', 'rejected', 'rejected', 'fulfilled'])
}

async function transactions(client) {
  await client.query('BEGIN ISOLATION LEVEL SERIALIZABLE')
  await client.query("INSERT INTO people VALUES (1000, 'kept')")
  await client.query('SAVEPOINT s')
  await failsWith('an error in a savepoint', '23505', client.query("INSERT INTO people VALUES (1000, 'again')"))
  await failsWith('an aborted transaction', '25P02', client.query('SELECT 1'))
  await client.query('ROLLBACK TO s')
  await client.query('COMMIT')
  await client.query('BEGIN')
  await client.query("INSERT INTO people VALUES (1001, 'lost')")
  await client.query('ROLLBACK')
  same('commit and rollback', (await client.query('SELECT id FROM people WHERE id >= 1000')).rows, [{ id: 1000 }])
}

async function copies(client) {
  await client.query('CREATE TABLE copied (id int, name text)')
  const lines = Readable.from((function* () {
    for (let n = 0; n < 50000; n += 1) yield `${n}\tname ${n}\n`
  })())
  const into = client.query(copyFrom('COPY copied FROM STDIN'))
  await pipeline(lines, into)
  same('COPY in, text', into.rowCount, 50000)
  const read = async (sql) => {
    const parts = []
    for await (const part of client.query(copyTo(sql))) parts.push(part)
    return Buffer.concat(parts)
  }
  same('COPY out, text', (await read('COPY (SELECT * FROM copied WHERE id < 2 ORDER BY id) TO STDOUT')).toString(), '0\tname 0\n1\tname 1\n')
  await pipeline(Readable.from(['7,"a, ""b""\nc"\n']), client.query(copyFrom('COPY copied FROM STDIN (FORMAT csv)')))
  same('COPY in and out, CSV', (await read("COPY (SELECT * FROM copied WHERE name LIKE 'a,%') TO STDOUT CSV")).toString(), '7,"a, ""b""\nc"\n')
  const binary = await read('COPY (SELECT id, name FROM copied WHERE id = 9) TO STDOUT (FORMAT binary)')
  await pipeline(Readable.from([binary.subarray(0, 15), binary.subarray(15)]), client.query(copyFrom('COPY copied FROM STDIN (FORMAT binary)')))
  same('COPY out and in, binary', await value(client, 'SELECT count(*)::int FROM copied WHERE id = 9'), 2)
  await failsWith('an error in COPY', '22P02', pipeline(Readable.from(['x\ty\n']), client.query(copyFrom('COPY copied FROM STDIN'))))
  same('the connection goes on', await value(client, 'SELECT 1 AS n'), 1)
}

async function largeValues(client) {
  const text = '0123456789abcdef'.repeat(LARGE / 16)
  const data = Buffer.alloc(LARGE, Buffer.from([0, 255, 39, 92]))
  const { rows: [row] } = await client.query('SELECT $1::text AS t, $2::bytea AS b', [text, data])
  same('20 MB in and out', [row.t === text, row.b.equals(data)], [true, true])
}

async function cursors(client) {
  const cursor = client.query(new Cursor('SELECT generate_series(1, $1::int) AS n', [1000]))
  same('cursor, first rows', (await cursor.read(3)).map((row) => row.n), [1, 2, 3])
  same('cursor, the next', (await cursor.read(500)).length, 500)
  await cursor.close()
  const whole = client.query(new Cursor('SELECT generate_series(1, 10) AS n'))
  same('cursor to its end', [(await whole.read(7)).length, (await whole.read(7)).length, (await whole.read(7)).length], [7, 3, 0])
  const failing = client.query(new Cursor('SELECT 1 / (5 - g) FROM generate_series(1, 10) g'))
  await failsWith('an error in a cursor', '22012', failing.read(10))
  await client.query('BEGIN')
  await client.query('DECLARE c SCROLL CURSOR FOR SELECT generate_series(1, 5) AS n')
  same('cursor of SQL', [(await client.query('FETCH 2 FROM c')).rows, (await client.query('FETCH PRIOR FROM c')).rows], [[{ n: 1 }, { n: 2 }], [{ n: 1 }]])
  await client.query('COMMIT')
}

async function asides(client) {
  const notices = []
  client.on('notice', (notice) => notices.push([notice.severity, notice.message]))
  await client.query("DO $$ BEGIN RAISE NOTICE 'hello'; RAISE WARNING 'careful'; END $$")
  same('notices', notices, [['NOTICE', 'hello'], ['WARNING', 'careful']])
  const other = await connect()
  const heard = new Promise((resolve) => client.once('notification', resolve))
  await client.query(`LISTEN ${SCHEMA}_channel`)
  await other.query('SELECT pg_notify($1, $2)', [`${SCHEMA}_channel`, 'payload ü'])
  const { payload, processId } = await heard
  same('notification while idle', [payload, processId], ['payload ü', other.processID])
  await other.end()
}

// A cancel request before the server is in pg_sleep is for nothing.
async function asleep(other, pid) {
  const sql = "SELECT count(*)::int FROM pg_stat_activity WHERE pid = $1 AND wait_event = 'PgSleep'"
  while ((await value(other, sql, [pid])) === 0) await setTimeout(20)
}

async function cancels(other) {
  const client = await connect()
  // A cancel request of this driver does not begin with TLS, so direct TLS has none.
  if (process.env.PGSSLNEGOTIATION !== 'direct') {
    const pid = await value(client, 'SELECT pg_backend_pid()')
    const sleeping = client.query('SELECT pg_sleep(30)').catch((error) => error)
    await asleep(other, pid)
    new Client(settings()).cancel(client, client._getActiveQuery())
    same('cancel request', (await sleeping).code, '57014')
  }
  same('the connection goes on', await value(client, 'SELECT 1 AS n'), 1)
  await client.end()
  const limited = await connect({ statement_timeout: 200 })
  await failsWith('statement_timeout at start-up', '57014', limited.query('SELECT pg_sleep(30)'))
  await limited.end()
}

async function pipelined() {
  const client = await connect({ pipeline: true })
  const queued = Array.from({ length: 300 }, (_, n) => value(client, "SELECT $1::int AS n, repeat('x', 2000)", [n]))
  const failing = failsWith('an error in a pipeline', '22012', client.query('SELECT 1 / $1::int', [0]))
  const after = value(client, 'SELECT 7 AS n')
  same('pipeline', await Promise.all(queued), Array.from({ length: 300 }, (_, n) => n))
  await failing
  same('what came after the error', await after, 7)
  await client.end()
}

async function pool() {
  const pool = new Pool(settings({ max: 8 }))
  const found = await Promise.all(Array.from({ length: 200 }, (_, n) => pool.query('SELECT $1::int AS n', [n])))
  same('a pool of eight, 200 tasks', found.map((result) => result.rows[0].n), Array.from({ length: 200 }, (_, n) => n))
  await pool.end()
}

async function main() {
  types.setTypeParser(types.builtins.INT8, BigInt)
  const client = await connect()
  await client.query(`DROP SCHEMA IF EXISTS ${SCHEMA} CASCADE; CREATE SCHEMA ${SCHEMA}; SET timezone = 'UTC'`)
  await connectionPhase(client)
  await statements(client)
  await values(client)
  await failures(client)
  await transactions(client)
  await copies(client)
  await largeValues(client)
  await cursors(client)
  await asides(client)
  await cancels(client)
  await pipelined()
  await pool()
  await client.query(`DROP SCHEMA ${SCHEMA} CASCADE`)
  await client.end()
  console.log(`ok ${count} checks`)
}

(process.argv[2] === 'login' ? login() : main()).catch((error) => fail('an error that nothing expected', error.stack))
