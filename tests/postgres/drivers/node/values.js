// Values of each type: as JavaScript, and as the server writes them.
'use strict'

exports.VALUES = [
  ['int2', '-32768', -32768],
  ['int4', '2147483647', 2147483647],
  ['int8', '-9223372036854775808', -9223372036854775808n],
  ['float4', '1.5', 1.5],
  ['float8', 'Infinity', Infinity],
  ['numeric', '123456789012345678901234567890.123456789', '123456789012345678901234567890.123456789'],
  ['bool', 't', true],
  ['text', "Grüße, 世界 🎈 'quoted' \\", "Grüße, 世界 🎈 'quoted' \\"],
  ['bytea', '\\x00ff', Buffer.from([0, 255])],
  ['timestamptz', '2026-01-02 03:04:05.678+02', new Date('2026-01-02T01:04:05.678Z')],
  ['json', '{"a": [1, null]}', { a: [1, null] }],
  ['jsonb', '{"a": [1, null]}', { a: [1, null] }],
  ['int4[]', '{{1,NULL},{3,4}}', [[1, null], [3, 4]]],
  ['text[]', '{a,"b c",NULL,"NULL",""}', ['a', 'b c', null, 'NULL', '']],
  ['point', '(1.5,-2)', { x: 1.5, y: -2 }],
]

exports.LITERALS = [
  ['int2', '-32768'], ['int4', '2147483647'], ['int8', '-9223372036854775808'], ['float4', '1.5'], ['float8', '0.1'],
  ['numeric', '-0.50'], ['numeric', 'NaN'], ['text', "ü 'quoted' \\"], ['varchar(5)', 'abc'], ['bytea', '\\x00ff5c27'],
  ['date', '2024-02-29'], ['time', '23:59:59.999999'], ['timetz', '12:34:56+05:30'], ['timestamp', '2026-01-02 03:04:05.678901'],
  ['timestamptz', 'infinity'], ['interval', '1 year 2 mons 3 days 04:05:06.789'], ['uuid', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'],
  ['inet', '192.168.0.1/24'], ['cidr', '2001:db8::/32'], ['macaddr', '08:00:2b:01:02:03'], ['macaddr8', '08:00:2b:01:02:03:04:05'],
  ['money', '$12.34'], ['bit(4)', '1010'], ['varbit', '10101'], ['point', '(1.5,-2)'], ['line', '{1,-1,0}'], ['box', '(3,4),(1,2)'],
  ['path', '[(0,0),(1,1)]'], ['polygon', '((0,0),(1,1),(2,0))'], ['circle', '<(1,1),2.5>'], ['tsvector', "'fox':3A 'quick':2"],
  ['tsquery', "'fat' & !'rat'"], ['jsonb', '{"a": [1, null, "é"]}'], ['xml', '<a>1</a>'], ['int4[]', '{{1,2},{3,4}}'],
  ['text[]', '{a,"b c",NULL,"NULL",""}'], ['int4range', '[1,5)'], ['daterange', 'empty'], ['nummultirange', '{[1,3),[5.5,)}'],
  ['oid', '4294967295'], ['name', 'a name'], ['pg_lsn', '16/B374D848'], ['xid8', '12345'],
]
