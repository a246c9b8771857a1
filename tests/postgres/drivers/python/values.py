"""One value of each type: its SQL type, its literal, and what a driver makes of it."""

import datetime as dt
import decimal
import ipaddress
import uuid

UTC = dt.timezone.utc
D = decimal.Decimal
IDENTITY = uuid.UUID("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11")

# Both drivers give the same for these.
VALUES = [
    ("int2", "-32768", -32768),
    ("int4", "2147483647", 2147483647),
    ("int8", "-9223372036854775808", -9223372036854775808),
    ("float4", "1.5", 1.5),
    ("float8", "0.1", 0.1),
    ("float8", "Infinity", float("inf")),
    ("numeric", "123456789012345678901234567890.123456789", D("123456789012345678901234567890.123456789")),
    ("numeric(10,2)", "-0.50", D("-0.50")),
    ("bool", "t", True),
    ("text", "Grüße, 世界 🎈 'quoted' \\", "Grüße, 世界 🎈 'quoted' \\"),
    ("varchar(10)", "", ""),
    ("char(5)", "ab", "ab   "),
    ("bytea", "\\x00ff5c27", b"\x00\xff\\'"),
    ("date", "2024-02-29", dt.date(2024, 2, 29)),
    ("time", "23:59:59.999999", dt.time(23, 59, 59, 999999)),
    ("timetz", "12:34:56+05:30", dt.time(12, 34, 56, tzinfo=dt.timezone(dt.timedelta(hours=5, minutes=30)))),
    ("timestamp", "2026-01-02 03:04:05.678901", dt.datetime(2026, 1, 2, 3, 4, 5, 678901)),
    ("timestamptz", "2026-01-02 03:04:05.5+02", dt.datetime(2026, 1, 2, 1, 4, 5, 500000, UTC)),
    ("interval", "3 days 04:05:06.789", dt.timedelta(days=3, hours=4, minutes=5, seconds=6, milliseconds=789)),
    ("uuid", str(IDENTITY), IDENTITY),
    ("inet", "2001:db8::1", ipaddress.ip_address("2001:db8::1")),
    ("cidr", "10.0.0.0/8", ipaddress.ip_network("10.0.0.0/8")),
    ("int4[]", "{1,NULL,3}", [1, None, 3]),
    ("int4[]", "{{1,2},{3,4}}", [[1, 2], [3, 4]]),
    ("text[]", '{a,"b c",NULL,"NULL",""}', ["a", "b c", None, "NULL", ""]),
    ("numeric[]", "{1.5,-2}", [D("1.5"), D("-2")]),
    ("bool[]", "{}", []),
    ("oid", "4294967295", 4294967295),
    ("name", "a name", "a name"),
]
# As text in every driver, so that no decoder stands in between.
AS_TEXT = [
    ("macaddr", "08:00:2b:01:02:03"),
    ("money", "$12.34"),
    ("bit(4)", "1010"),
    ("varbit", "10101"),
    ("point", "(1.5,-2)"),
    ("polygon", "((0,0),(1,1),(2,0))"),
    ("circle", "<(1,1),2.5>"),
    ("tsvector", "'fox':3A 'quick':2"),
    ("tsquery", "'fat' & !'rat'"),
    ("int4range", "[1,5)"),
    ("int4multirange", "{[1,3),[5,7)}"),
    ("daterange", "empty"),
    ("jsonb", '{"a": [1, null, "é"]}'),
    ("xml", "<a>1</a>"),
    ("pg_lsn", "16/B374D848"),
]
