-- extended: 1 | -2 | 3
SELECT $1::int2, $2::int4, $3::int8
;;
SELECT 32767::int2, -32768::int2, 2147483647::int4, (-2147483648)::int4, 9223372036854775807::int8, (-9223372036854775808)::int8
;;
-- extended: \N | \N | \N
SELECT $1::int2, $2::text, $3::bytea
;;
-- extended: 0.1 | 1e308 | NaN | Infinity | -Infinity | -0
SELECT $1::float8, $2::float8, $3::float8, $4::float8, $5::float8, $6::float8
;;
-- extended: 0.1 | 3.4e38 | NaN | -Infinity
SELECT $1::float4, $2::float4, $3::float4, $4::float4
;;
SELECT 0.1::float4::float8, 1/3.0::float8, 1e-300::float8 * 1e-20
;;
-- extended: 123456789012345678901234567890.123456789 | NaN | Infinity | -0.000 | 1e-20
SELECT $1::numeric, $2::numeric, $3::numeric, $4::numeric, $5::numeric
;;
-- extended: 12.345 | 0 | 99999.999
SELECT $1::numeric(5,2), $2::numeric(5,2), round($3::numeric, -2)
;;
SELECT 1.5::numeric(10,-1), 12345::numeric(3,-2), 0.00012::numeric(2,5)
;;
-- extended: t | no | 1 | off
SELECT $1::bool, $2::bool, $3::bool, $4::bool
;;
-- extended: Ada | Grüße, 世界 🎈 | abc
SELECT $1::text, $2::varchar(20), $3::char(6)
;;
-- extended: a
SELECT $1::"char", 'name with spaces'::name, chr(200)::"char"
;;
SELECT E'tab\there', E'new\nline', E'\u00e9\U0001F388', U&'\00e9 \+01F388', U&'d!0061t!+000061' UESCAPE '!'
;;
SELECT $$it's$$, $tag$a $$ b$tag$, 'it''s', E'it\'s', 'one'
' two'
;;
SELECT B'1010', X'1F', b'', B'101'::bit(3), B'10101'::varbit(8)
;;
-- extended: 1010 | 1111000011
SELECT $1::bit(4), $2::bit varying
;;
-- extended: \x00ff10 |
SELECT $1::bytea, $2::bytea
;;
SELECT '\x'::bytea, E'\\000\\377abc'::bytea, decode('AAEC', 'base64'), encode('\xdeadbeef', 'hex')
;;
SET bytea_output = 'escape'
;;
SELECT '\x0001fe5c61'::bytea
;;
RESET bytea_output
;;
-- extended: 2024-02-29 | 0044-03-15 BC | infinity | -infinity
SELECT $1::date, $2::date, $3::date, $4::date
;;
-- extended: 23:59:59.999999 | 24:00:00 | 00:00
SELECT $1::time, $2::time, $3::time(0)
;;
-- extended: 12:34:56.7+05:30 | 00:00-15:59
SELECT $1::timetz, $2::timetz
;;
-- extended: 2026-01-02 03:04:05.678901 | infinity | 4713-11-24 00:00:00 BC | 294276-12-31 23:59:59.999999
SELECT $1::timestamp, $2::timestamp, $3::timestamp, $4::timestamp
;;
-- extended: 2026-01-02 03:04:05.678901+02 | -infinity | 1900-01-01 00:00 Europe/Berlin
SELECT $1::timestamptz, $2::timestamptz, $3::timestamptz
;;
SET timezone = 'America/St_Johns'
;;
-- extended: 2026-06-01 12:00:00+00
SELECT $1::timestamptz, $1::timestamptz AT TIME ZONE 'Asia/Kathmandu'
;;
SET timezone = 'UTC'
;;
-- extended: 1 year 2 mons 3 days 04:05:06.789 | -1 day +02:03 | P1Y2M3DT4H5M6S | 0
SELECT $1::interval, $2::interval, $3::interval, $4::interval
;;
SET intervalstyle = 'iso_8601'
;;
SELECT interval '1 year 2 mons -3 days 04:05:06.789', interval '100' second, interval '1-2' year to month
;;
SET intervalstyle = 'sql_standard'
;;
SELECT interval '1 year 2 mons -3 days 04:05:06.789', interval '-1 day'
;;
SET intervalstyle = 'postgres_verbose'
;;
SELECT interval '1 year 2 mons -3 days 04:05:06.789', interval '0'
;;
SET intervalstyle = 'postgres'
;;
SET datestyle = 'German, DMY'
;;
SELECT date '2026-11-23', timestamp '2026-11-23 01:02:03', timestamptz '2026-11-23 01:02:03+00'
;;
SET datestyle = 'SQL, MDY'
;;
SELECT date '2026-11-23', timestamp '2026-11-23 01:02:03', '04/05/2026'::date
;;
SET datestyle = 'Postgres, DMY'
;;
SELECT date '2026-11-23', timestamp '2026-11-23 01:02:03', '04/05/2026'::date
;;
SET datestyle = 'ISO, MDY'
;;
-- extended: 12.34 | -1234567.89
SELECT $1::money, $2::money
;;
-- extended: a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11 | {A0EEBC999C0B4EF8BB6D6BB9BD380A11}
SELECT $1::uuid, $2::uuid
;;
-- extended: 192.168.0.1/24 | ::1 | 10/8 | 2001:db8::/32
SELECT $1::inet, $2::inet, $3::cidr, $4::cidr
;;
-- extended: 08:00:2b:01:02:03 | 08002b0102030405
SELECT $1::macaddr, $2::macaddr8
;;
SELECT host('192.168.1.5/24'::inet), network('192.168.1.5/24'::inet), inet '10.0.0.1' + 255, '10.1/16'::cidr >> '10/8'::cidr
;;
-- extended: (1.5,-2) | [(0,0),(3,4)] | (3,4),(1,2) | <(1,1),2.5>
SELECT $1::point, $2::lseg, $3::box, $4::circle
;;
-- extended: {1,-1,0} | ((0,0),(1,1),(2,0)) | [(0,0),(1,1)] | ((0,0),(0,1),(1,0))
SELECT $1::line, $2::path, $3::path, $4::polygon
;;
-- extended: {"a": 1,  "b" : [true, null, "x\u00e9"], "a": 2} | {"a": 1,  "b" : [true, null, "x"], "a": 2}
SELECT $1::json, $2::jsonb
;;
SELECT '{"a":{"b":[10,20,{"c":"d"}]}}'::jsonb #>> '{a,b,2,c}', '[1,2,3]'::jsonb -> -1, '{"a":1}'::jsonb @> '{}', jsonb_pretty('{"a":[1,{"b":null}]}')
;;
SELECT * FROM jsonb_each('{"x": 1.50, "y": "z", "z": null}') ORDER BY key
;;
SELECT jsonb_path_query('{"a":[1,2,3,4]}', '$.a[*] ? (@ > 2)'), to_json(row(1, 'a', null)), json_agg(g) OVER () FROM generate_series(1, 2) g
;;
-- extended: $.a[*] ? (@.b > 1)
SELECT $1::jsonpath
;;
-- extended: <a x="1">t&amp;<b/></a>
SELECT $1::xml
;;
SELECT xmlelement(name foo, xmlattributes('x' AS bar), 'con<tent'), xpath('/a/b/text()', '<a><b>1</b><b>2</b></a>')
;;
-- extended: the quick brown fox:3A | fat & (rat <-> !cat:AB)
SELECT $1::tsvector, $2::tsquery
;;
-- extended: fat & rat:AB
SELECT $1::tsquery, to_tsvector('simple', 'A b a c'), ts_rank(to_tsvector('simple', 'a b'), to_tsquery('simple', 'a'))
;;
SELECT 'fat & !cat | (dog <-> bone) & sup:*'::tsquery, to_tsvector('english', 'The cats were sleeping') @@ to_tsquery('english', 'cat & sleep')
;;
-- extended: 16/B374D848 | 12345 | 100:200:150,160
SELECT $1::pg_lsn, $2::xid8, $3::pg_snapshot
;;
-- extended: 42 | 7 | (3,4)
SELECT $1::oid, $2::xid, $3::tid
;;
-- extended: pg_class | int4 | now
SELECT $1::regclass, $2::regtype, $3::regproc
;;
SELECT '=(int4,int4)'::regoperator, 'abs(int4)'::regprocedure, 'pg_catalog'::regnamespace, 'simple'::regconfig, 'simple'::regdictionary, '"C"'::regcollation
;;
-- extended: {1,NULL,3} | {{1,2},{3,4}} | {} | [0:1]={7,8}
SELECT $1::int4[], $2::int4[], $3::int4[], $4::int4[]
;;
-- extended: {a,"b c","d\"e",NULL,"NULL",""} | {t,f} | {1.5,NaN}
SELECT $1::text[], $2::bool[], $3::numeric[]
;;
-- extended: {2026-01-01,infinity} | {"\\x00ff"} | {a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11} | {"(1,2)","(3,4)"}
SELECT $1::date[], $2::bytea[], $3::uuid[], $4::point[]
;;
SELECT ARRAY[[1,2],[3,4]], ARRAY[]::text[], ARRAY[1,2] || 3, (ARRAY[1,2,3])[2:3], array_fill(0, ARRAY[2,2], ARRAY[5,6]), '{(1,1),(0,0);(2,2),(3,3)}'::box[]
;;
-- extended: [1,5) | empty | (,) | [2026-01-01,2026-02-01) | ["2026-01-01 00:00",infinity]
SELECT $1::int4range, $2::int8range, $3::numrange, $4::daterange, $5::tsrange
;;
-- extended: [2026-01-01 00:00+00,) | {[1,3),[5,7)} | {} | {[2026-01-01,2026-01-02],(2026-02-01,)}
SELECT $1::tstzrange, $2::int4multirange, $3::nummultirange, $4::datemultirange
;;
SELECT int4range(1,10) * int4range(5,20), int4range(1,3) -|- int4range(3,5), range_agg(r) FROM (VALUES (int4range(1,3)), (int4range(2,5)), (int4range(9,10))) v(r)
;;
-- extended: 1 | two
SELECT ROW($1::int4, $2::text, NULL::date), ROW(), ROW(1, ROW(2.5::float8, 'x'::text))
;;
SELECT NULL, NULL::int, 'unknown literal', 1 AS "Ünïcode column", 2 AS "quoted ""name""", 3 AS "_"
;;
SELECT 1 AS ""
;;
SELECT 1 AS a, 2 AS a, 3 AS "A"
;;
SELECT
;;
SELECT FROM generate_series(1, 3)
;;
SELECT true IS NULL, NULL IS DISTINCT FROM NULL, 'a' COLLATE "C" < 'B', 1 = ANY(ARRAY[1,2]), ROW(1,2) < ROW(1,3)
;;
SELECT 1_000
;;
SELECT 'x'::void
;;
SELECT pg_typeof(1), pg_typeof(1.0), pg_typeof('a'), pg_typeof(now()), pg_typeof(ARRAY[1.5]), pg_typeof(int4range(1,2))
;;
SELECT repeat('x', 100000)
;;
SELECT md5(repeat('y', 1000000)), length(repeat('é', 70000)), octet_length(repeat('é', 70000))
;;
-- extended: 20000
SELECT repeat('0123456789', $1::int)
;;
SELECT * FROM (VALUES (1, 'a', 1.5), (2, NULL, NULL), (NULL, '', 'NaN')) v(i, t, n)
;;
SELECT g, g % 2 = 0, g::text, g::numeric / 7, g * 1.5::float8, decode(to_hex(g + 16), 'hex'), date '2000-01-01' + g FROM generate_series(0, 200) g
;;
-- extended:
SELECT g, g % 2 = 0, g::text, g::numeric / 7, g * 1.5::float8, decode(to_hex(g + 16), 'hex'), date '2000-01-01' + g FROM generate_series(0, 200) g
;;
SELECT g FROM generate_series(1, 5000) g
;;
