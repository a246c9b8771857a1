CREATE TABLE acc (id int PRIMARY KEY, owner text NOT NULL, balance int NOT NULL); CREATE TABLE audit (seq serial, what text)
;;
CREATE FUNCTION add(a int, b int DEFAULT 10) RETURNS int LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE RETURN a + b
;;
SELECT add(1), add(1, 2), add(b => 5, a => 6), add(NULL, 1)
;;
CREATE OR REPLACE FUNCTION add(a int, b int) RETURNS text LANGUAGE sql AS 'SELECT 1::text'
;;
CREATE FUNCTION many(n int, OUT i int, OUT t text) RETURNS SETOF record LANGUAGE sql AS $$ SELECT g, 'x' || g FROM generate_series(1, n) g $$
;;
SELECT * FROM many(3)
;;
SELECT many(2), (many(1)).t
;;
SELECT * FROM many(2) WITH ORDINALITY AS m(a, b, c)
;;
CREATE FUNCTION as_table(lo int, hi int) RETURNS TABLE (n int, square bigint) LANGUAGE plpgsql AS $$
BEGIN RETURN QUERY SELECT g, g::bigint * g FROM generate_series(lo, hi) g; END $$
;;
-- extended: 2 | 4
SELECT * FROM as_table($1::int, $2::int)
;;
CREATE FUNCTION unknown_shape() RETURNS SETOF record LANGUAGE sql AS 'SELECT 1, ''a''::text'
;;
SELECT * FROM unknown_shape() AS u(a int, b text)
;;
SELECT * FROM unknown_shape()
;;
CREATE FUNCTION variadic_sum(VARIADIC n int[]) RETURNS bigint LANGUAGE sql AS 'SELECT sum(x) FROM unnest(n) x'
;;
SELECT variadic_sum(1, 2, 3), variadic_sum(VARIADIC ARRAY[4, 5])
;;
CREATE FUNCTION poly(anyelement, anyarray) RETURNS anyarray LANGUAGE sql AS 'SELECT $1 || $2'
;;
SELECT poly(1, ARRAY[2]), poly('a'::text, ARRAY['b'])
;;
CREATE FUNCTION dynamic(t text) RETURNS bigint LANGUAGE plpgsql AS $$ DECLARE n bigint; BEGIN EXECUTE format('SELECT count(*) FROM %I', t) INTO n; RETURN n; END $$
;;
SELECT dynamic('acc'), dynamic('pg_class') > 100
;;
SELECT dynamic('no table')
;;
CREATE PROCEDURE pay(a int, INOUT total int DEFAULT 0) LANGUAGE plpgsql AS $$ BEGIN INSERT INTO acc VALUES (a, 'o' || a, a * 10); SELECT sum(balance) INTO total FROM acc; END $$
;;
CALL pay(1)
;;
CALL pay(2, NULL)
;;
-- extended: 3 | 0
CALL pay($1::int, $2::int)
;;
CREATE FUNCTION logged() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO audit (what) VALUES (TG_WHEN || ' ' || TG_OP || ' ' || TG_LEVEL || ' ' || TG_NAME || ' ' || coalesce(TG_ARGV[0], '-'));
  IF TG_OP = 'DELETE' THEN RETURN old; END IF;
  RETURN new;
END $$
;;
CREATE TRIGGER before_row BEFORE INSERT OR UPDATE OF balance OR DELETE ON acc FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION logged('x')
;;
CREATE TRIGGER after_statement AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON acc FOR EACH STATEMENT EXECUTE FUNCTION logged()
;;
CREATE CONSTRAINT TRIGGER late AFTER UPDATE ON acc DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION logged('late')
;;
UPDATE acc SET balance = balance + 1 RETURNING *
;;
UPDATE acc SET owner = upper(owner)
;;
DELETE FROM acc WHERE id = 3
;;
TRUNCATE acc
;;
SELECT what FROM audit ORDER BY seq
;;
ALTER TABLE acc DISABLE TRIGGER before_row
;;
DROP TRIGGER late ON acc
;;
CREATE FUNCTION transition() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'changed % rows', (SELECT count(*) FROM after_rows); RETURN NULL; END $$
;;
CREATE TRIGGER with_tables AFTER INSERT ON acc REFERENCING NEW TABLE AS after_rows FOR EACH STATEMENT EXECUTE FUNCTION transition()
;;
INSERT INTO acc SELECT g, 'n' || g, 0 FROM generate_series(1, 4) g
;;
CREATE VIEW open_acc AS SELECT id, owner FROM acc WHERE balance >= 0
;;
UPDATE open_acc SET owner = 'via view' WHERE id = 1 RETURNING *
;;
CREATE VIEW totals AS SELECT owner, count(*) FROM acc GROUP BY owner
;;
INSERT INTO totals VALUES ('x', 1)
;;
CREATE FUNCTION instead() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'instead of %: %', TG_OP, new; RETURN new; END $$
;;
CREATE TRIGGER instead INSTEAD OF INSERT ON totals FOR EACH ROW EXECUTE FUNCTION instead()
;;
INSERT INTO totals VALUES ('x', 1) RETURNING *
;;
CREATE RULE log_update AS ON UPDATE TO acc WHERE old.balance <> new.balance DO ALSO INSERT INTO audit (what) VALUES ('rule ' || old.id)
;;
CREATE RULE never AS ON DELETE TO acc DO INSTEAD NOTHING
;;
UPDATE acc SET balance = 5 WHERE id = 2; DELETE FROM acc; SELECT count(*) FROM acc; SELECT what FROM audit WHERE what LIKE 'rule%'
;;
ALTER TABLE acc ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY
;;
SELECT * FROM acc
;;
INSERT INTO acc VALUES (50, 'me', 0)
;;
CREATE POLICY mine ON acc USING (owner = current_setting('my.owner', true)) WITH CHECK (balance < 100)
;;
SET my.owner = 'n3'
;;
SELECT * FROM acc
;;
UPDATE acc SET balance = 500
;;
UPDATE acc SET balance = 50 RETURNING *
;;
CREATE POLICY never ON acc AS RESTRICTIVE FOR SELECT TO PUBLIC USING (id <> 3)
;;
SELECT * FROM acc
;;
ALTER POLICY never ON acc USING (true)
;;
SET row_security = off
;;
SELECT * FROM acc
;;
SET row_security = on
;;
DROP POLICY mine ON acc
;;
DO $$
DECLARE r record; c CURSOR (k int) FOR SELECT id FROM generate_series(1, k) id; total int := 0;
BEGIN
  FOR r IN c(3) LOOP total := total + r.id; END LOOP;
  FOREACH total IN ARRAY ARRAY[1, 2] LOOP CONTINUE WHEN total = 1; END LOOP;
  <<outer>> WHILE true LOOP EXIT outer; END LOOP;
  RAISE NOTICE 'total %', total;
END $$
;;
DO $outer$ BEGIN EXECUTE $inner$ DO $$ BEGIN RAISE NOTICE 'nested'; END $$ $inner$; END $outer$
;;
CREATE FUNCTION secured() RETURNS text LANGUAGE sql SECURITY DEFINER SET work_mem = '2MB' AS $$ SELECT current_setting('work_mem') $$
;;
SELECT secured(), current_setting('work_mem')
;;
ALTER FUNCTION secured() RESET ALL; ALTER FUNCTION secured() RENAME TO secure; ALTER FUNCTION secure() COST 5 STABLE
;;
SELECT pg_get_functiondef('secure'::regproc)
;;
DROP FUNCTION secure(int)
;;
DROP FUNCTION secure, add(int, int); DROP PROCEDURE pay; DROP ROUTINE many
;;
CREATE EVENT TRIGGER et ON ddl_command_end EXECUTE FUNCTION logged()
;;
CREATE FUNCTION in_c() RETURNS int LANGUAGE c AS 'nothing'
;;
