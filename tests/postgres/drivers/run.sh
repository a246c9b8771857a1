#!/usr/bin/env bash
# Runs one suite of real clients against the server that the PG* variables name.
#
#   run.sh psql|psql-18|python|go|node|java|rust [login] [ARGUMENT...]
#
# `login` only logs in and says as whom: as ALLONYM_ROLE, or else as PGUSER.
# psql-18 is psql over the libpq of PostgreSQL 18, which speaks direct TLS and protocol 3.2.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
while IFS= read -r line; do export "${line?}"; done < <("$here/../../../deploy/postgres-clients.sh" paths)
suite=${1:?psql, psql-18, python, go, node, java or rust}
shift
case "$suite" in
  psql) exec "$here/psql/suite.sh" "$@" ;;
  psql-18) LD_LIBRARY_PATH=$ALLONYM_POSTGRESQL_18/lib exec "$here/psql/suite.sh" "$@" ;;
  python) exec env PYTHONDONTWRITEBYTECODE=1 "$ALLONYM_PYTHON" "$here/python/suite.py" "$@" ;;
  go) exec "$ALLONYM_PGX" "$@" ;;
  node) exec node --no-deprecation "$here/node/suite.js" "$@" ;;
  java) exec java -XX:TieredStopAtLevel=1 "$here/java/Suite.java" "$@" ;;
  rust) exec "${ALLONYM_RUST_DRIVERS:-${CARGO_TARGET_DIR:-$here/../../../target}/debug/rust-drivers}" "$@" ;;
  *) echo "no such suite: $suite" >&2; exit 2 ;;
esac
