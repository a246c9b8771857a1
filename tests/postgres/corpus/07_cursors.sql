CREATE TABLE r AS SELECT g AS id, 'row ' || g AS name FROM generate_series(1, 20) g
;;
BEGIN
;;
DECLARE a SCROLL CURSOR FOR SELECT * FROM r ORDER BY id
;;
FETCH a
;;
FETCH 3 FROM a
;;
FETCH FORWARD 2 FROM a
;;
FETCH BACKWARD 3 FROM a
;;
FETCH PRIOR FROM a
;;
FETCH FIRST FROM a
;;
FETCH LAST FROM a
;;
FETCH ABSOLUTE 5 FROM a
;;
FETCH ABSOLUTE -2 FROM a
;;
FETCH RELATIVE -3 FROM a
;;
FETCH RELATIVE 0 FROM a
;;
MOVE 2 IN a
;;
MOVE BACKWARD ALL FROM a
;;
FETCH ALL FROM a
;;
FETCH NEXT FROM a
;;
FETCH 0 FROM a
;;
-- extended:
FETCH BACKWARD 2 FROM a
;;
CLOSE a
;;
FETCH a
;;
ROLLBACK
;;
BEGIN
;;
DECLARE b NO SCROLL CURSOR FOR SELECT id FROM r ORDER BY id
;;
FETCH 2 FROM b
;;
FETCH BACKWARD 1 FROM b
;;
ROLLBACK
;;
BEGIN; DECLARE h CURSOR WITH HOLD FOR SELECT * FROM r WHERE id > 15 ORDER BY id; COMMIT
;;
FETCH 2 FROM h
;;
SELECT name, statement, is_holdable, is_binary, is_scrollable FROM pg_cursors ORDER BY name
;;
FETCH ALL h
;;
CLOSE h
;;
BEGIN
;;
DECLARE bin BINARY CURSOR FOR SELECT id, name, id::numeric / 3, date '2026-01-01' + id FROM r ORDER BY id
;;
FETCH 2 bin
;;
FETCH FORWARD ALL FROM bin
;;
CLOSE ALL
;;
DECLARE u CURSOR FOR SELECT * FROM r WHERE id <= 3 FOR UPDATE
;;
FETCH u
;;
UPDATE r SET name = 'changed' WHERE CURRENT OF u RETURNING *
;;
FETCH u
;;
DELETE FROM r WHERE CURRENT OF u
;;
MOVE FORWARD ALL IN u
;;
DELETE FROM r WHERE CURRENT OF u
;;
COMMIT
;;
DELETE FROM r WHERE CURRENT OF gone
;;
BEGIN
;;
DECLARE ins INSENSITIVE CURSOR FOR SELECT count(*) FROM r
;;
DELETE FROM r WHERE id = 20
;;
FETCH ins
;;
DECLARE ins CURSOR FOR SELECT 1
;;
ROLLBACK
;;
CREATE FUNCTION opened(refcursor) RETURNS refcursor LANGUAGE plpgsql AS $$ BEGIN OPEN $1 FOR SELECT id FROM r ORDER BY id; RETURN $1; END $$
;;
BEGIN
;;
SELECT opened('from_function')
;;
FETCH 3 FROM from_function
;;
COMMIT
;;
FETCH 1 FROM from_function
;;
-- messages
Query "BEGIN"
Parse "p" "SELECT id, name FROM r ORDER BY id"
Bind "portal" "p"
Describe P "portal"
Execute "portal" 2
Execute "portal" 3
Sync
;;
-- messages
Execute "portal" 4
Flush
Execute "portal" 100
Execute "portal" 1
Sync
;;
-- messages
Bind "other" "p" -> 1
Execute "other" 1
Execute "portal" 1
Execute "other" 2
Close P "other"
Execute "other" 1
Sync
;;
-- messages
Query "ROLLBACK"
Execute "portal" 1
Sync
;;
-- messages
Query "BEGIN"
Bind "named" "p"
Execute "named" 1
Query "FETCH 2 FROM named"
Execute "named" 1
Query "COMMIT"
Sync
;;
-- messages
Query "BEGIN"
Query "DECLARE dc CURSOR FOR SELECT id FROM r ORDER BY id"
Describe P "dc"
Execute "dc" 2
Sync
Query "COMMIT"
;;
-- messages
Bind "" "p"
Execute "" 1
Sync
Execute "" 1
Sync
;;
-- messages
Query "BEGIN"
Bind "" "p"
Execute "" 1
Query "SELECT 'destroys the unnamed portal'"
Execute "" 1
Sync
Query "ROLLBACK"
;;
-- messages
Parse "up" "UPDATE r SET name = name WHERE id < 6 RETURNING id"
Query "BEGIN"
Bind "w" "up"
Execute "w" 2
Execute "w" 1
Execute "w" 0
Sync
Query "ROLLBACK"
;;
