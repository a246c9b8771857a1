#!/usr/bin/env python3
"""Real Python drivers against the server that the PG* variables name.

suite.py [login] [psycopg|asyncpg|sqlalchemy|django]...   (default: all)
"""

import importlib
import sys

PARTS = ["psycopg", "asyncpg", "sqlalchemy", "django"]


def main():
    asked = sys.argv[1:]
    action = asked.pop(0) if asked[:1] == ["login"] else "run"
    count = sum(getattr(importlib.import_module(f"with_{part}"), action)() for part in asked or PARTS)
    print(f"ok {count} checks")


if __name__ == "__main__":
    main()
