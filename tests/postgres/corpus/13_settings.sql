-- startup: application_name=corpus
-- startup: options=-c work_mem=3MB -c my.own=it\ works
-- startup: DateStyle=German
-- startup: extra_float_digits=2
-- startup: client_encoding=UTF8
SHOW application_name
;;
SHOW work_mem
;;
SHOW my.own
;;
RESET datestyle
;;
SHOW datestyle
;;
SET application_name = 'ünï'
;;
SET application_name TO DEFAULT
;;
SET timezone = 'Europe/Berlin'
;;
SET timezone = 'europe/berlin'
;;
SET TIME ZONE -3
;;
SET TIME ZONE INTERVAL '+02:30' HOUR TO MINUTE
;;
SET TIME ZONE LOCAL
;;
SET datestyle = 'SQL, DMY'; SELECT date '2026-11-23'; SET datestyle = 'ISO, MDY'
;;
SET intervalstyle = 'iso_8601'; SET intervalstyle = 'postgres'
;;
SET standard_conforming_strings = off; SET standard_conforming_strings = on
;;
SET client_encoding = 'LATIN1'
;;
-- escaped
SELECT 'caf\xe9', '\xa4'
;;
SELECT U&'\20ac'
;;
SET client_encoding = 'SQL_ASCII'
;;
-- escaped
SELECT '\xc3\xa9'
;;
SET NAMES 'UTF8'
;;
SELECT 'é'
;;
BEGIN; SET timezone = 'Asia/Tokyo'; SHOW timezone; ROLLBACK; SHOW timezone
;;
BEGIN
;;
SET LOCAL timezone = 'Asia/Tokyo'
;;
SAVEPOINT s; SET LOCAL timezone = 'Asia/Seoul'; ROLLBACK TO s
;;
COMMIT
;;
SET default_transaction_read_only = on
;;
SET default_transaction_read_only = off
;;
SELECT set_config('application_name', 'by function', false), set_config('my.local', 'x', true), current_setting('my.local')
;;
SET SESSION AUTHORIZATION DEFAULT
;;
SET ROLE NONE
;;
SET search_path = "$user", public, "Odd, ""name"""
;;
SHOW search_path
;;
SET search_path = "@schema@"
;;
SET work_mem = '64MB'; SHOW work_mem; RESET work_mem; SHOW work_mem
;;
SELECT name, setting, unit, source FROM pg_settings WHERE name IN ('work_mem', 'application_name', 'timezone') ORDER BY name
;;
SHOW server_encoding
;;
SHOW is_superuser
;;
SHOW integer_datetimes
;;
RESET ALL
;;
SET search_path = "@schema@"; SET timezone = 'UTC'; SET datestyle = 'ISO, MDY'; SET extra_float_digits = 1
;;
SET extra_float_digits = 0; SELECT 0.1::float8 + 0.2; SET extra_float_digits = 3; SELECT 0.1::float8 + 0.2, 1.1::float4
;;
LISTEN corpus_a
;;
LISTEN "corpus B"
;;
NOTIFY corpus_a
;;
NOTIFY corpus_a, 'payload, with "quotes" and ünï'
;;
SELECT pg_notify('corpus B', 'by function'), pg_notify('corpus_a', repeat('x', 7999))
;;
SELECT pg_notify('corpus_a', repeat('x', 8000))
;;
SELECT pg_notify('', 'x')
;;
BEGIN; NOTIFY corpus_a, 'one'; NOTIFY corpus_a, 'one'; NOTIFY corpus_a, 'two'; NOTIFY "corpus B", 'three'; COMMIT
;;
BEGIN; NOTIFY corpus_a, 'never'; ROLLBACK
;;
SELECT * FROM pg_listening_channels() ORDER BY 1
;;
-- extended: corpus_a | from a parameter
SELECT pg_notify($1, $2)
;;
UNLISTEN corpus_a
;;
NOTIFY corpus_a, 'nobody listens'
;;
UNLISTEN *
;;
CREATE TABLE e (id int PRIMARY KEY, v text); INSERT INTO e SELECT g, 'v' || g FROM generate_series(1, 100) g; ANALYZE e
;;
EXPLAIN (COSTS OFF) SELECT * FROM e WHERE id = 5
;;
EXPLAIN (COSTS OFF, VERBOSE) SELECT count(*), v FROM e JOIN e e2 USING (id, v) GROUP BY v ORDER BY 2 LIMIT 3
;;
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF, BUFFERS OFF) SELECT * FROM e WHERE id < 3
;;
EXPLAIN (FORMAT json, COSTS OFF) SELECT * FROM e WHERE id = 5
;;
EXPLAIN (FORMAT xml, COSTS OFF) SELECT 1
;;
EXPLAIN (FORMAT yaml, COSTS OFF) SELECT 1
;;
-- extended: 5
EXPLAIN (COSTS OFF) SELECT * FROM e WHERE id = $1
;;
EXPLAIN (COSTS OFF) INSERT INTO e VALUES (101, 'x') ON CONFLICT DO NOTHING
;;
EXPLAIN (COSTS OFF) CREATE TABLE never AS SELECT 1
;;
EXPLAIN VACUUM
;;
EXPLAIN (NOTHING) SELECT 1
;;
