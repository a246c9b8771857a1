package main

import (
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
	"github.com/jackc/pgx/v5/pgtype"
)

type ctxwatchHandler = ctxwatch.Handler

// One literal of each type; pgx reads it in binary and in text and must send back the same.
var literals = []struct{ kind, literal string }{
	{"int2", "-32768"}, {"int4", "2147483647"}, {"int8", "-9223372036854775808"},
	{"float4", "1.5"}, {"float8", "0.1"}, {"float8", "-Infinity"},
	{"numeric", "123456789012345678901234567890.123456789"}, {"numeric", "NaN"}, {"numeric(10,2)", "-0.50"},
	{"bool", "true"}, {"text", "Grüße, 世界 🎈 'quoted' \\"}, {"varchar", ""}, {"char(5)", "ab   "},
	{"bytea", "\\x00ff5c27"}, {"date", "2024-02-29"}, {"date", "infinity"}, {"time", "23:59:59.999999"},
	{"timestamp", "2026-01-02 03:04:05.678901"}, {"timestamptz", "2026-01-02 03:04:05.5+00"},
	{"interval", "1 year 2 mons 3 days 04:05:06.789"}, {"uuid", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"},
	{"inet", "192.168.0.1/24"}, {"cidr", "2001:db8::/32"}, {"macaddr", "08:00:2b:01:02:03"},
	{"bit(4)", "1010"}, {"varbit", "10101"}, {"point", "(1.5,-2)"}, {"box", "(3,4),(1,2)"},
	{"circle", "<(1,1),2.5>"}, {"polygon", "((0,0),(1,1),(2,0))"}, {"lseg", "[(0,0),(3,4)]"}, {"path", "[(0,0),(1,1)]"},
	{"json", `{"a":[1,null,"é"]}`}, {"jsonb", `{"a": [1, null, "é"]}`}, {"jsonpath", `$."a"`}, {"xml", "<a>1</a>"},
	{"int4[]", "{1,NULL,3}"}, {"text[]", `{a,"b c",NULL,"NULL",""}`}, {"uuid[]", "{}"},
	{"int4range", "[1,5)"}, {"numrange", "(,1.5]"}, {"tstzrange", `["2026-01-01 00:00:00+00",)`}, {"daterange", "empty"},
	{"int4multirange", "{[1,3),[5,7)}"}, {"oid", "4294967295"}, {"name", "a name"}, {"tid", "(3,4)"}, {"xid8", "12345"},
}

func values(conn *pgx.Conn) {
	for _, value := range literals {
		sql := fmt.Sprintf("SELECT '%s'::%s", strings.ReplaceAll(value.literal, "'", "''"), value.kind)
		back := "SELECT $1::" + value.kind + "::text"
		expected := strings.TrimRight(value.literal, " ")
		same(value.kind+" in text", one[string](conn, sql+"::text", pgx.QueryExecModeSimpleProtocol), expected)
		// The bytes as they come, then what pgx makes of them: it knows no range of anything.
		read := conn.PgConn().ExecParams(ctx, sql, nil, nil, nil, []int16{1}).Read()
		must(sql, read.Err)
		result := conn.PgConn().ExecParams(ctx, back, read.Rows[0], nil, []int16{1}, nil).Read()
		must(back, result.Err)
		same(value.kind+" in binary, there and back", string(result.Rows[0][0]), expected)
		if !strings.HasSuffix(value.kind, "range") {
			var found any
			must(sql, conn.QueryRow(ctx, sql).Scan(&found))
			same(value.kind+" as a value of Go", one[string](conn, back, found), expected)
		}
	}
	exec(conn, "CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE TYPE pair AS (a int, b text)")
	types, err := conn.LoadTypes(ctx, []string{schema + ".mood", schema + ".pair"})
	must("own types", err)
	conn.TypeMap().RegisterTypes(types)
	var a int
	var b string
	must("pair", conn.QueryRow(ctx, "SELECT (p).a, (p).b FROM (SELECT $1::pair AS p) s", pgtype.CompositeFields{7, "x"}).Scan(&a, &b))
	same("own types, looked up in the catalog", fmt.Sprint(a, b, one[string](conn, "SELECT $1::mood", "ok")), "7xok")
}
