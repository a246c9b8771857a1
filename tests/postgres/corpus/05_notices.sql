DO $$ BEGIN
  RAISE DEBUG 'a debug message'; RAISE LOG 'a log message'; RAISE INFO 'an info message';
  RAISE NOTICE 'a notice'; RAISE WARNING 'a warning';
END $$
;;
SET client_min_messages = debug1
;;
DO $$ BEGIN RAISE DEBUG 'now it is seen'; RAISE LOG 'this too'; END $$
;;
SET client_min_messages = error
;;
DO $$ BEGIN RAISE WARNING 'not seen'; RAISE INFO 'always seen'; END $$
;;
RESET client_min_messages
;;
SET client_min_messages = notice
;;
DO $$ BEGIN RAISE NOTICE 'percent %% and %, %', 1, NULL USING HINT = 'hint', DETAIL = 'detail', ERRCODE = '01ABC'; END $$
;;
DO $$ BEGIN FOR i IN 1..50 LOOP RAISE NOTICE 'number %', i; END LOOP; END $$
;;
DO $$ BEGIN RAISE NOTICE '%', repeat('long ', 4000); END $$
;;
DO $$ BEGIN RAISE NOTICE 'ünï 世界 🎈'; END $$
;;
DROP TABLE IF EXISTS never_there
;;
DROP FUNCTION IF EXISTS never_there(int, text)
;;
DROP TRIGGER IF EXISTS t ON never_there
;;
DROP SCHEMA IF EXISTS "never there" CASCADE
;;
BEGIN
;;
BEGIN
;;
COMMIT
;;
COMMIT
;;
ROLLBACK
;;
START TRANSACTION; COMMIT AND CHAIN; ROLLBACK
;;
COMMIT AND CHAIN
;;
SET LOCAL work_mem = '1MB'
;;
SET TRANSACTION READ ONLY
;;
LOCK TABLE pg_class
;;
CREATE TABLE n (id int PRIMARY KEY)
;;
CREATE TABLE IF NOT EXISTS n (id int)
;;
ALTER TABLE n ADD COLUMN IF NOT EXISTS id int
;;
CREATE TABLE parent_a (x int); CREATE TABLE parent_b (x int)
;;
CREATE TABLE from_both (x int) INHERITS (parent_a, parent_b)
;;
CREATE FUNCTION noisy() RETURNS SETOF int LANGUAGE plpgsql AS $$
BEGIN FOR i IN 1..3 LOOP RAISE NOTICE 'row %', i; RETURN NEXT i; END LOOP; END $$
;;
SELECT * FROM noisy()
;;
-- extended:
SELECT noisy()
;;
CREATE FUNCTION per_row(i int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'seen %', i; RETURN i; END $$
;;
SELECT per_row(g) FROM generate_series(1, 20) g
;;
-- extended: 5
SELECT per_row(g) FROM generate_series(1, $1::int) g
;;
SELECT per_row(1); SELECT per_row(2); DO $$ BEGIN RAISE WARNING 'third'; END $$; SELECT per_row(4)
;;
DO $$ BEGIN RAISE NOTICE 'before the error'; PERFORM 1/0; END $$
;;
DO $$ BEGIN BEGIN PERFORM 1/0; EXCEPTION WHEN division_by_zero THEN RAISE NOTICE 'caught % %', SQLSTATE, SQLERRM; END; END $$
;;
DO $$ DECLARE a text; b text; BEGIN PERFORM 'x'::int; EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS a = RETURNED_SQLSTATE, b = MESSAGE_TEXT; RAISE NOTICE '% %', a, b; END $$
;;
DO $$ DECLARE n int; BEGIN INSERT INTO n SELECT generate_series(1, 7); GET DIAGNOSTICS n = ROW_COUNT; RAISE NOTICE 'rows %', n; END $$
;;
TRUNCATE n; VACUUM
;;
SET escape_string_warning = on
;;
SET standard_conforming_strings = off
;;
SELECT 'a\\b', 'tab\t'
;;
SET standard_conforming_strings = on
;;
SELECT 'a\\b'
;;
SELECT xmlparse(document '<a/>')
;;
CREATE INDEX h ON n USING hash (id)
;;
ANALYZE n
;;
DROP TABLE parent_a CASCADE
;;
UNLISTEN nothing
;;
CREATE VIEW v AS SELECT * FROM n
;;
CREATE OR REPLACE TEMP VIEW v2 AS SELECT * FROM v
;;
DROP VIEW v CASCADE
;;
GRANT SELECT ON n TO PUBLIC; GRANT SELECT ON pg_class TO PUBLIC
;;
REVOKE SELECT ON pg_class FROM PUBLIC
;;
SET client_min_messages = warning; DROP TABLE IF EXISTS silent; SET client_min_messages = notice
;;
COMMENT ON TABLE n IS 'x'
;;
SELECT E'\\' LIKE '\\'
;;
