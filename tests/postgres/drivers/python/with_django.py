"""A Django model there and back, with server-side cursors, savepoints and introspection."""

import datetime as dt
import decimal
import os
import uuid

import django
from django.conf import settings

from checks import OPTIONS, ROLE, SCHEMA, Checks

IDENTITY = uuid.UUID("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11")


def configured():
    variables = {
        "sslmode": "PGSSLMODE", "sslrootcert": "PGSSLROOTCERT", "sslcert": "PGSSLCERT", "sslkey": "PGSSLKEY",
        "channel_binding": "PGCHANNELBINDING",
    }
    options = {name: os.environ[variable] for name, variable in variables.items() if variable in os.environ}
    settings.configure(
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.postgresql",
                "NAME": os.environ["PGDATABASE"],
                "USER": os.environ["PGUSER"],
                "PASSWORD": os.environ.get("PGPASSWORD", ""),
                "HOST": os.environ["PGHOST"],
                "PORT": os.environ["PGPORT"],
                "OPTIONS": {"options": OPTIONS, "server_side_binding": os.environ.get("DJANGO_BINDING") == "server", **options},
            }
        },
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        USE_TZ=True,
        TIME_ZONE="UTC",
    )
    django.setup()


def login():
    configured()
    from django.db import connection

    checks = Checks("django")
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user, %s + 1", [41])
        checks.same("logged in, and on", cursor.fetchone(), (ROLE, 42))
    connection.close()
    return checks.count


def run():
    configured()
    from django.contrib.postgres.fields import ArrayField, DateTimeRangeField
    from django.db import connection, models

    class Owner(models.Model):
        name = models.CharField(max_length=50, unique=True)

        class Meta:
            app_label = "suite"

    class Thing(models.Model):
        owner = models.ForeignKey(Owner, models.CASCADE, related_name="things")
        name = models.CharField(max_length=100, db_index=True)
        price = models.DecimalField(max_digits=10, decimal_places=2)
        made = models.DateField(null=True)
        at = models.DateTimeField(null=True)
        span = models.DurationField(null=True)
        identity = models.UUIDField(null=True)
        raw = models.BinaryField(null=True)
        data = models.JSONField(default=dict)
        tags = ArrayField(models.CharField(max_length=20), default=list)
        during = DateTimeRangeField(null=True)
        ip = models.GenericIPAddressField(null=True)
        flag = models.BooleanField(default=False)

        class Meta:
            app_label = "suite"

    checks = Checks("django")
    with connection.cursor() as cursor:
        cursor.execute(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")
        cursor.execute(f"CREATE SCHEMA {SCHEMA}")
    with connection.schema_editor() as editor:
        editor.create_model(Owner)
        editor.create_model(Thing)
    round_trip(checks, Owner, Thing)
    queries(checks, Owner, Thing)
    transactions(checks, Owner, Thing)
    with connection.cursor() as cursor:
        tables = sorted(table.name for table in connection.introspection.get_table_list(cursor) if table.name.startswith("suite_"))
        checks.same("introspection", tables, ["suite_owner", "suite_thing"])
        cursor.execute(f"DROP SCHEMA {SCHEMA} CASCADE")
    connection.close()
    return checks.count


def round_trip(checks, owner, thing):
    ada = owner.objects.create(name="Ada")
    values = {
        "name": "Grüße 'quoted' %s",
        "price": decimal.Decimal("12.50"),
        "made": dt.date(2024, 2, 29),
        "at": dt.datetime(2026, 1, 2, 3, 4, 5, 678901, dt.timezone.utc),
        "span": dt.timedelta(days=3, microseconds=5),
        "identity": IDENTITY,
        "data": {"a": [1, None, "é"]},
        "tags": ["x", "y z"],
        "ip": "2001:db8::1",
        "flag": True,
    }
    key = thing.objects.create(owner=ada, raw=b"\0\xff", **values).pk
    found = thing.objects.select_related("owner").get(pk=key)
    for name, value in values.items():
        checks.same(f"{name} there and back", getattr(found, name), value)
    checks.same("raw there and back", bytes(found.raw), b"\0\xff")
    checks.same("its owner", found.owner.name, "Ada")


def queries(checks, owner, thing):
    from django.db.models import Avg, Count, F, Prefetch, Q, Window
    from django.db.models.functions import Lower, RowNumber

    ada = owner.objects.get(name="Ada")
    made = thing.objects.bulk_create(
        [thing(owner=ada, name=f"n{n}", price=n, data={"n": n}) for n in range(5000)], batch_size=1000
    )
    checks.same("bulk_create gives keys", len({row.pk for row in made}), 5000)
    names = [row.name for row in thing.objects.filter(name__startswith="n").order_by("pk").iterator(chunk_size=300)]
    checks.same("server-side cursor", (len(names), names[4999]), (5000, "n4999"))
    two = zip(thing.objects.order_by("pk").iterator(chunk_size=100), thing.objects.order_by("-pk").iterator(chunk_size=70))
    checks.same("two of them at once", sum(1 for _ in two), 5001)
    checks.same("filter on JSON", thing.objects.filter(data__n__gte=4990).count(), 10)
    checks.same("filter on an array", thing.objects.filter(tags__contains=["x"]).count(), 1)
    checks.same("LIKE", thing.objects.filter(Q(name__icontains="N499") | Q(name="n1")).count(), 12)
    checks.same("aggregate", thing.objects.filter(price__lt=3, name__startswith="n").aggregate(a=Avg("price"), c=Count("*")), {"a": decimal.Decimal("1.0000000000000000"), "c": 3})
    checks.same("update", thing.objects.filter(price__gte=4000).update(price=F("price") + 1), 1000)
    checks.same("annotate", thing.objects.annotate(l=Lower("name"), n=Window(RowNumber(), order_by="pk")).filter(pk=made[0].pk).first().l, "n0")
    prefetched = owner.objects.prefetch_related(Prefetch("things", queryset=thing.objects.filter(price__lt=2))).get()
    checks.same("prefetch", len(prefetched.things.all()), 2)
    checks.same("in_bulk", len(thing.objects.in_bulk([row.pk for row in made[:2000]])), 2000)
    rows = [thing(pk=row.pk, name=row.name + "!") for row in made[:500]]
    checks.same("bulk_update", thing.objects.bulk_update(rows, ["name"]), 500)
    checks.same("delete", thing.objects.filter(price__gt=3000).delete()[0], 1999)
    checks.same("explain", "Scan" in thing.objects.filter(name="n1").explain(), True)
    checks.same("get_or_create", owner.objects.get_or_create(name="Ada")[1], False)
    checks.same("update_or_create", owner.objects.update_or_create(name="Bob", defaults={})[1], True)


def transactions(checks, owner, thing):
    from django.db import IntegrityError, connection, transaction

    with transaction.atomic():
        owner.objects.create(name="kept")
        try:
            with transaction.atomic():
                owner.objects.create(name="Ada")
        except IntegrityError as error:
            checks.same("unique violation", error.__cause__.sqlstate, "23505")
        locked = thing.objects.select_for_update(skip_locked=True).order_by("pk").first()
        checks.same("select_for_update", locked is not None, True)
    checks.same("savepoint", owner.objects.filter(name="kept").exists(), True)
    try:
        with transaction.atomic():
            owner.objects.create(name="lost")
            raise RuntimeError
    except RuntimeError:
        pass
    checks.same("rollback", owner.objects.filter(name="lost").exists(), False)
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s, %s, '%%'", ["a", None])
        checks.same("raw SQL", cursor.fetchone(), ("a", None, "%"))
