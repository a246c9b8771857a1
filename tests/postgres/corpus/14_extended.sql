CREATE TABLE p (id int PRIMARY KEY, v text, n numeric)
;;
PREPARE ins (int, text) AS INSERT INTO p VALUES ($1, $2, $1 * 1.5) RETURNING *
;;
EXECUTE ins(1, 'one')
;;
EXECUTE ins(2, NULL)
;;
EXECUTE ins(1, 'again')
;;
EXECUTE ins(1)
;;
EXECUTE ins('x', 'y')
;;
-- extended text:
EXECUTE ins(4, 'four')
;;
PREPARE ins AS SELECT 1
;;
PREPARE sel AS SELECT * FROM p WHERE id = $1
;;
EXECUTE sel(1)
;;
EXPLAIN (COSTS OFF) EXECUTE sel(1)
;;
CREATE TABLE from_execute AS EXECUTE sel(1)
;;
SELECT name, statement, parameter_types, from_sql FROM pg_prepared_statements ORDER BY name
;;
ALTER TABLE p ADD COLUMN extra int
;;
EXECUTE sel(1)
;;
DEALLOCATE PREPARE ins
;;
DEALLOCATE ALL
;;
-- messages
Parse "s" "SELECT id, v FROM p WHERE id = $1"
Describe S "s"
Bind "" "s" t:1
Execute ""
Bind "" "s" b:00000002 -> 1
Execute ""
Bind "" "s" null -> 0 1
Execute ""
Sync
;;
-- messages
Parse "s" "SELECT 'already there'"
Sync
;;
-- messages
Bind "" "s" t:1
Execute ""
Bind "" "s" t:2
Execute ""
Bind "" "s" t:3
Execute ""
Bind "" "s" t:4
Execute ""
Bind "" "s" t:5
Execute ""
Bind "" "s" t:6
Execute ""
Bind "" "s" t:7
Execute ""
Sync
;;
-- messages
Parse "" "SELECT $1::int + $2::int" 23 23
Bind "" "" b:00000001 t:41 -> 0
Describe P ""
Execute ""
Bind "" "" t:1 t:2 -> 1
Describe P ""
Execute ""
Sync
;;
-- messages
Parse "" "SELECT $1, $2" 25 0
Describe S ""
Sync
;;
-- messages
Parse "" "SELECT $1 = ANY($2)" 23 1007
Bind "" "" t:2 t:{1,2,3} -> 1
Execute ""
Bind "" "" b:00000002 b:0000000100000000000000170000000200000001000000040000000200000004000000020000 -> 1
Execute ""
Sync
;;
-- messages
Parse "u" "UPDATE p SET v = $2 WHERE id = $1"
Describe S "u"
Bind "" "u" t:1 t:changed
Describe P ""
Execute ""
Sync
;;
-- messages
Parse "" ""
Bind "" ""
Describe P ""
Execute ""
Sync
;;
-- messages
Parse "" "SELECT 1"
Bind "" ""
Execute ""
Sync
Parse "" "SELEC"
Bind "" ""
Execute ""
Sync
Parse "" "SELECT 3"
Bind "" ""
Execute ""
Sync
;;
-- messages
Parse "bad" "SELECT $1::int"
Bind "" "bad" t:notanumber
Execute ""
Close S "bad"
Sync
Bind "" "bad" t:7
Execute ""
Sync
;;
-- messages
Close S "never existed"
Close P "never existed"
Close S "bad"
Sync
Bind "" "bad" t:7
Sync
;;
-- messages
Describe S "no such"
Sync
Describe P "no such"
Sync
Execute "no such"
Sync
;;
-- messages
Parse "r" "SELECT * FROM p ORDER BY id"
Describe S "r"
Sync
Query "ALTER TABLE p DROP COLUMN extra"
Bind "" "r"
Execute ""
Sync
Describe S "r"
Sync
;;
-- messages
Sync
Sync
Sync
;;
-- messages
Flush
Parse "" "SELECT 1"
Flush
Bind "" ""
Flush
Describe P ""
Flush
Execute ""
Flush
Sync
;;
-- messages
Query "SELECT 1"
Query "SELECT 2; SELECT 1/0; SELECT 3"
Parse "" "SELECT 4"
Bind "" ""
Execute ""
Sync
Query ""
;;
-- messages
Bind "" "s" t:1 t:2
Sync
Bind "" "s"
Sync
Bind "" "s" b:01
Execute ""
Sync
Bind "" "s" t:1 -> 0 0 0
Sync
Bind "" "s" t:1 -> 7
Execute ""
Sync
;;
-- messages
Parse "t1" "BEGIN"
Parse "t2" "INSERT INTO p (id, v) VALUES ($1, $2) RETURNING id"
Parse "t3" "COMMIT"
Bind "" "t1"
Execute ""
Bind "" "t2" t:100 t:a
Execute ""
Bind "" "t2" t:101 t:b
Execute ""
Bind "" "t3"
Execute ""
Sync
;;
-- messages
Parse "multi" "INSERT INTO p (id) VALUES ($1); SELECT 1"
Sync
;;
-- messages
Query "BEGIN"
Parse "in_aborted" "SELECT 1"
Sync
Query "SELECT 1/0"
Parse "x" "SELECT 2"
Sync
Bind "" "in_aborted"
Sync
Parse "rb" "ROLLBACK"
Bind "" "rb"
Execute ""
Sync
Bind "" "in_aborted"
Execute ""
Sync
;;
-- messages
Query "DEALLOCATE ALL"
Bind "" "s" t:1
Sync
Parse "s" "SELECT 'a new one'"
Bind "" "s"
Execute ""
Sync
;;
