-- escaped
SELECT 'before\x00after'
;;
-- escaped
SELECT 'broken \xff\xfe utf8'
;;
-- escaped
SELECT 'half \xe4\xb8'
;;
-- extended: a\x00b
-- escaped
SELECT $1::text
;;
-- extended: \xff\xfe
-- escaped
SELECT $1::text
;;
-- extended: \x00\x01
-- escaped
SELECT length($1::bytea)
;;
SELECT E'\x00'
;;
SELECT E'\xff'
;;
SELECT chr(0)
;;
SELECT convert_from('\xff', 'UTF8')
;;
SELECT convert_to('é', 'LATIN1'), convert('\xe9', 'LATIN1', 'UTF8'), convert_from('\x80', 'WIN1252')
;;
SELECT 'ﷺ', '👩‍👩‍👧‍👦', 'é' = 'é', length('👩‍👩‍👧‍👦'), normalize('é', NFC) = 'é', upper('straße')
;;
SELECT '‮right to left', 'zero​width', '﻿bom', E'\u0001\u001f\u007f'
;;
CREATE TABLE "SELECT" ("from" int, "ta ble" text, """q""" int, "ネコ" text); INSERT INTO "SELECT" VALUES (1, 'x', 2, '猫') RETURNING *
;;
SELECT "from" AS "select", "SELECT"."ネコ" AS "$1", """q""" AS "a.b" FROM "SELECT"
;;
SELECT U&"\0041"."from" FROM "SELECT" U&"\0041"
;;
SELECT a$b, _c FROM (SELECT 1 AS a$b, 2 AS _c) s
;;
SELECT length($q$ ' " \ ; -- /* $$ $q$), $$$$, $ü$ok$ü$
;;
SELECT /* nested /* comment */ still */ 1 -- end
;;
SELECT 1 -- a comment at the end without a new line
;;
SELECT
  1	AS
  "multi
line"
;;
SELECT ((((((((((((((((((((((((((((((((((((((((1))))))))))))))))))))))))))))))))))))))))
;;
SELECT 1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1
;;
SELECT repeat('wide ', 200000)
;;
-- extended:
SELECT g, repeat(chr(65 + g % 26), g * 37) FROM generate_series(1, 300) g
;;
SELECT array_agg(g) FROM generate_series(1, 20000) g
;;
DO $$ BEGIN EXECUTE 'CREATE TABLE very_wide (' || (SELECT string_agg('column_number_' || g || ' int', ', ') FROM generate_series(1, 1600) g) || ')'; END $$
;;
SELECT * FROM very_wide
;;
INSERT INTO very_wide (column_number_1, column_number_1600) VALUES (1, 2)
;;
-- extended:
SELECT * FROM very_wide
;;
DO $$ BEGIN EXECUTE 'SELECT ' || (SELECT string_agg(g::text, ',') FROM generate_series(1, 1665) g); END $$
;;
DO $$ BEGIN RAISE EXCEPTION '%', repeat('long error ', 10000); END $$
;;
SELECT 99999999999999999999999999999999999999999999999999.99999999999999999999, 1e131071 > 0, .5, 5., 1e-5, 0x10
;;
SELECT -9223372036854775808, 2147483648, 9223372036854775808
;;
SELECT 'a' 'b'
;;
SELECT 'a'
'b'
;;
SELECT N'national', X'ff'::int, '\'
;;
SELECT * FROM (VALUES ('a'), ('B'), ('á'), ('_'), ('')) v(s) ORDER BY s
;;
SELECT DISTINCT ON (a % 3) a FROM generate_series(10, 1, -1) a ORDER BY a % 3, a
;;
SELECT FROM (SELECT) s
;;
SELECT NULL::int[], '{NULL}'::text[], '{"NULL"}'::text[], ARRAY[NULL]::int[], array_length('{}'::int[], 1)
;;
SELECT current_user = session_user, current_schema, current_database() = current_catalog, pg_backend_pid() > 0, inet_client_addr() IS NULL
;;
SELECT now() = statement_timestamp(), clock_timestamp() > '2020-01-01', txid_current() > 0
;;
