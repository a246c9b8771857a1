CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy', 'x y')
;;
CREATE TABLE person (id int PRIMARY KEY, feels mood NOT NULL DEFAULT 'ok')
;;
INSERT INTO person VALUES (1, 'sad'), (2, DEFAULT), (3, 'x y') RETURNING *
;;
SELECT * FROM person WHERE feels > 'sad' ORDER BY feels DESC
;;
-- extended: happy
SELECT $1::mood, enum_first(NULL::mood), enum_last(NULL::mood)
;;
-- extended text: {sad,"x y"}
SELECT $1::mood[], enum_range('ok'::mood, NULL)
;;
SELECT 'angry'::mood
;;
ALTER TYPE mood ADD VALUE 'calm' BEFORE 'ok'
;;
ALTER TYPE mood ADD VALUE IF NOT EXISTS 'calm'
;;
ALTER TYPE mood RENAME VALUE 'x y' TO 'mixed'
;;
SELECT enum_range(NULL::mood)::text
;;
CREATE TYPE pair AS (a int, b text)
;;
CREATE TYPE nested AS (p pair, many int[], note text)
;;
SELECT ROW(1, 'x')::pair, (ROW(1, 'x')::pair).b, '(2,"quo""te, (and) comma")'::pair, '(,)'::pair
;;
SELECT ROW(ROW(1, 'a')::pair, ARRAY[1,2], NULL)::nested
;;
CREATE TABLE holder (id serial PRIMARY KEY, p pair, n nested, ps pair[])
;;
INSERT INTO holder (p, n, ps) VALUES (ROW(1,'one'), ROW(ROW(2,'two'), '{3}', 'n'), ARRAY[ROW(4,'four')::pair, NULL]) RETURNING id, p, n, ps
;;
SELECT (p).a, (n).p, ((n).p).b, ps[1], holder FROM holder
;;
UPDATE holder SET p.b = 'changed' RETURNING (p).*
;;
ALTER TYPE pair ADD ATTRIBUTE c date
;;
ALTER TYPE pair ADD ATTRIBUTE c date CASCADE
;;
SELECT p, n FROM holder
;;
CREATE DOMAIN positive AS int CHECK (VALUE > 0)
;;
CREATE DOMAIN short AS varchar(3) NOT NULL DEFAULT 'abc'
;;
CREATE DOMAIN email AS text COLLATE "C" CONSTRAINT has_at CHECK (VALUE ~ '@')
;;
-- extended: 5 | ab
SELECT $1::positive, $2::short
;;
SELECT (-1)::positive
;;
SELECT NULL::short
;;
SELECT 'abcd'::short
;;
SELECT 'nobody'::email
;;
SELECT '{1,2}'::positive[]
;;
SELECT '{1,-2}'::positive[]
;;
ALTER DOMAIN email DROP CONSTRAINT has_at
;;
SELECT 'nobody'::email
;;
ALTER DOMAIN positive ADD CONSTRAINT small CHECK (VALUE < 1000) NOT VALID
;;
ALTER DOMAIN positive VALIDATE CONSTRAINT small
;;
SELECT 1001::positive
;;
CREATE TYPE float_range AS RANGE (subtype = float8, subtype_diff = float8mi)
;;
SELECT '[1.5,2.5]'::float_range, float_range(1, 2, '()'), float_multirange(float_range(1, 2), float_range(4, 5)), '{[1,2],[3,4]}'::float_multirange
;;
SELECT '[3,1]'::float_range
;;
CREATE TYPE shell_only
;;
DROP TYPE shell_only
;;
DROP TYPE mood
;;
DROP TYPE pair CASCADE
;;
SELECT * FROM holder
;;
CREATE CAST (positive AS text) WITH INOUT
;;
CREATE FUNCTION mood_number(mood) RETURNS int LANGUAGE sql IMMUTABLE AS $$ SELECT CASE $1 WHEN 'sad' THEN 0 ELSE 1 END $$
;;
CREATE CAST (mood AS int) WITH FUNCTION mood_number(mood) AS ASSIGNMENT
;;
SELECT 'sad'::mood::int, 'happy'::mood::int
;;
CREATE FUNCTION pair_sum(int, int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 + 2 * $2'
;;
CREATE OPERATOR +* (LEFTARG = int, RIGHTARG = int, FUNCTION = pair_sum)
;;
SELECT 3 +* 4
;;
CREATE AGGREGATE weird(int) (SFUNC = pair_sum, STYPE = int, INITCOND = '1')
;;
SELECT weird(g) FROM generate_series(1, 3) g
;;
CREATE COLLATION plain FROM "C"
;;
SELECT 'a' < 'B' COLLATE plain
;;
COMMENT ON TYPE mood IS 'how one feels; "quoted"'
;;
SELECT obj_description('mood'::regtype, 'pg_type')
;;
DROP DOMAIN IF EXISTS nothing
;;
DROP DOMAIN short, email
;;
DROP TYPE IF EXISTS mood CASCADE
;;
SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'person'::regclass AND attnum > 0 AND NOT attisdropped
;;
