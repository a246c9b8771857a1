CREATE TABLE item (id int PRIMARY KEY, name varchar(5) NOT NULL CHECK (name <> 'bad'), other int REFERENCES item, at date)
;;
INSERT INTO item VALUES (1, 'one', NULL, NULL)
;;
SELEC 1
;;
SELECT 1 FROM
;;
SELECT 'open
;;
SELECT "open
;;
SELECT $$open
;;
SELECT /* open 1
;;
SELECT 1 +* 2
;;
SELECT U&'\zzzz'
;;
SELECT E'\u12'
;;
SELECT B'12'
;;
SELECT * FROM nothing_here
;;
SELECT nothing_here FROM item
;;
SELECT item.nothing_here FROM item
;;
SELECT i.id FROM item
;;
SELECT id FROM item a, item b
;;
SELECT nothing_here(1)
;;
SELECT 1::nothing_here
;;
SELECT nothing.here.at.all(1)
;;
SELECT * FROM no_schema.item
;;
SELECT * FROM other_db.public.item
;;
SELECT sum(id), name FROM item
;;
SELECT sum(sum(id)) FROM item
;;
SELECT id FROM item WHERE sum(id) > 1
;;
SELECT row_number() FROM item
;;
SELECT 1 UNION SELECT 1, 2
;;
SELECT 1 UNION SELECT 'x'::date
;;
SELECT 1 = 'x'::text
;;
SELECT date '2026-01-01' + date '2026-01-02'
;;
SELECT 'x'::int
;;
SELECT '99999999999'::int
;;
SELECT 9223372036854775807 + 1
;;
SELECT 1/0
;;
SELECT mod(5, 0), 1
;;
SELECT 1.0 / 0
;;
SELECT 1e308::float8 * 10
;;
SELECT sqrt(-1)
;;
SELECT ln(0)
;;
SELECT power(-8, 0.5)
;;
SELECT factorial(-1)
;;
SELECT 'maybe'::bool
;;
SELECT '2026-02-30'::date
;;
SELECT '2026-13-01'::timestamp
;;
SELECT '25:00'::time
;;
SELECT '300000-01-01'::timestamp
;;
SELECT '1 foo'::interval
;;
SELECT '2026-01-01 00:00 Mars/Olympus'::timestamptz
;;
SELECT timestamptz '2026-01-01' AT TIME ZONE 'Mars/Olympus'
;;
SELECT to_date('nonsense', 'YYYY-MM-DD')
;;
SELECT to_number('abc', '999')
;;
SELECT 'xyz'::uuid
;;
SELECT '999.0.0.1'::inet
;;
SELECT '10.0.0.1/8'::cidr
;;
SELECT '{"a":'::json
;;
SELECT '{"a":1}'::jsonb -> 'a' ->> 0, jsonb_set('1', '{a}', '2')
;;
SELECT jsonb_path_query('{}', 'strict $.a')
;;
SELECT '$.a['::jsonpath
;;
SELECT '<a><b></a>'::xml
;;
SELECT '{1,2'::int[]
;;
SELECT '{{1},{2,3}}'::int[]
;;
SELECT (ARRAY[1,2])[1][2], ARRAY[1,2] || ARRAY[[1]]
;;
SELECT array_fill(1, ARRAY[-1])
;;
SELECT '[5,1)'::int4range
;;
SELECT '\xzz'::bytea
;;
SELECT decode('***', 'base64')
;;
SELECT encode('\x00', 'rot13')
;;
SELECT '101'::bit(2)
;;
SELECT 1234.5::numeric(3,1)
;;
SELECT 'abcdef'::varchar(5), 'abcdef'::char(3)
;;
INSERT INTO item VALUES (2, 'toolong', NULL, NULL)
;;
INSERT INTO item VALUES (1, 'dup', NULL, NULL)
;;
INSERT INTO item VALUES (2, NULL, NULL, NULL)
;;
INSERT INTO item VALUES (2, 'bad', NULL, NULL)
;;
INSERT INTO item VALUES (2, 'two', 77, NULL)
;;
INSERT INTO item VALUES (2, 'two', NULL)
;;
INSERT INTO item VALUES (2, 'two', NULL, NULL, 5)
;;
INSERT INTO item (id, id) VALUES (2, 2)
;;
INSERT INTO item (id, name) SELECT 2
;;
UPDATE item SET id = 1, id = 2
;;
UPDATE item SET name = DEFAULT
;;
DELETE FROM item WHERE nope = 1
;;
INSERT INTO item VALUES (3, 'c', NULL, NULL), (3, 'c', NULL, NULL) ON CONFLICT (id) DO UPDATE SET name = excluded.name
;;
INSERT INTO item VALUES (3, 'c', NULL, NULL) ON CONFLICT (name) DO NOTHING
;;
SELECT (SELECT id FROM (VALUES (1), (2)) v(id))
;;
SELECT (SELECT 1, 2)
;;
SELECT generate_series(1, 3) FROM item WHERE generate_series(1, 3) > 1
;;
SELECT * FROM generate_series(1, 5, 0)
;;
SELECT substring('abc' FROM 1 FOR -1)
;;
SELECT chr(-1)
;;
SELECT repeat('x', 2000000000)
;;
SELECT lpad('x', 2000000000)
;;
SELECT 'a' ~ '('
;;
SELECT 'a' LIKE 'a\'
;;
SELECT regexp_replace('a', '(a)', '\2'), regexp_matches('a', '[')
;;
SELECT 'a' COLLATE "no such collation"
;;
SELECT ('a' COLLATE "C") < ('b' COLLATE "POSIX")
;;
SELECT current_setting('no.such')
;;
SET no_such_setting = 1
;;
SET work_mem = 'lots'
;;
SET work_mem = -5
;;
SET shared_buffers = 100
;;
SET max_connections = 100
;;
SET timezone = 'Nowhere'
;;
SET client_encoding = 'nonsense'
;;
SET ROLE nobody_there
;;
SET SESSION AUTHORIZATION postgres
;;
COPY item FROM '/etc/hostname'
;;
COPY item TO PROGRAM 'true'
;;
SELECT pg_read_file('x')
;;
SELECT * FROM pg_authid
;;
UPDATE pg_class SET relname = 'x'
;;
CREATE TABLE pg_catalog.mine (id int)
;;
ALTER SYSTEM SET work_mem = '1MB'
;;
CHECKPOINT
;;
FETCH FROM no_cursor
;;
CLOSE no_cursor
;;
EXECUTE no_statement
;;
DEALLOCATE no_statement
;;
COMMIT PREPARED 'not there'
;;
SAVEPOINT outside
;;
DECLARE outside CURSOR FOR SELECT 1
;;
SELECT nextval('no_sequence')
;;
SELECT currval('item')
;;
ROLLBACK TO nowhere
;;
BEGIN
;;
SELECT 1/0
;;
SELECT 1
;;
SAVEPOINT s
;;
COMMIT
;;
BEGIN; SELECT 1/0; SELECT 2
;;
ROLLBACK
;;
BEGIN READ ONLY
;;
INSERT INTO item VALUES (9, 'nine', NULL, NULL)
;;
ROLLBACK
;;
BEGIN
;;
SELECT 1
;;
SET TRANSACTION ISOLATION LEVEL SERIALIZABLE
;;
VACUUM
;;
ROLLBACK
;;
CREATE DATABASE x
;;
SET statement_timeout = 20
;;
SELECT pg_sleep(10)
;;
RESET statement_timeout
;;
SET lock_timeout = 'x'
;;
DO $$ BEGIN RAISE EXCEPTION 'mine %', 1 USING ERRCODE = 'XY123', DETAIL = 'the detail', HINT = 'the hint', COLUMN = 'col', CONSTRAINT = 'con', DATATYPE = 'typ', TABLE = 'tab', SCHEMA = 'sch'; END $$
;;
DO $$ BEGIN RAISE division_by_zero; END $$
;;
DO $$ BEGIN RAISE SQLSTATE '22012' USING MESSAGE = 'a message of two
lines'; END $$
;;
DO $$ BEGIN ASSERT 1 = 2, 'not equal'; END $$
;;
DO $$ DECLARE x int; BEGIN SELECT id INTO STRICT x FROM item WHERE id = 99; END $$
;;
DO $$ DECLARE x int; BEGIN SELECT g INTO STRICT x FROM generate_series(1, 2) g; END $$
;;
DO $$ BEGIN RETURN 1; END $$
;;
DO $$ BEGIN CASE 1 WHEN 2 THEN NULL; END CASE; END $$
;;
DO $$ DECLARE x int NOT NULL := 1; BEGIN x := NULL; END $$
;;
DO LANGUAGE nothing $$ $$
;;
CREATE FUNCTION broken() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN 1 END $$
;;
CREATE FUNCTION broken() RETURNS int LANGUAGE sql AS 'SELECT nothing'
;;
CREATE FUNCTION deep() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN 1/0; END $$
;;
CREATE FUNCTION deeper() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN deep() + 1; END $$
;;
SELECT deeper()
;;
CREATE FUNCTION no_return() RETURNS int LANGUAGE plpgsql AS $$ BEGIN END $$
;;
SELECT no_return()
;;
SELECT count(*) FROM item HAVING 1
;;
SELECT id FROM item LIMIT -1
;;
SELECT id FROM item ORDER BY 3
;;
SELECT DISTINCT ON (name) id FROM item ORDER BY id
;;
SELECT id FROM item FOR UPDATE OF nobody
;;
SELECT count(*) FROM item FOR UPDATE
;;
WITH a AS (SELECT 1), a AS (SELECT 2) SELECT 1
;;
WITH RECURSIVE a AS (SELECT 1 UNION ALL SELECT count(*) FROM a) SELECT 1
;;
SELECT first_value(id) OVER w FROM item
;;
SELECT count(DISTINCT id) OVER () FROM item
;;
SELECT $1
;;
SELECT $0
;;
-- extended: 1
SELECT $1 + $2
;;
-- extended: x
SELECT $1::int
;;
-- extended: 1
SELECT 1
;;
-- extended: 0
SELECT 1 / $1::int
;;
-- extended:
SELECT 1; SELECT 2
;;
-- extended:
SELEC
;;
-- extended: 5
SELECT id FROM item WHERE name = $1::int
;;
TABLE item
;;
CREATE TABLE no_such_schema.t (id int)
;;
DROP SCHEMA no_such_schema
;;
ALTER DATABASE no_such_database SET work_mem = '1MB'
;;
GRANT CREATE ON item TO PUBLIC
;;
CREATE VIEW narrow AS SELECT * FROM item WHERE id < 10 WITH CHECK OPTION
;;
INSERT INTO narrow VALUES (50, 'no', NULL, NULL)
;;
CREATE FUNCTION commits() RETURNS void LANGUAGE plpgsql AS $$ BEGIN COMMIT; END $$
;;
SELECT commits()
;;
CREATE FUNCTION not_a_trigger() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$
;;
SELECT not_a_trigger()
;;
CREATE FUNCTION no_row() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN END $$
;;
CREATE TRIGGER no_row BEFORE INSERT ON item FOR EACH ROW EXECUTE FUNCTION no_row()
;;
INSERT INTO item VALUES (8, 'eight', NULL, NULL)
;;
DROP TRIGGER no_row ON item
;;
DO $$ BEGIN RAISE serialization_failure; END $$
;;
DO $$ BEGIN RAISE SQLSTATE '40P01' USING MESSAGE = 'deadlock detected'; END $$
;;
DO $$ BEGIN RAISE SQLSTATE '28P01' USING MESSAGE = 'looks like a failed login'; END $$
;;
DO $$ BEGIN RAISE SQLSTATE '57P03' USING MESSAGE = 'looks like a server that starts'; END $$
;;
DO $$ BEGIN RAISE SQLSTATE '53300' USING MESSAGE = 'looks like too many connections'; END $$
;;
CREATE FUNCTION locked() RETURNS void LANGUAGE sql AS 'ALTER TABLE item ADD z int'
;;
SELECT locked(), id FROM item
;;
EXECUTE no_statement(1, 2)
;;
RELEASE SAVEPOINT nowhere
;;
