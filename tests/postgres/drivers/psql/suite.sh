#!/usr/bin/env bash
# psql, pgbench, pg_dump and pg_restore against the server that the PG* variables name; with
# the argument `login`, a login alone.
set -uo pipefail

schema=${ALLONYM_SCHEMA:-drivers_psql}
export PGAPPNAME='psql suite' PGOPTIONS="-c search_path=$schema -c work_mem=3MB" PSQL_HISTORY=/dev/null PAGER=cat LC_ALL=C.UTF-8
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
count=0

# What psql prints, errors with it, rows unaligned and without headers.
ask() { psql -X -q -A -t -v VERBOSITY=default "$@" 2>&1; }
same() { # name, expected, found
  if [ "$2" != "$3" ]; then
    printf 'psql: %s: FAILED: found\n%.1000s\nexpected\n%.1000s\n' "$1" "$3" "$2" >&2
    exit 1
  fi
  count=$((count + 1))
  echo "psql: $1"
}
contains() { # name, part, found
  case "$3" in *"$2"*) same "$1" "" "" ;; *) same "$1" "...$2..." "$3" ;; esac
}

encrypted() {
  if [ "${PGSSLMODE:-prefer}" = verify-full ]; then
    contains "TLS as asked for" "TLSv1." "$(psql -X -c '\conninfo')"
  fi
}

if [ "${1:-}" = login ]; then
  same "logged in" "${ALLONYM_ROLE:-$PGUSER}" "$(ask -c 'SELECT current_user')"
  encrypted
  echo "ok $count checks"
  exit
fi

PGOPTIONS='' ask -c "SET client_min_messages = warning" -c "DROP SCHEMA IF EXISTS $schema CASCADE" -c "CREATE SCHEMA $schema" || exit 1

same "start-up parameters" "psql suite|3MB|$schema" "$(ask -c "SELECT current_setting('application_name'), current_setting('work_mem'), current_schema()")"
contains "server version" "." "$(ask -c '\echo :SERVER_VERSION_NAME')"
same "encoding" "UTF8" "$(ask -c '\encoding')"
contains "\\conninfo" "$PGPORT" "$(psql -X -c '\conninfo')"
encrypted

same "several statements" $'1\ntwo\n3' "$(ask -c "SELECT 1; SELECT 'two'; SELECT 3")"
same "parameters by \\gset" "42|x y" "$(ask <<'Q'
SELECT 41 + 1 AS a, 'x y' AS b \gset
SELECT :a, :'b';
Q
)"
same "\\gexec" $'1\n2' "$(ask <<'Q'
SELECT 'SELECT ' || g FROM generate_series(1, 2) g \gexec
Q
)"
same "\\gdesc, Parse and Describe" $'n|integer\nt|text' "$(ask <<'Q'
SELECT 1 AS n, 'a'::text AS t \gdesc
Q
)"
same "\\crosstabview" $'r|a|b\n1|x|y' "$(psql -X -q -A -P footer=off <<'Q'
SELECT * FROM (VALUES (1, 'a', 'x'), (1, 'b', 'y')) v(r, c, v) \crosstabview
Q
)"
same "Unicode" "Grüße, 世界 🎈" "$(ask -c "SELECT 'Grüße, 世界 🎈'")"
same "20,000 rows" "20000" "$(ask -c "SELECT g, repeat('x', g % 100) FROM generate_series(1, 20000) g" | wc -l | tr -d ' ')"
for use in 1 2 3 4 5 6 7 8 9 10; do echo "EXECUTE twice($use);"; done > "$folder/uses.sql"
same "prepared, ten uses" "2 4 6 8 10 12 14 16 18 20" "$(ask -c 'PREPARE twice AS SELECT $1::int * 2' -f "$folder/uses.sql" | xargs)"

types="SELECT -32768::int4, 0.1::float8, 1.50::numeric, true, 'ü'::text, 'ab'::char(4) || '|', '\x00ff'::bytea, date '2024-02-29', time '23:59:59.5', timestamptz '2026-01-02 03:04:05+00', interval '1 year 3 days', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid, '10.0.0.0/8'::cidr, ARRAY[1,NULL], '{\"a\": 1}'::jsonb, int4range(1,5), B'101', point(1,2), 12.34::money, row(1,'x'), NULL"
same "values as text" '-32768,0.1,1.50,t,ü,ab|,\x00ff,2024-02-29,23:59:59.5,2026-01-02 03:04:05+00,1 year 3 days,a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11,10.0.0.0/8,"{1,NULL}","{""a"": 1}","[1,5)",101,"(1,2)",$12.34,"(1,x)",' "$(psql -X -q -t --csv -c "SET timezone = 'UTC'" -c "SET lc_monetary = 'C'" -c "$types")"

ask -c "CREATE TABLE people (id int PRIMARY KEY, name text, at date)"
same "unique violation" $'ERROR:  duplicate key value violates unique constraint "people_pkey"\nDETAIL:  Key (id)=(1) already exists.' "$(ask -c "INSERT INTO people VALUES (1, 'one'), (1, 'again')")"
same "its SQLSTATE" "23505" "$(ask -c "INSERT INTO people VALUES (1), (1)" -c '\echo :LAST_ERROR_SQLSTATE' | tail -1)"
same "syntax error, position" $'ERROR:  syntax error at or near "SELEC"\nLINE 1: SELEC 1\n        ^' "$(ask -c 'SELEC 1')"
same "the connection goes on" "7" "$(ask -c 'SELECT 1/0' -c 'SELECT 7' | tail -1)"
contains "verbose errors" "LOCATION:  int4div, int.c" "$(psql -X -v VERBOSITY=verbose -c 'SELECT 1/0' 2>&1)"
same "notices" $'NOTICE:  hello 1\nWARNING:  careful' "$(ask -c "DO \$\$ BEGIN RAISE NOTICE 'hello %', 1; RAISE WARNING 'careful'; END \$\$")"
same "an aborted transaction" "ERROR:  current transaction is aborted, commands ignored until end of transaction block" "$(ask <<'Q' | sed -n 2p
BEGIN;
SELECT 1/0;
SELECT 1;
ROLLBACK;
Q
)"
same "ON_ERROR_ROLLBACK" "kept" "$(ask -v ON_ERROR_ROLLBACK=on <<'Q' | tail -1
BEGIN;
INSERT INTO people VALUES (5, 'kept');
SELECT 1/0;
COMMIT;
SELECT name FROM people WHERE id = 5;
Q
)"
same "-1 takes all back" "0" "$(ask -1 -v ON_ERROR_STOP=1 -c "INSERT INTO people VALUES (6)" -c "SELECT 1/0" >/dev/null; ask -c "SELECT count(*) FROM people WHERE id = 6")"

seq 10 50009 | awk '{ print $1 "\tname " $1 "\t2026-01-01" }' > "$folder/in.txt"
same "\\copy in" "COPY 50000" "$(psql -X -c "\\copy people FROM '$folder/in.txt'" 2>&1)"
ask -c "\\copy (SELECT * FROM people WHERE id >= 10 ORDER BY id) TO '$folder/out.txt'"
same "\\copy out" "$(md5sum < "$folder/in.txt")" "$(md5sum < "$folder/out.txt")"
same "COPY from standard input, CSV" 'a, "b"' "$(printf '7,"a, ""b""",\n' | ask -c 'COPY people FROM STDIN CSV' && ask -c 'SELECT name FROM people WHERE id = 7')"
same "COPY to standard output, CSV" $'id,name,at\n7,"a, ""b""",' "$(ask -c 'COPY (SELECT * FROM people WHERE id = 7) TO STDOUT CSV HEADER')"
ask -c 'COPY (SELECT * FROM people) TO STDOUT (FORMAT binary)' > "$folder/binary"
same "COPY out and in, binary" "$(ask -c 'SELECT count(*), sum(id) FROM people')" "$(ask -c 'CREATE TABLE again (LIKE people)' -c 'COPY again FROM STDIN (FORMAT binary)' < "$folder/binary"; ask -c 'SELECT count(*), sum(id) FROM again')"
contains "an error in COPY" 'COPY people, line 2, column id: "x"' "$(printf '100000\tfine\t\\N\nx\ty\t\\N\n' | ask -c 'COPY people FROM STDIN')"

head -c 15728640 /dev/urandom | base64 -w 0 > "$folder/large"
{ printf "CREATE TABLE big AS SELECT '"; cat "$folder/large"; printf "'::text AS t;\n"; } > "$folder/large.sql"
same "20 MB in" "20971520" "$(ask -f "$folder/large.sql" -c 'SELECT length(t) FROM big')"
same "20 MB out" "$(md5sum < "$folder/large")" "$(ask -c 'SELECT t FROM big' | tr -d '\n' | md5sum)"

same "cursors" $'1\n2\n1\n3' "$(ask <<'Q'
BEGIN;
DECLARE c SCROLL CURSOR FOR SELECT generate_series(1, 3);
FETCH 2 FROM c;
FETCH FIRST FROM c;
FETCH LAST FROM c;
COMMIT;
Q
)"
same "FETCH_COUNT" "50002" "$(ask -v FETCH_COUNT=77 -c 'SELECT * FROM people' | wc -l | tr -d ' ')"
if [ "$(ask -c 'SHOW max_prepared_transactions')" -gt 0 ]; then
  same "two phases" "two phases" "$(ask -c 'BEGIN' -c "INSERT INTO people VALUES (8, 'two phases')" -c "PREPARE TRANSACTION '$schema 1'"; ask -c "COMMIT PREPARED '$schema 1'" -c 'SELECT name FROM people WHERE id = 8')"
fi
head -c 3000000 /dev/urandom > "$folder/object"
oid=$(ask -c "\\lo_import '$folder/object' 'an object'" -c '\echo :LASTOID' | tail -1)
ask -c "\\lo_export $oid '$folder/object.out'" >/dev/null
same "\\lo_import and \\lo_export" "$(md5sum < "$folder/object")" "$(md5sum < "$folder/object.out")"
contains "\\lo_list" "an object" "$(ask -c '\lo_list')"
ask -c "\\lo_unlink $oid" >/dev/null
same "LISTEN and NOTIFY" 'Asynchronous notification "here" with payload "one" received' "$(ask -c 'LISTEN here' -c "NOTIFY here, 'one'" | sed 's/ from server.*//')"

PGAPPNAME="$schema cancel" psql -X -c 'SELECT pg_sleep(30)' > "$folder/cancelled" 2>&1 &
# A cancel request before the server is in pg_sleep is for nothing.
until [ "$(ask -c "SELECT count(*) FROM pg_stat_activity WHERE application_name = '$schema cancel' AND wait_event = 'PgSleep'")" = 1 ]; do
  kill -0 $! || same "a statement to cancel" "" "$(cat "$folder/cancelled")"
  sleep 0.05
done
kill -INT $!
start=$SECONDS
wait $!
contains "cancel" "canceling statement due to user request" "$(cat "$folder/cancelled")"
same "soon" yes "$([ $((SECONDS - start)) -lt 15 ] && echo yes)"

lists=('\d' '\d people' '\d+ people' '\dt' '\di' '\dn' '\df' '\dT' '\dp' '\dx' '\dconfig work_mem')
# What an older psql asks a newer server may no longer exist.
[ "$(ask -c '\echo :SERVER_VERSION_NUM')" -ge "$(($(ask -c '\echo :VERSION_NUM') / 10000 * 10000 + 10000))" ] || lists+=('\l' '\du')
for what in "${lists[@]}"; do
  output=$(psql -X -c "$what" 2>&1)
  [ $? -eq 0 ] || same "$what" "exit code 0" "$output"
  same "$what" "" "$(grep -E '^ERROR' <<< "$output")"
done
contains "\\d people, its key" '"people_pkey" PRIMARY KEY, btree (id)' "$(psql -X -c '\d people')"

ask -c "CREATE VIEW view AS SELECT id FROM people" -c "DROP TABLE big, again"
# What was made for another major version of the server is not for these programs.
if pg_dump -n "$schema" -Fc -f "$folder/dump" 2> "$folder/error"; then
  before=$(ask -c 'SELECT count(*), sum(id), md5(string_agg(people::text, chr(10) ORDER BY id)) FROM people')
  ask -c "SET client_min_messages = warning" -c "DROP SCHEMA $schema CASCADE"
  same "pg_dump and pg_restore" "" "$(pg_restore -d "$PGDATABASE" "$folder/dump" 2>&1)"
  same "what was restored" "$before" "$(ask -c 'SELECT count(*), sum(id), md5(string_agg(people::text, chr(10) ORDER BY id)) FROM people')"
elif ! grep -q "version mismatch" "$folder/error"; then
  same "pg_dump" "" "$(cat "$folder/error")"
fi

bench=pgbench
command -v pgbench >/dev/null || bench=$(ls -d /usr/lib/postgresql/*/bin/pgbench | sort -V | tail -1)
contains "pgbench -i" "done in" "$("$bench" -i -q -n 2>&1)"
for mode in simple extended prepared; do
  contains "pgbench -M $mode" "number of transactions actually processed: 200/200" "$("$bench" -n -M $mode -c 4 -t 50 2>&1)"
done
cat > "$folder/pipeline.sql" <<'Q'
\startpipeline
SELECT abalance FROM pgbench_accounts WHERE aid = 1;
UPDATE pgbench_accounts SET abalance = abalance + 1 WHERE aid = 2;
SELECT repeat('x', 1000) FROM generate_series(1, 10);
\endpipeline
Q
for mode in extended prepared; do
  contains "pgbench, pipelined, $mode" "actually processed: 100/100" "$("$bench" -n -M $mode -f "$folder/pipeline.sql" -c 2 -t 50 2>&1)"
done

ask -c "SET client_min_messages = warning" -c "DROP SCHEMA $schema CASCADE"
echo "ok $count checks"
