#!/usr/bin/env python3
"""Real Python drivers against the server that the PG* variables name.

suite.py [psycopg|asyncpg|sqlalchemy|django]...   (default: all)
"""

import importlib
import sys

PARTS = ["psycopg", "asyncpg", "sqlalchemy", "django"]


def main():
    asked = sys.argv[1:] or PARTS
    count = sum(importlib.import_module(f"with_{part}").run() for part in asked)
    print(f"ok {count} checks")


if __name__ == "__main__":
    main()
