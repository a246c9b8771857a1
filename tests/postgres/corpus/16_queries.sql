CREATE TABLE d (id int PRIMARY KEY, name text); CREATE TABLE e (id int PRIMARY KEY, d int REFERENCES d, boss int, pay numeric(8,2), hired date)
;;
INSERT INTO d VALUES (1, 'ops'), (2, 'dev'), (3, 'empty'); INSERT INTO e VALUES (1, 1, NULL, 100, '2020-01-01'), (2, 1, 1, 80.5, '2021-02-02'), (3, 2, 1, 90, '2021-02-02'), (4, 2, 3, NULL, NULL), (5, NULL, 3, 10.01, '2024-02-29')
;;
SELECT * FROM e JOIN d ON d.id = e.d ORDER BY e.id
;;
SELECT d.name, e.id FROM d LEFT JOIN e ON e.d = d.id ORDER BY 1, 2
;;
SELECT * FROM d FULL JOIN e USING (id) ORDER BY id
;;
SELECT * FROM d NATURAL RIGHT JOIN e ORDER BY e.id
;;
SELECT a.id, b.id FROM d a CROSS JOIN d b WHERE a.id < b.id ORDER BY 1, 2
;;
SELECT d.name, top.* FROM d, LATERAL (SELECT id, pay FROM e WHERE e.d = d.id ORDER BY pay DESC NULLS LAST LIMIT 1) top ORDER BY 1
;;
SELECT e, d FROM e JOIN d ON d.id = e.d ORDER BY e.id
;;
SELECT row_to_json(e), to_jsonb(d) - 'id' FROM e JOIN d ON d.id = e.d ORDER BY e.id LIMIT 2
;;
WITH RECURSIVE chain AS (SELECT id, boss, 1 AS depth, ARRAY[id] AS path FROM e WHERE boss IS NULL UNION ALL SELECT e.id, e.boss, depth + 1, path || e.id FROM e JOIN chain ON chain.id = e.boss) SEARCH DEPTH FIRST BY id SET o CYCLE id SET looped USING seen SELECT id, depth, path, looped FROM chain ORDER BY path
;;
WITH gone AS MATERIALIZED (DELETE FROM e WHERE id = 5 RETURNING *), back AS (INSERT INTO e SELECT 6, d, boss, pay, hired FROM gone RETURNING *) SELECT * FROM back
;;
SELECT d, count(*), sum(pay), avg(pay), min(hired), max(hired), string_agg(id::text, ',' ORDER BY id DESC), array_agg(id ORDER BY id), bool_and(pay > 1), count(DISTINCT boss) FILTER (WHERE boss > 1) FROM e GROUP BY d HAVING count(*) > 0 ORDER BY d NULLS FIRST
;;
SELECT d, boss, sum(pay), grouping(d, boss) FROM e GROUP BY GROUPING SETS ((d, boss), (d), ()) ORDER BY 1, 2, 4
;;
SELECT d, boss, count(*) FROM e GROUP BY CUBE (d, boss) ORDER BY 1, 2, 3
;;
SELECT id, rank() OVER w, dense_rank() OVER w, row_number() OVER (ORDER BY id), lag(pay) OVER (ORDER BY id), sum(pay) OVER (ORDER BY id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW), first_value(id) OVER (PARTITION BY d ORDER BY id), ntile(2) OVER (ORDER BY id), percent_rank() OVER w FROM e WINDOW w AS (ORDER BY pay NULLS FIRST) ORDER BY id
;;
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY pay), mode() WITHIN GROUP (ORDER BY hired), corr(id, pay), stddev(pay) FROM e
;;
SELECT id FROM e WHERE pay > ALL (SELECT pay FROM e WHERE pay < 50) AND id IN (SELECT id FROM e) AND EXISTS (SELECT FROM d WHERE d.id = e.d) AND (d, boss) NOT IN (SELECT 9, 9) ORDER BY id
;;
SELECT 1 UNION ALL SELECT 2 INTERSECT SELECT 2 EXCEPT SELECT 3 ORDER BY 1
;;
(SELECT id FROM e ORDER BY id LIMIT 1) UNION (SELECT id FROM d ORDER BY id DESC LIMIT 1) ORDER BY 1
;;
SELECT id FROM e ORDER BY pay DESC NULLS LAST OFFSET 1 ROWS FETCH FIRST 2 ROWS WITH TIES
;;
SELECT CASE id WHEN 1 THEN 'one' ELSE 'other' END, CASE WHEN pay IS NULL THEN 0 END, coalesce(pay, -1), nullif(id, 2), greatest(id, 3), least(id, NULL) FROM e ORDER BY id
;;
SELECT extract(year FROM hired), date_trunc('month', hired::timestamp), age(hired, '2020-01-01'), to_char(hired, 'Day DD Mon YYYY'), hired + interval '1 month' FROM e ORDER BY id
;;
SELECT to_char(1234.5, 'FM9,999.00'), to_char(-5, 'S999'), to_timestamp(0), make_date(2026, 2, 28), make_interval(days => 3), date_part('week', date '2026-01-01'), justify_hours('30 hours')
;;
SELECT upper('a'), initcap('hello world'), substring('postgres' FROM 5), substring('abc123' FROM '[0-9]+'), position('g' IN 'postgres'), overlay('abcdef' PLACING 'XX' FROM 2), trim(BOTH 'x' FROM 'xxaxx'), split_part('a,b,c', ',', 2), translate('abc', 'ab', 'xy'), reverse('abc'), lpad('7', 3, '0'), format('%s %I %L', 1, 'a b', 'it''s'), quote_nullable(NULL), ascii('é'), left('abc', -1), concat_ws('-', 1, NULL, 2), starts_with('abc', 'ab')
;;
SELECT 'abc' LIKE 'a%', 'ABC' ILIKE 'a_c', 'abc' SIMILAR TO '(a|b)%', 'abc' ~* 'B', regexp_matches('a1b2', '[0-9]', 'g'), regexp_split_to_array('a b  c', '\s+')
;;
SELECT 7 / 2, -7 / 2, 7 % -3, 2 ^ 10, |/ 16, @ -5, 5 & 3, 5 | 3, 5 # 3, ~5, 1 << 4, round(2.5), round(-2.5), trunc(2.567, 1), ceil(-0.5), div(7, 2), gcd(12, 18), width_bucket(5, 0, 10, 5), sign(-3), 5::numeric / 3
;;
SELECT sha256('x'), md5('x'), encode(sha512('x'), 'hex'), get_byte('\x0102', 1), set_bit('\x00'::bytea, 0, 1), bit_count('\xff'::bytea)
;;
MERGE INTO e USING (VALUES (1, 500), (99, 5)) s(id, pay) ON e.id = s.id WHEN MATCHED THEN UPDATE SET pay = s.pay WHEN NOT MATCHED THEN INSERT (id, pay) VALUES (s.id, s.pay)
;;
-- extended: 99
SELECT * FROM e WHERE id = $1
;;
INSERT INTO d VALUES (1, 'x') ON CONFLICT DO NOTHING
;;
INSERT INTO d AS old VALUES (1, 'x'), (4, 'new') ON CONFLICT (id) DO UPDATE SET name = old.name || excluded.name WHERE old.id < 10 RETURNING *, (xmax = 0) AS fresh
;;
INSERT INTO d DEFAULT VALUES
;;
UPDATE e SET (pay, hired) = (SELECT 1, date '2000-01-01') WHERE id = 2 RETURNING e.*
;;
UPDATE e SET pay = pay * 2 FROM d WHERE d.id = e.d AND d.name = 'dev' RETURNING e.id, d.name, pay
;;
DELETE FROM e WHERE id > 1000
;;
SELECT * FROM generate_series(timestamp '2026-01-01', '2026-01-03', '12 hours') WITH ORDINALITY
;;
SELECT * FROM unnest(ARRAY[1,2], ARRAY['a','b','c']) AS u(n, s)
;;
SELECT * FROM ROWS FROM (generate_series(1, 2), unnest(ARRAY['x'])) AS r(a, b)
;;
SELECT * FROM json_to_recordset('[{"a":1,"b":"x"},{"a":2}]') AS r(a int, b text)
;;
SELECT * FROM jsonb_array_elements_text('["a", 1, null, {"x":[]}]')
;;
SELECT * FROM xmltable('/r/i' PASSING '<r><i n="1">a</i><i n="2"/></r>' COLUMNS n int PATH '@n', t text PATH '.', o FOR ORDINALITY)
;;
SELECT * FROM e TABLESAMPLE SYSTEM (100) REPEATABLE (1) ORDER BY id LIMIT 1
;;
SELECT * FROM string_to_table('a,b', ',')
;;
VALUES (1, 'a'), (2, 'b') ORDER BY 1 DESC
;;
TABLE d ORDER BY id
;;
SELECT relname, relkind FROM pg_class WHERE relnamespace = '@schema@'::regnamespace ORDER BY relname
;;
SELECT c.conname, pg_get_constraintdef(c.oid) FROM pg_constraint c WHERE c.connamespace = '@schema@'::regnamespace ORDER BY 1
;;
SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = '@schema@' ORDER BY 1, ordinal_position
;;
-- extended: 2 | dev
SELECT e.id, d.name, e.pay, e.hired FROM e JOIN d ON d.id = e.d WHERE d.id = $1 AND d.name = $2 ORDER BY 1
;;
-- extended: {1,2,3}
SELECT id, pay FROM e WHERE id = ANY($1) ORDER BY id
;;
-- extended: 50 | 2
SELECT id FROM e WHERE pay > $1 ORDER BY id LIMIT $2
;;
