CREATE TABLE c (id int, name text, at date, amount numeric, raw bytea)
;;
-- copy:
1	Ada	2026-01-01	1.50	\\x0001
2	\N	\N	\N	\N
3	tab\there	infinity	NaN	\\x
4	back\\slash\nline	2026-12-31	-0.0	\\xff
5		2026-12-31	0	\\x00
\.
-- end
COPY c FROM STDIN
;;
COPY c TO STDOUT
;;
-- extended:
COPY c TO STDOUT
;;
COPY c (name, id) TO STDOUT WITH (DELIMITER '|', NULL 'none')
;;
COPY (SELECT id, upper(name) FROM c WHERE id < 4 ORDER BY id DESC) TO STDOUT WITH (HEADER)
;;
COPY c TO STDOUT WITH (FORMAT csv)
;;
COPY c TO STDOUT WITH (FORMAT csv, HEADER, QUOTE '''', ESCAPE '\', DELIMITER ';', NULL 'NULL', FORCE_QUOTE *)
;;
COPY c TO STDOUT (FORMAT csv, FORCE_QUOTE (id), ENCODING 'LATIN1')
;;
COPY c TO STDOUT WITH BINARY
;;
COPY c (id, amount) TO STDOUT (FORMAT binary)
;;
COPY c TO STDOUT CSV HEADER
;;
COPY c TO STDOUT DELIMITERS ','
;;
TRUNCATE c
;;
-- copy 1:
10	one byte at a time	2026-01-01	1	\N
11	second	\N	2	\N
-- end
COPY c FROM STDIN
;;
-- copy 7:
12,"quoted, with ""quotes"" and
a newline",2026-01-01,3,
13,,,,
14,"",2026-01-02,"4.5",\x00ff
-- end
COPY c FROM STDIN WITH (FORMAT csv)
;;
-- copy:
id;name;at;amount;raw
15;'it\'s';NULL;7;NULL
-- end
COPY c FROM STDIN WITH (FORMAT csv, HEADER, DELIMITER ';', QUOTE '''', ESCAPE '\', NULL 'NULL')
;;
-- copy:
id,name,at,amount,raw
16,x,,8,
-- end
COPY c FROM STDIN WITH (FORMAT csv, HEADER MATCH)
;;
-- copy:
id,wrong,at,amount,raw
16,x,,8,
-- end
COPY c FROM STDIN WITH (FORMAT csv, HEADER MATCH)
;;
-- copy:
17,"",""
-- end
COPY c (id, name, at) FROM STDIN WITH (FORMAT csv, FORCE_NULL (at), FORCE_NOT_NULL (name))
;;
-- copy:
20	kept
30	left out
-- end
COPY c (id, name) FROM STDIN WHERE id < 25
;;
-- extended:
-- copy:
40	by the extended protocol
-- end
COPY c (id, name) FROM STDIN
;;
-- extended: 1
COPY c (id, name) FROM STDIN
;;
SELECT * FROM c ORDER BY id, name
;;
-- copy:
-- end
COPY c FROM STDIN
;;
-- copy fail: the client changed its mind
COPY c FROM STDIN
;;
-- copy:
50	too few
-- end
COPY c FROM STDIN
;;
-- copy:
50	too	many	1	2	3	4
-- end
COPY c FROM STDIN
;;
-- copy:
50	fine	\N	\N	\N
fifty	not a number	\N	\N	\N
51	never read	\N	\N	\N
-- end
COPY c FROM STDIN
;;
-- copy 5:
60	a	\N	\N	\N
\.
61	after the end	\N	\N	\N
-- end
COPY c FROM STDIN
;;
-- copy:
70,"never closed
-- end
COPY c (id, name) FROM STDIN CSV
;;
-- copy escaped:
80\x09bad \xff utf8\x0a
-- end
COPY c (id, name) FROM STDIN
;;
-- copy escaped:
80\x09nul \x00 byte\x0a
-- end
COPY c (id, name) FROM STDIN
;;
-- copy escaped:
81\x09latin \xe9\x0d\x0a82\x09crlf\x0d\x0a
-- end
COPY c (id, name) FROM STDIN (ENCODING 'LATIN1')
;;
-- copy escaped:
83\x09octal \101 hex \x5cx41 \x5ct\x0a
-- end
COPY c (id, name) FROM STDIN
;;
-- copy hex:
5047434f50590aff0d0a00 00000000 00000000
0002 00000004 0000005a 00000003 616263
0002 00000004 0000005b ffffffff
ffff
-- end
COPY c (id, name) FROM STDIN (FORMAT binary)
;;
-- copy hex:
5047434f50590aff0d0a01 00000000 00000000
-- end
COPY c (id, name) FROM STDIN (FORMAT binary)
;;
-- copy hex:
5047434f50590aff0d0a00 00000000 00000000
0003 00000004 0000005a
-- end
COPY c (id, name) FROM STDIN (FORMAT binary)
;;
-- copy hex:
5047434f50590aff0d0a00 00000000 00000000
0002 00000005 000000005a 00000003 616263
ffff
-- end
COPY c (id, name) FROM STDIN (FORMAT binary)
;;
SELECT id, name, encode(name::bytea, 'hex') FROM c WHERE id > 40 ORDER BY id
;;
COPY c (nothing) FROM STDIN
;;
COPY nothing FROM STDIN
;;
COPY c FROM STDIN (FORMAT xml)
;;
COPY c TO STDOUT (FORMAT binary, DELIMITER ',')
;;
COPY c TO STDOUT (DELIMITER 'ab')
;;
COPY (DELETE FROM c WHERE id = 10) TO STDOUT
;;
COPY (DELETE FROM c WHERE id = 10 RETURNING id, name) TO STDOUT
;;
COPY (SELECT 1/(3 - g) FROM generate_series(1, 5) g) TO STDOUT
;;
COPY (SELECT) TO STDOUT
;;
COPY (SELECT g, repeat('x', 100) FROM generate_series(1, 2000) g) TO STDOUT
;;
COPY (SELECT repeat('long ', 30000)) TO STDOUT
;;
-- copy:
100	first of two
-- end
-- copy:
101	second of two
-- end
COPY c (id, name) FROM STDIN; SELECT count(*) FROM c; COPY c (id, name) FROM STDIN; COPY (SELECT 1) TO STDOUT; SELECT 'done'
;;
-- copy:
102	then an error
-- end
COPY c (id, name) FROM STDIN; SELECT 1/0; SELECT 'never'
;;
SELECT count(*) FROM c WHERE id > 99
;;
BEGIN
;;
-- copy:
103	rolled back
-- end
COPY c (id, name) FROM STDIN
;;
ROLLBACK
;;
BEGIN; TRUNCATE c
;;
-- copy:
104	frozen
-- end
COPY c (id, name) FROM STDIN (FREEZE)
;;
COMMIT
;;
CREATE VIEW cv AS SELECT * FROM c
;;
COPY cv TO STDOUT
;;
COPY (TABLE cv) TO STDOUT
;;
CREATE FUNCTION on_row() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN IF new.id < 0 THEN RETURN NULL; END IF; RAISE NOTICE 'row %', new.id; new.name := upper(new.name); RETURN new; END $$
;;
CREATE TRIGGER t BEFORE INSERT ON c FOR EACH ROW EXECUTE FUNCTION on_row()
;;
-- copy 3:
110	shouted
-1	dropped
111	also shouted
-- end
COPY c (id, name) FROM STDIN
;;
COPY c (id, name) TO STDOUT
;;
CREATE TABLE gen (a int, b int GENERATED ALWAYS AS (a * 2) STORED, c text DEFAULT 'd')
;;
-- copy:
1	x
2	\N
-- end
COPY gen FROM STDIN
;;
COPY gen TO STDOUT
;;
COPY gen (b) FROM STDIN
;;
-- messages
Parse "ci" "COPY gen (a) FROM STDIN"
Bind "" "ci"
Execute ""
CopyData "5\x0a6\x0a"
CopyData "7\x0a"
CopyDone
Sync
;;
-- messages
Bind "" "ci"
Execute ""
CopyData "8\x0a"
CopyFail "no more"
Sync
;;
-- messages
CopyData "nobody asked"
CopyDone
Query "SELECT a, b FROM gen ORDER BY a"
;;
-- messages
Parse "co" "COPY gen (a) TO STDOUT"
Bind "" "co"
Describe P ""
Execute "" 2
Execute "" 0
Sync
;;
SET client_encoding = 'LATIN1'
;;
-- copy escaped:
9\x09\xe9t\xe9\x0a
-- end
COPY gen (a, c) FROM STDIN
;;
COPY gen (a, c) TO STDOUT
;;
RESET client_encoding
;;
COPY gen (a, c) TO STDOUT
;;
