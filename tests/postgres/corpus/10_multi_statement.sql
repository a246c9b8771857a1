SELECT 1; SELECT 'two', 2; SELECT
;;
SELECT 1;;; ; SELECT 2;
;;
;
;;

;;
-- only a comment
;;
/* a comment */ ; -- another
;;
CREATE TABLE m (id int PRIMARY KEY); INSERT INTO m VALUES (1), (2); SELECT * FROM m; DROP TABLE m
;;
CREATE TABLE m (id int PRIMARY KEY)
;;
INSERT INTO m VALUES (1); INSERT INTO m VALUES (1); INSERT INTO m VALUES (2)
;;
TABLE m
;;
INSERT INTO m VALUES (1); SELEC; INSERT INTO m VALUES (2)
;;
TABLE m
;;
INSERT INTO m VALUES (1); SELECT nothing FROM m; INSERT INTO m VALUES (2)
;;
TABLE m
;;
INSERT INTO m VALUES (3); COMMIT; INSERT INTO m VALUES (3); INSERT INTO m VALUES (4)
;;
TABLE m
;;
INSERT INTO m VALUES (5); BEGIN; INSERT INTO m VALUES (6); COMMIT; INSERT INTO m VALUES (7); SELECT 1/0
;;
TABLE m
;;
BEGIN; INSERT INTO m VALUES (8); ROLLBACK; INSERT INTO m VALUES (9)
;;
TABLE m
;;
BEGIN; SELECT 1; SELECT 1/0; COMMIT
;;
COMMIT
;;
SET application_name = 'a'; SET application_name = 'b'; SELECT 1/0; SET application_name = 'c'
;;
SHOW application_name
;;
SELECT g FROM generate_series(1, 3) g; VALUES (1, 2), (3, 4); TABLE m; SHOW search_path; EXPLAIN (COSTS OFF) SELECT 1; DO $$ BEGIN RAISE NOTICE 'in between'; END $$; DELETE FROM m; SELECT count(*) FROM m
;;
PREPARE x AS SELECT $1::int; EXECUTE x(1); EXECUTE x(2); DEALLOCATE x
;;
SELECT ';', ';' AS "a;b" /* ; */ -- ;
; SELECT $$;$$, $a$;$$;$a$, E'\';'
;;
CREATE RULE two AS ON DELETE TO m DO ALSO SELECT 'a rule was here', old.id
;;
INSERT INTO m VALUES (1), (2) RETURNING *; DELETE FROM m WHERE id = 1; DROP RULE two ON m
;;
SELECT 1 AS a; SELECT 1::int8 AS a; SELECT '1' AS a; SELECT 1.0 AS a; SELECT ARRAY[1] AS a
;;
LISTEN here; NOTIFY here, 'from one string'; UNLISTEN here
;;
VACUUM; SELECT 1
;;
SELECT 1 \; SELECT 2
;;
DISCARD ALL
;;
SET search_path = "@schema@"
;;
BEGIN; DISCARD ALL
;;
ROLLBACK; DISCARD PLANS; DISCARD SEQUENCES; DISCARD TEMP
;;
