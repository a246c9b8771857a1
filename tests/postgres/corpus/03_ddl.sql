CREATE TABLE base (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  code varchar(10) NOT NULL UNIQUE,
  amount numeric(12,2) DEFAULT 0 CHECK (amount >= 0),
  tax numeric GENERATED ALWAYS AS (amount * 0.2) STORED,
  born date,
  tags text[] DEFAULT '{}',
  CONSTRAINT two_long CHECK (length(code) >= 2)
)
;;
INSERT INTO base (code, amount, born) VALUES ('aa', 10, '2000-01-01'), ('bb', 20.555, NULL) RETURNING *
;;
INSERT INTO base (id, code) VALUES (7, 'cc')
;;
INSERT INTO base (id, code) OVERRIDING SYSTEM VALUE VALUES (70, 'cc') RETURNING id
;;
INSERT INTO base (code, tax) VALUES ('dd', 1)
;;
CREATE TABLE base (id int)
;;
CREATE TABLE IF NOT EXISTS base (id int)
;;
CREATE TABLE child (
  id serial,
  base_id bigint REFERENCES base ON DELETE CASCADE ON UPDATE CASCADE DEFERRABLE INITIALLY DEFERRED,
  note text COLLATE "C" STORAGE EXTERNAL,
  PRIMARY KEY (id)
)
;;
CREATE TABLE child (id int, x text STORAGE EXTERNAL)
;;
CREATE TABLE child (
  id serial,
  base_id bigint REFERENCES base ON DELETE CASCADE ON UPDATE CASCADE DEFERRABLE INITIALLY DEFERRED,
  note text COLLATE "C",
  PRIMARY KEY (id)
)
;;
INSERT INTO child (base_id, note) VALUES (1, 'first') RETURNING id
;;
INSERT INTO child (base_id, note) VALUES (999, 'orphan')
;;
DELETE FROM base WHERE code = 'aa' RETURNING id, code
;;
SELECT count(*) FROM child
;;
ALTER TABLE base ADD COLUMN extra int DEFAULT 5, ADD COLUMN IF NOT EXISTS born date, ALTER COLUMN amount DROP DEFAULT
;;
ALTER TABLE base ALTER COLUMN extra TYPE text USING 'n' || extra
;;
ALTER TABLE base RENAME COLUMN extra TO "Extra Column"
;;
ALTER TABLE base ALTER COLUMN born SET NOT NULL
;;
UPDATE base SET born = '1999-09-09' WHERE born IS NULL
;;
ALTER TABLE base ALTER COLUMN born SET NOT NULL
;;
ALTER TABLE base DROP COLUMN amount
;;
ALTER TABLE base DROP COLUMN amount CASCADE
;;
TABLE base
;;
ALTER TABLE base ADD CONSTRAINT later CHECK ("Extra Column" <> 'n6') NOT VALID, ADD UNIQUE (born, code)
;;
ALTER TABLE base DROP CONSTRAINT nothing
;;
ALTER TABLE base DROP CONSTRAINT IF EXISTS nothing
;;
ALTER TABLE base RENAME TO renamed
;;
ALTER TABLE renamed SET (fillfactor = 70, autovacuum_enabled = off)
;;
ALTER TABLE renamed ALTER COLUMN code SET STATISTICS 500, ALTER COLUMN code SET STORAGE PLAIN
;;
CREATE INDEX by_born ON renamed USING btree (born DESC NULLS LAST) INCLUDE (code) WHERE born > '1990-01-01'
;;
CREATE UNIQUE INDEX ON renamed (lower(code), born)
;;
CREATE INDEX tags_gin ON renamed USING gin (tags)
;;
CREATE INDEX CONCURRENTLY by_code_hash ON renamed USING hash (code)
;;
CREATE INDEX IF NOT EXISTS by_born ON renamed (born)
;;
SELECT indexdef FROM pg_indexes WHERE tablename = 'renamed' AND schemaname = '@schema@' ORDER BY indexname
;;
REINDEX INDEX by_born
;;
ALTER INDEX by_born RENAME TO by_birth
;;
DROP INDEX by_birth, tags_gin
;;
DROP INDEX CONCURRENTLY by_code_hash
;;
CLUSTER renamed USING renamed_pkey
;;
VACUUM (ANALYZE) renamed
;;
ANALYZE renamed (code)
;;
CREATE STATISTICS both_columns (ndistinct, dependencies) ON born, code FROM renamed
;;
DROP STATISTICS both_columns
;;
CREATE SEQUENCE counter AS smallint START 10 INCREMENT BY -3 MINVALUE -20 MAXVALUE 10 CYCLE CACHE 1
;;
SELECT nextval('counter'), nextval('counter'), currval('counter'), lastval()
;;
SELECT setval('counter', -20), nextval('counter')
;;
ALTER SEQUENCE counter NO CYCLE RESTART WITH -19
;;
SELECT nextval('counter')
;;
SELECT nextval('counter')
;;
DROP SEQUENCE counter
;;
CREATE VIEW seen AS SELECT id, code, upper(code) AS loud FROM renamed WHERE id > 1 WITH CASCADED CHECK OPTION
;;
CREATE OR REPLACE VIEW seen AS SELECT id FROM renamed
;;
INSERT INTO seen (code) VALUES ('zz')
;;
SELECT * FROM seen
;;
SELECT pg_get_viewdef('seen', true)
;;
CREATE MATERIALIZED VIEW kept AS SELECT code, length(code) AS l FROM renamed WITH NO DATA
;;
SELECT * FROM kept
;;
REFRESH MATERIALIZED VIEW kept
;;
SELECT * FROM kept
;;
CREATE UNIQUE INDEX ON kept (code)
;;
REFRESH MATERIALIZED VIEW CONCURRENTLY kept
;;
CREATE RECURSIVE VIEW numbers (n) AS VALUES (1) UNION ALL SELECT n + 1 FROM numbers WHERE n < 5
;;
SELECT sum(n) FROM numbers
;;
DROP TABLE renamed
;;
CREATE TABLE copy_of (LIKE renamed INCLUDING ALL EXCLUDING INDEXES, more int)
;;
SELECT column_name, data_type, is_nullable, column_default, is_generated FROM information_schema.columns WHERE table_schema = '@schema@' AND table_name = 'copy_of' ORDER BY ordinal_position
;;
CREATE TABLE made AS SELECT g AS id, 'r' || g AS name FROM generate_series(1, 3) g
;;
SELECT * INTO made_too FROM made WHERE id < 3
;;
CREATE TABLE made_never AS TABLE made WITH NO DATA
;;
CREATE TEMP TABLE passing (id int) ON COMMIT DELETE ROWS
;;
INSERT INTO passing VALUES (1)
;;
SELECT count(*) FROM passing
;;
CREATE UNLOGGED TABLE quick (id int)
;;
ALTER TABLE quick SET LOGGED
;;
TRUNCATE made RESTART IDENTITY CASCADE
;;
TRUNCATE made, made_too
;;
DROP TABLE made, made_too, made_never, passing, quick
;;
DROP TABLE made
;;
DROP TABLE IF EXISTS made, nothing_else
;;
CREATE SCHEMA "@schema@ two" CREATE TABLE inside (id int) CREATE VIEW over_it AS SELECT * FROM inside
;;
SELECT * FROM "@schema@ two".over_it
;;
ALTER TABLE copy_of SET SCHEMA "@schema@ two"
;;
DROP SCHEMA "@schema@ two"
;;
DROP SCHEMA "@schema@ two" CASCADE
;;
COMMENT ON TABLE renamed IS 'a comment'
;;
COMMENT ON COLUMN renamed.code IS NULL
;;
GRANT SELECT, INSERT (code) ON renamed TO PUBLIC
;;
REVOKE ALL ON renamed FROM PUBLIC
;;
GRANT SELECT ON renamed TO nobody_there
;;
ALTER DEFAULT PRIVILEGES IN SCHEMA "@schema@" GRANT SELECT ON TABLES TO PUBLIC
;;
ALTER DEFAULT PRIVILEGES IN SCHEMA "@schema@" REVOKE SELECT ON TABLES FROM PUBLIC
;;
CREATE TABLE měření (číslo int, "sloupec s mezerou" text, 列 text)
;;
INSERT INTO měření VALUES (1, 'ř', '値') RETURNING *
;;
SELECT * FROM MĚŘENÍ
;;
ALTER TABLE měření RENAME číslo TO "Číslo"
;;
TABLE měření
;;
CREATE TABLE a_name_that_is_longer_than_the_sixty_three_bytes_which_an_identifier_may_have (id int)
;;
CREATE TABLE excluded_ranges (during int4range, EXCLUDE USING gist (during WITH &&))
;;
INSERT INTO excluded_ranges VALUES ('[1,5)'), ('[5,9)')
;;
INSERT INTO excluded_ranges VALUES ('[4,6)')
;;
CREATE TABLE nulls_equal (a int, UNIQUE NULLS NOT DISTINCT (a))
;;
INSERT INTO nulls_equal VALUES (NULL), (NULL)
;;
CREATE ROLE not_allowed
;;
CREATE DATABASE not_allowed_either
;;
CREATE EXTENSION not_there
;;
CREATE TABLE wide (c1 int, c2 int, c3 int, c4 int, c5 int, c6 int, c7 int, c8 int, c9 int, c10 int, c11 int, c12 int, c13 int, c14 int, c15 int, c16 int, c17 int, c18 int, c19 int, c20 int)
;;
INSERT INTO wide (c1, c20) SELECT g, -g FROM generate_series(1, 10) g
;;
SELECT * FROM wide
;;
SELECT w.*, w.* FROM wide w LIMIT 1
;;
LOCK TABLE wide IN ACCESS EXCLUSIVE MODE
;;
BEGIN; LOCK TABLE wide IN SHARE MODE NOWAIT; COMMIT
;;
