#!/usr/bin/env bash
# Runs one suite of real clients against the server that the PG* variables name.
#
#   run.sh psql|python|go|node|java [ARGUMENT...]
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
while IFS= read -r line; do export "${line?}"; done < <("$here/../../../deploy/postgres-clients.sh" paths)
suite=${1:?psql, python, go, node or java}
shift
case "$suite" in
  psql) exec "$here/psql/suite.sh" "$@" ;;
  python) exec env PYTHONDONTWRITEBYTECODE=1 "$ALLONYM_PYTHON" "$here/python/suite.py" "$@" ;;
  go) exec "$ALLONYM_PGX" "$@" ;;
  node) exec node --no-deprecation "$here/node/suite.js" "$@" ;;
  java) exec java -XX:TieredStopAtLevel=1 "$here/java/Suite.java" "$@" ;;
  *) echo "no such suite: $suite" >&2; exit 2 ;;
esac
