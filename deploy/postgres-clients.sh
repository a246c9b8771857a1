#!/usr/bin/env bash
# Puts the PostgreSQL clients of the tests and a PostgreSQL 18 into $ALLONYM_TOOLS, each once
# for every set of pinned versions. `postgres-clients.sh paths` says where they are.
set -euo pipefail

here=$(cd "$(dirname "$0")/.." && pwd)
drivers=$here/tests/postgres/drivers
tools=${ALLONYM_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/allonym/tools}
fetch=org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy
pgjdbc=42.7.14
pgjdbc_sum=73914527305a40cce504b0d3d90b23caf565136912d607ae8ae7c5895512332c
server=18.1.0
go_least=1.21 go_wanted=go1.25.0   # From 1.21 on, `go` fetches what a go.mod asks for.

# A folder's name carries its inputs, so that checkouts of different versions live side by side.
named() { # name, files
  local name=$1 sum
  shift
  sum=$(cat "$@" | sha256sum)
  echo "$tools/postgres-$name-${sum:0:12}"
}
python=$(named python "$drivers/python/requirements.txt" <(python3 --version))
node=$(named node "$drivers/node/package.json" "$drivers/node/package-lock.json")
go=$(named go "$drivers"/go/*)
java=$tools/postgres-java-$pgjdbc
server_folder=$tools/postgresql-${server%%.*}

if [ "${1:-}" = paths ]; then
  printf '%s\n' "ALLONYM_PYTHON=$python/bin/python" "NODE_PATH=$node/node_modules" \
    "ALLONYM_PGX=$go/suite" "CLASSPATH=$java/pgjdbc.jar" "ALLONYM_POSTGRESQL_18=$server_folder"
  exit 0
fi
wanted() { [ ! -e "$1/.complete" ]; }
complete() { touch "$1/.complete" && [ "$1" = "$2" ] || mv -T "$1" "$2"; }
if ! wanted "$python" && ! wanted "$node" && ! wanted "$go" && ! wanted "$java" && ! wanted "$server_folder"; then
  exit 0
fi

mkdir -p "$tools"
exec 9> "$tools/.postgres-clients.lock"
flock 9
work=$(mktemp -d "$tools/.new.XXXXXX")
trap 'rm -rf "$work"' EXIT

artifact() { # Maven coordinates, SHA-256, folder: leaves the artifact's jar there as artifact.jar
  # Maven knows where artifacts come from, and a site's mirror of that place.
  mvn --batch-mode --quiet -Dmaven.repo.local="$work/maven" "$fetch" -Dartifact="$1" -DoutputDirectory="$work/fetched"
  mv "$work"/fetched/*.jar "$3/artifact.jar"
  echo "$2  $3/artifact.jar" | sha256sum -c --quiet
}

if wanted "$python"; then
  echo "installing the Python drivers (once)"
  # A virtual environment knows its own path, so it is made where it stays.
  python3 -m venv --clear "$python"
  "$python/bin/python" -m pip install --quiet --disable-pip-version-check --no-compile --only-binary :all: \
    -r "$drivers/python/requirements.txt"
  "$python/bin/python" -m pip uninstall --quiet --yes --disable-pip-version-check setuptools pip
  complete "$python" "$python"
fi

if wanted "$node"; then
  echo "installing node-postgres (once)"
  mkdir "$work/node"
  cp "$drivers/node/package.json" "$drivers/node/package-lock.json" "$work/node"
  npm ci --prefix "$work/node" --omit=optional --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null
  complete "$work/node" "$node"
fi

if wanted "$go"; then
  echo "building the suite of pgx (once)"
  program=go
  found=$(go env GOVERSION)
  if [ "$(printf '%s\n' "$go_least" "${found#go}" | sort -V | head -1)" != "$go_least" ]; then
    GOBIN=$work go install "golang.org/dl/$go_wanted@latest"
    program=$work/$go_wanted
    "$program" download >/dev/null
  fi
  mkdir "$work/go"
  (cd "$drivers/go" && CGO_ENABLED=0 "$program" build -trimpath -o "$work/go/suite" .)
  complete "$work/go" "$go"
fi

if wanted "$java"; then
  echo "fetching pgjdbc (once)"
  mkdir "$work/java"
  artifact "org.postgresql:postgresql:$pgjdbc" "$pgjdbc_sum" "$work/java"
  mv "$work/java/artifact.jar" "$work/java/pgjdbc.jar"
  complete "$work/java" "$java"
fi

if wanted "$server_folder"; then
  case $(uname -m) in
    x86_64) machine=amd64 sum=65d0723e0274ad3ec6230dcbdfe034af6ee096fce15a77b0f9b8be71d2702934 ;;
    aarch64) machine=arm64v8 sum=ea0f16b754fc0a10d9d8993bbd426c20f8c709b318b28e49b42d9cac1c958b8f ;;
    *) echo "no PostgreSQL ${server%%.*} for $(uname -m): tests that need it fail" >&2; exit 0 ;;
  esac
  echo "fetching PostgreSQL ${server%%.*} (once)"
  artifact "io.zonky.test.postgres:embedded-postgres-binaries-linux-$machine:$server" "$sum" "$work"
  python3 - "$work" <<'P'
import glob, sys, tarfile, zipfile
work = sys.argv[1]
zipfile.ZipFile(f"{work}/artifact.jar").extractall(f"{work}/jar")
tarfile.open(glob.glob(f"{work}/jar/*.txz")[0]).extractall(f"{work}/server")
P
  # What only programs that link with it need.
  rm -rf "$work"/server/lib/*.a "$work"/server/lib/libecpg* "$work"/server/lib/pkgconfig
  complete "$work/server" "$server_folder"
fi
