// Real pgx against the server that the PG* variables name; with the argument `login`, a login alone.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

const large = 20 * 1024 * 1024

var (
	ctx    = context.Background()
	schema = "drivers_go"
	count  int
)

func main() {
	if name := os.Getenv("ALLONYM_SCHEMA"); name != "" {
		schema = name
	}
	conn := connect(nil)
	defer conn.Close(ctx)
	if len(os.Args) > 1 && os.Args[1] == "login" {
		login(conn)
		return
	}
	exec(conn, "DROP SCHEMA IF EXISTS "+schema+" CASCADE; CREATE SCHEMA "+schema+"; SET timezone = 'UTC'")
	connectionPhase(conn)
	exec(conn, "CREATE TABLE people (id int PRIMARY KEY, name text)")
	modes(conn)
	values(conn)
	prepared(conn)
	batches(conn)
	failures(conn)
	transactions(conn)
	copies(conn)
	largeValues(conn)
	asides(conn)
	cancels(conn)
	lowLevel(conn)
	pool()
	exec(conn, "DROP SCHEMA "+schema+" CASCADE")
	fmt.Printf("ok %d checks\n", count)
}

func login(conn *pgx.Conn) {
	role := os.Getenv("ALLONYM_ROLE")
	if role == "" {
		role = os.Getenv("PGUSER")
	}
	same("logged in", one[string](conn, "SELECT current_user::text"), role)
	same("and on", one[int](conn, "SELECT $1::int + 1", 41), 42)
	encrypted(conn)
	fmt.Printf("ok %d checks\n", count)
}

// config is what PG* says, with our startup parameters.
func config() *pgx.ConnConfig {
	config, err := pgx.ParseConfig("")
	must("configuration", err)
	config.RuntimeParams["application_name"] = "pgx suite"
	config.RuntimeParams["search_path"] = schema
	config.RuntimeParams["options"] = "-c work_mem=3MB"
	return config
}

func connect(change func(*pgx.ConnConfig)) *pgx.Conn {
	config := config()
	if change != nil {
		change(config)
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	must("connect", err)
	return conn
}

func exec(conn *pgx.Conn, sql string, arguments ...any) pgconn.CommandTag {
	tag, err := conn.Exec(ctx, sql, arguments...)
	must(sql, err)
	return tag
}

func one[T any](conn *pgx.Conn, sql string, arguments ...any) T {
	var value T
	must(sql, conn.QueryRow(ctx, sql, arguments...).Scan(&value))
	return value
}

func same(name string, found, expected any) {
	if f, e := fmt.Sprintf("%T %v", found, found), fmt.Sprintf("%T %v", expected, expected); f != e {
		fail(name, fmt.Sprintf("found %.300s, expected %.300s", f, e))
	}
	count++
	fmt.Println("pgx: " + name)
}

func must(name string, err error) {
	if err != nil {
		fail(name, err.Error())
	}
}

func fail(name, why string) {
	fmt.Fprintf(os.Stderr, "pgx: %.200s: FAILED: %.500s\n", name, why)
	os.Exit(1)
}

// state wants the error of a server with this SQLSTATE.
func state(name string, err error, expected string) *pgconn.PgError {
	var answer *pgconn.PgError
	if !errors.As(err, &answer) {
		fail(name, fmt.Sprintf("found %v, expected %s", err, expected))
	}
	same(name, answer.Code, expected)
	return answer
}

func connectionPhase(conn *pgx.Conn) {
	same("server version", conn.PgConn().ParameterStatus("server_version") != "", true)
	same("application_name", one[string](conn, "SHOW application_name"), "pgx suite")
	same("options", one[string](conn, "SHOW work_mem"), "3MB")
	same("search_path", one[string](conn, "SELECT current_schema()"), schema)
	exec(conn, "SET application_name = 'renamed'")
	same("a status that changes", conn.PgConn().ParameterStatus("application_name"), "renamed")
	same("a backend pid", conn.PgConn().PID() > 0, true)
	encrypted(conn)
}

func encrypted(conn *pgx.Conn) {
	mode := os.Getenv("PGSSLMODE")
	if mode != "" && mode != "prefer" && mode != "allow" {
		_, encrypted := conn.PgConn().Conn().(interface{ HandshakeContext(context.Context) error })
		same("TLS as asked for", encrypted, mode != "disable")
	}
}

func modes(conn *pgx.Conn) {
	modes := []pgx.QueryExecMode{
		pgx.QueryExecModeCacheStatement, pgx.QueryExecModeCacheDescribe, pgx.QueryExecModeDescribeExec,
		pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol,
	}
	for number, mode := range modes {
		for use := range 10 {
			var sum int
			var text string
			row := conn.QueryRow(ctx, "SELECT $1::int + 1, $2::text || ' it''s'", mode, use, "ü")
			must(mode.String(), row.Scan(&sum, &text))
			same(fmt.Sprintf("%s, use %d", mode, use+1), fmt.Sprint(sum, text), fmt.Sprint(use+1, "ü it's"))
		}
		tag := exec(conn, "INSERT INTO people VALUES ($1, $2)", mode, number, "p")
		same(mode.String()+", INSERT", tag.String(), "INSERT 0 1")
		rows, err := conn.Query(ctx, "SELECT g, g::text, g::numeric / 4 FROM generate_series(1, $1::int) g", mode, 5000)
		must(mode.String(), err)
		total := 0
		for rows.Next() {
			var n int
			var s string
			var d float64
			must("scan", rows.Scan(&n, &s, &d))
			total += n
		}
		must(mode.String(), rows.Err())
		same(mode.String()+", 5,000 rows", total, 12502500)
		_, err = conn.Exec(ctx, "INSERT INTO people VALUES ($1, $2)", mode, number, "again")
		state(mode.String()+", unique violation", err, "23505")
		_, err = conn.Exec(ctx, "SELEC", mode)
		state(mode.String()+", syntax error", err, "42601")
	}
	var a, b int
	must("scan", conn.QueryRow(ctx, "SELECT count(*), max(id) FROM people").Scan(&a, &b))
	same("what all of them wrote", fmt.Sprint(a, b), "5 4")
}

func prepared(conn *pgx.Conn) {
	description, err := conn.Prepare(ctx, "named", "SELECT $1::int * 2, $2::text")
	must("prepare", err)
	same("parameter types", fmt.Sprint(description.ParamOIDs), "[23 25]")
	for use := range 10 {
		var n int
		var s string
		must("named", conn.QueryRow(ctx, "named", use, "x").Scan(&n, &s))
		same(fmt.Sprintf("named statement, use %d", use+1), n, use*2)
	}
	must("deallocate", conn.Deallocate(ctx, "named"))
	exec(conn, "CREATE TABLE shape (a int)")
	exec(conn, "INSERT INTO shape VALUES (1)")
	same("before the change", one[int](conn, "SELECT * FROM shape"), 1)
	exec(conn, "ALTER TABLE shape ALTER a TYPE text")
	var value string
	err = conn.QueryRow(ctx, "SELECT * FROM shape").Scan(&value)
	state("a plan that changed", err, "0A000")
	must("again", conn.QueryRow(ctx, "SELECT * FROM shape").Scan(&value))
	same("and the next use", value, "1")
}

func batches(conn *pgx.Conn) {
	batch := &pgx.Batch{}
	for n := range 500 {
		batch.Queue("INSERT INTO people VALUES ($1, $2)", 1000+n, strings.Repeat("x", 2000))
	}
	batch.Queue("SELECT count(*), repeat('y', 100000) FROM people WHERE id >= 1000")
	results := conn.SendBatch(ctx, batch)
	for range 500 {
		_, err := results.Exec()
		must("batch", err)
	}
	var n int
	var s string
	must("batch", results.QueryRow().Scan(&n, &s))
	must("batch", results.Close())
	same("batch of 501", fmt.Sprint(n, len(s)), "500 100000")
	batch = &pgx.Batch{}
	batch.Queue("INSERT INTO people VALUES (3000, 'first')")
	batch.Queue("SELECT 1 / $1::int", 0)
	batch.Queue("INSERT INTO people VALUES (3001, 'after')")
	state("an error in a batch", conn.SendBatch(ctx, batch).Close(), "22012")
	same("takes the whole batch back", one[int](conn, "SELECT count(*) FROM people WHERE id >= 3000"), 0)
	// A pipeline by hand, with two points of synchronisation.
	pipeline := conn.PgConn().StartPipeline(ctx)
	pipeline.SendPrepare("piped", "SELECT $1::int", nil)
	pipeline.SendQueryPrepared("piped", [][]byte{[]byte("1")}, nil, nil)
	must("sync", pipeline.Sync())
	pipeline.SendQueryParams("SELECT 1/0", nil, nil, nil, nil)
	pipeline.SendQueryPrepared("piped", [][]byte{[]byte("2")}, nil, nil)
	must("sync", pipeline.Sync())
	pipeline.SendQueryPrepared("piped", [][]byte{[]byte("3")}, nil, nil)
	must("sync", pipeline.Sync())
	seen := []string{}
	for {
		result, err := pipeline.GetResults()
		if err != nil {
			seen = append(seen, state("pipeline, the error", err, "22012").Code)
			continue
		}
		if result == nil {
			break
		}
		switch result := result.(type) {
		case *pgconn.ResultReader:
			read := result.Read()
			if read.Err != nil {
				seen = append(seen, state("pipeline, the error", read.Err, "22012").Code)
			} else {
				seen = append(seen, string(read.Rows[0][0]))
			}
		case *pgconn.StatementDescription:
			seen = append(seen, "described")
		case *pgconn.PipelineSync:
			seen = append(seen, "sync")
		}
	}
	must("pipeline", pipeline.Close())
	same("pipeline, in order", fmt.Sprint(seen), "[described 1 sync 22012 sync 3 sync]")
}

func failures(conn *pgx.Conn) {
	_, err := conn.Exec(ctx, "INSERT INTO people VALUES (1, 'again')")
	answer := state("unique violation", err, "23505")
	same("its detail", answer.Detail, "Key (id)=(1) already exists.")
	same("its constraint", answer.ConstraintName, "people_pkey")
	_, err = conn.Exec(ctx, "SELECT * FROM nothing_here")
	same("its position", state("no such table", err, "42P01").Position, int32(15))
	rows, err := conn.Query(ctx, "SELECT 1 / (1000 - g) FROM generate_series(1, 2000) g")
	must("query", err)
	for rows.Next() {
	}
	state("an error after rows", rows.Err(), "22012")
	same("the connection goes on", one[int](conn, "SELECT 1"), 1)
}

func transactions(conn *pgx.Conn) {
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.Serializable})
	must("begin", err)
	_, err = tx.Exec(ctx, "INSERT INTO people VALUES (4000, 'kept')")
	must("insert", err)
	inner, err := tx.Begin(ctx)
	must("savepoint", err)
	_, err = inner.Exec(ctx, "INSERT INTO people VALUES (4000, 'again')")
	state("an error in a savepoint", err, "23505")
	must("rollback", inner.Rollback(ctx))
	must("commit", tx.Commit(ctx))
	same("commit", one[string](conn, "SELECT name FROM people WHERE id = 4000"), "kept")
	tx, err = conn.Begin(ctx)
	must("begin", err)
	_, err = tx.Exec(ctx, "SELECT 1/0")
	state("an error in a transaction", err, "22012")
	_, err = tx.Exec(ctx, "SELECT 1")
	state("an aborted transaction", err, "25P02")
	same("its commit is a rollback", tx.Commit(ctx), pgx.ErrTxCommitRollback)
	tx, err = conn.Begin(ctx)
	must("begin", err)
	_, err = tx.Exec(ctx, "DECLARE c CURSOR FOR SELECT generate_series(1, 10)")
	must("declare", err)
	rows, err := tx.Query(ctx, "FETCH 4 FROM c")
	must("fetch", err)
	found, err := pgx.CollectRows(rows, pgx.RowTo[int])
	must("fetch", err)
	same("cursor", fmt.Sprint(found), "[1 2 3 4]")
	must("rollback", tx.Rollback(ctx))
}

func copies(conn *pgx.Conn) {
	exec(conn, "CREATE TABLE copied (id int, name text, at date, n float8)")
	at := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
	source := pgx.CopyFromSlice(50000, func(n int) ([]any, error) {
		return []any{n, fmt.Sprintf("name\t%d", n), at, float64(n) / 4}, nil
	})
	copied, err := conn.CopyFrom(ctx, pgx.Identifier{schema, "copied"}, []string{"id", "name", "at", "n"}, source)
	must("CopyFrom", err)
	same("COPY in, binary", copied, int64(50000))
	same("what came in", one[string](conn, "SELECT name || at || n FROM copied WHERE id = 10"), "name\t102026-01-022.5")
	var out strings.Builder
	tag, err := conn.PgConn().CopyTo(ctx, &out, "COPY (SELECT id, name FROM copied WHERE id < 2 ORDER BY 1) TO STDOUT")
	must("CopyTo", err)
	same("COPY out, text", tag.String()+out.String(), "COPY 20\tname\\t0\n1\tname\\t1\n")
	tag, err = conn.PgConn().CopyFrom(ctx, strings.NewReader("1,\"a, \"\"b\"\"\",,\n"), "COPY copied FROM STDIN (FORMAT csv)")
	must("CopyFrom", err)
	same("COPY in, CSV", tag.String(), "COPY 1")
	out.Reset()
	_, err = conn.PgConn().CopyTo(ctx, &out, "COPY (SELECT 1::int4) TO STDOUT (FORMAT binary)")
	must("CopyTo", err)
	same("COPY out, binary", fmt.Sprintf("%x", out.String()), "5047434f50590aff0d0a0000000000000000000001000000040000000"+"1ffff")
	_, err = conn.PgConn().CopyFrom(ctx, strings.NewReader("x\n"), "COPY copied (id) FROM STDIN")
	state("an error in COPY", err, "22P02")
	_, err = conn.CopyFrom(ctx, pgx.Identifier{"copied"}, []string{"id"}, pgx.CopyFromFunc(func() ([]any, error) {
		return nil, errors.New("given up")
	}))
	same("COPY given up", err != nil, true)
	same("the connection goes on", one[int](conn, "SELECT 1"), 1)
}

func largeValues(conn *pgx.Conn) {
	text := strings.Repeat("0123456789abcdef", large/16)
	data := []byte(strings.Repeat("\x00\xff\x01\xfe", large/4))
	for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeCacheStatement, pgx.QueryExecModeSimpleProtocol} {
		var foundText string
		var foundData []byte
		row := conn.QueryRow(ctx, "SELECT $1::text, $2::bytea", mode, text, data)
		must("20 MB", row.Scan(&foundText, &foundData))
		same("20 MB in and out, "+mode.String(), foundText == text && string(foundData) == string(data), true)
	}
}

func asides(conn *pgx.Conn) {
	notices := []string{}
	other := connect(func(config *pgx.ConnConfig) {
		config.OnNotice = func(_ *pgconn.PgConn, notice *pgconn.Notice) {
			notices = append(notices, notice.Severity+" "+notice.Message)
		}
	})
	defer other.Close(ctx)
	exec(other, "DO $$ BEGIN RAISE NOTICE 'hello'; RAISE WARNING 'careful'; END $$")
	same("notices", strings.Join(notices, ", "), "NOTICE hello, WARNING careful")
	exec(other, "LISTEN "+schema+"_channel")
	done := make(chan *pgconn.Notification)
	go func() {
		limited, cancel := context.WithTimeout(ctx, 20*time.Second)
		defer cancel()
		notification, err := other.WaitForNotification(limited)
		must("notification", err)
		done <- notification
	}()
	exec(conn, "SELECT pg_notify($1, 'payload ü')", schema+"_channel")
	notification := <-done
	same("notification while idle", notification.Payload, "payload ü")
	same("and who sent it", notification.PID, conn.PgConn().PID())
}

// asleep waits until the server process is in pg_sleep: a cancel request before that is for nothing.
func asleep(conn *pgx.Conn, pid int) {
	for one[int](conn, "SELECT count(*) FROM pg_stat_activity WHERE pid = $1 AND wait_event = 'PgSleep'", pid) == 0 {
		time.Sleep(20 * time.Millisecond)
	}
}

func cancels(conn *pgx.Conn) {
	other := connect(nil)
	pid := one[int](other, "SELECT pg_backend_pid()")
	go func() {
		asleep(conn, pid)
		must("cancel request", other.PgConn().CancelRequest(ctx))
	}()
	start := time.Now()
	_, err := other.Exec(ctx, "SELECT pg_sleep(30)")
	state("cancel request", err, "57014")
	same("soon", time.Since(start) < 20*time.Second, true)
	same("the connection goes on", one[int](other, "SELECT 1"), 1)
	must("close", other.Close(ctx))
	canceling := connect(func(config *pgx.ConnConfig) {
		config.BuildContextWatcherHandler = func(conn *pgconn.PgConn) ctxwatchHandler {
			return &pgconn.CancelRequestContextWatcherHandler{Conn: conn, DeadlineDelay: 10 * time.Second}
		}
	})
	pid = one[int](canceling, "SELECT pg_backend_pid()")
	for range 3 {
		limited, cancel := context.WithCancel(ctx)
		go func() {
			asleep(conn, pid)
			cancel()
		}()
		_, err = canceling.Exec(limited, "SELECT pg_sleep(30)")
		state("cancel by context", err, "57014")
		same("the connection goes on", one[int](canceling, "SELECT 1"), 1)
	}
	must("close", canceling.Close(ctx))
	limited, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
	defer cancel()
	broken := connect(nil)
	_, err = broken.Exec(limited, "SELECT pg_sleep(30)")
	same("a context without cancel request closes", fmt.Sprint(err != nil, broken.IsClosed()), "true true")
}

// lowLevel asks for results in text and in binary of the same statement.
func lowLevel(conn *pgx.Conn) {
	for format, expected := range []string{"7|t", "\x00\x00\x00\x07|\x01"} {
		result := conn.PgConn().ExecParams(ctx, "SELECT 7::int4, true", nil, nil, nil, []int16{int16(format)}).Read()
		must("ExecParams", result.Err)
		same(fmt.Sprintf("result format %d", format), string(result.Rows[0][0])+"|"+string(result.Rows[0][1]), expected)
	}
	results, err := conn.PgConn().Exec(ctx, "SELECT 1; SELECT 'a'; INSERT INTO people VALUES (7000, 'x'); SELECT 1/0; SELECT 2").ReadAll()
	state("an error in several statements", err, "22012")
	same("what came before it", len(results) >= 3, true)
}

func pool() {
	config, err := pgxpool.ParseConfig("pool_max_conns=8")
	must("pool", err)
	config.ConnConfig.RuntimeParams["search_path"] = schema
	pool, err := pgxpool.NewWithConfig(ctx, config)
	must("pool", err)
	defer pool.Close()
	var wait sync.WaitGroup
	var lock sync.Mutex
	total := 0
	for n := range 200 {
		wait.Add(1)
		go func() {
			defer wait.Done()
			var found int
			must("pool", pool.QueryRow(ctx, "SELECT $1::int", n).Scan(&found))
			lock.Lock()
			total += found
			lock.Unlock()
		}()
	}
	wait.Wait()
	same("a pool of eight, 200 tasks", total, 19900)
}
