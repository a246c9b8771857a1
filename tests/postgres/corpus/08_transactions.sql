CREATE TABLE t (id int PRIMARY KEY, v text)
;;
BEGIN ISOLATION LEVEL REPEATABLE READ READ WRITE NOT DEFERRABLE
;;
SHOW transaction_isolation
;;
INSERT INTO t VALUES (1, 'a')
;;
SAVEPOINT one
;;
INSERT INTO t VALUES (1, 'again')
;;
SELECT 1
;;
ROLLBACK TO SAVEPOINT one
;;
INSERT INTO t VALUES (2, 'b')
;;
SAVEPOINT two
;;
SAVEPOINT two
;;
RELEASE two
;;
RELEASE SAVEPOINT one
;;
ROLLBACK TO two
;;
ROLLBACK
;;
BEGIN; INSERT INTO t VALUES (3, 'c'); SAVEPOINT x; INSERT INTO t VALUES (4, 'd'); ROLLBACK TO x; COMMIT
;;
TABLE t
;;
START TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ ONLY, DEFERRABLE
;;
INSERT INTO t VALUES (5, 'e')
;;
END
;;
BEGIN WORK
;;
INSERT INTO t VALUES (6, 'f')
;;
COMMIT WORK AND CHAIN
;;
INSERT INTO t VALUES (7, 'g')
;;
ABORT AND NO CHAIN
;;
SELECT id FROM t ORDER BY id
;;
BEGIN
;;
INSERT INTO t VALUES (10, 'prepared')
;;
PREPARE TRANSACTION '@schema@ one'
;;
SELECT gid, owner, database = current_database() FROM pg_prepared_xacts WHERE gid LIKE '@schema@%'
;;
SELECT count(*) FROM t WHERE id = 10
;;
COMMIT PREPARED '@schema@ one'
;;
SELECT count(*) FROM t WHERE id = 10
;;
BEGIN; INSERT INTO t VALUES (11, 'not kept'); PREPARE TRANSACTION '@schema@ two'
;;
ROLLBACK PREPARED '@schema@ two'
;;
ROLLBACK PREPARED '@schema@ two'
;;
PREPARE TRANSACTION 'outside'
;;
BEGIN; SELECT 1/0
;;
PREPARE TRANSACTION '@schema@ three'
;;
BEGIN; CREATE TEMP TABLE tt (i int); PREPARE TRANSACTION '@schema@ four'
;;
BEGIN; LISTEN something; PREPARE TRANSACTION '@schema@ five'
;;
ROLLBACK
;;
CREATE TABLE deferred (id int PRIMARY KEY DEFERRABLE INITIALLY DEFERRED, p int REFERENCES t DEFERRABLE)
;;
BEGIN
;;
INSERT INTO deferred VALUES (1, 10), (1, 10)
;;
COMMIT
;;
BEGIN; SET CONSTRAINTS ALL DEFERRED; INSERT INTO deferred VALUES (1, 999)
;;
SET CONSTRAINTS ALL IMMEDIATE
;;
COMMIT
;;
SET default_transaction_read_only = on
;;
DELETE FROM t
;;
SET default_transaction_read_only = off
;;
SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE
;;
BEGIN; SHOW transaction_isolation; COMMIT
;;
RESET default_transaction_isolation
;;
BEGIN; SET LOCAL application_name = 'inside'; SHOW application_name; COMMIT; SHOW application_name
;;
BEGIN; SET application_name = 'rolled back'; ROLLBACK; SHOW application_name
;;
BEGIN; SET TRANSACTION SNAPSHOT 'nonsense'
;;
ROLLBACK
;;
BEGIN; SELECT * FROM t WHERE id = 3 FOR UPDATE; SELECT * FROM t WHERE id = 3 FOR KEY SHARE SKIP LOCKED; COMMIT
;;
SELECT pg_advisory_lock(424242), pg_try_advisory_lock(1, 2), pg_advisory_unlock(424242), pg_advisory_unlock(99)
;;
SELECT pg_advisory_unlock_all()
;;
CREATE PROCEDURE in_pieces() LANGUAGE plpgsql AS $$
BEGIN FOR i IN 20..23 LOOP INSERT INTO t VALUES (i, 'loop'); IF i % 2 = 0 THEN COMMIT; ELSE ROLLBACK; END IF; END LOOP; END $$
;;
CALL in_pieces()
;;
BEGIN; CALL in_pieces()
;;
ROLLBACK
;;
SELECT id FROM t WHERE id >= 20 ORDER BY id
;;
DO $$ BEGIN INSERT INTO t VALUES (30, 'do'); COMMIT; INSERT INTO t VALUES (31, 'do'); ROLLBACK; END $$
;;
SELECT count(*) FROM t WHERE id >= 30
;;
-- messages
Query "BEGIN"
Parse "" "INSERT INTO t VALUES (40, 'x')"
Bind "" ""
Execute ""
Parse "" "SELECT 1/0"
Bind "" ""
Execute ""
Parse "" "SELECT 'skipped'"
Bind "" ""
Execute ""
Sync
Parse "" "SELECT 'in a failed transaction'"
Sync
Query "ROLLBACK"
;;
-- messages
Parse "" "INSERT INTO t VALUES (41, 'implicit')"
Bind "" ""
Execute ""
Parse "" "INSERT INTO t VALUES (41, 'implicit')"
Bind "" ""
Execute ""
Sync
Query "SELECT count(*) FROM t WHERE id = 41"
;;
-- messages
Parse "" "BEGIN"
Bind "" ""
Execute ""
Parse "" "SAVEPOINT s"
Bind "" ""
Execute ""
Sync
Parse "" "ROLLBACK"
Bind "" ""
Execute ""
Sync
;;
