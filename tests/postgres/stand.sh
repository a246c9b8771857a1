#!/usr/bin/env bash
# Starts a throw-away PostgreSQL with TLS, if asked a relay in front of it, runs a command
# with the PG* variables set, and stops everything. The command's exit code is its own.
#
#   stand.sh [--server 15|18] [--through haproxy|pgbouncer] [--tls] [--auth METHOD] COMMAND [ARGUMENT...]
#
# The role `app` owns the database `app` and logs in by SCRAM, or by another METHOD of pg_hba.conf;
# `certified` by client certificate.
set -euo pipefail

PATH=$PATH:/usr/sbin
version='' through='' tls='' method=scram-sha-256
while [ $# -gt 0 ]; do
  case "$1" in
    --server) version=$2; shift 2 ;;
    --through) through=$2; shift 2 ;;
    --tls) tls=yes; shift ;;
    --auth) method=$2; shift 2 ;;
    *) break ;;
  esac
done
[ $# -gt 0 ] || { sed -n '5p' "$0" >&2; exit 2; }

tools=${ALLONYM_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/allonym/tools}
if [ "$version" = 18 ]; then
  programs=$tools/postgresql-18/bin
else
  programs=$(ls -d /usr/lib/postgresql/${version:-*}/bin | sort -V | tail -1)
fi
folder=$(mktemp -d /tmp/stand.XXXXXX)
chmod 755 "$folder"
as=()
if [ "$(id -u)" -eq 0 ]; then
  chown postgres "$folder"
  as=(setpriv --reuid=postgres --regid=postgres --clear-groups)
  # The folder of tools can be closed to others: a copy is not.
  if ! "${as[@]}" test -x "$programs/postgres"; then
    cp -r "$(dirname "$programs")" "$folder/server"
    programs=$folder/server/bin
  fi
fi
as+=(env HOME=/ LC_ALL=C)
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

cd "$folder"
relay=''
stop() {
  [ -z "$relay" ] || kill "$relay" 2>/dev/null || true
  "${as[@]}" "$programs/pg_ctl" -D "$folder/data" -m immediate -w stop >/dev/null 2>&1 || true
  rm -rf "$folder"
}
trap stop EXIT

# An authority, a server certificate for localhost and 127.0.0.1, a client certificate.
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj "/CN=stand" \
  -keyout authority.key -out authority.crt 2>/dev/null
certificate() { # name, extra
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$1" -keyout "$1.key" -out "$1.csr" 2>/dev/null
  openssl x509 -req -in "$1.csr" -CA authority.crt -CAkey authority.key -CAcreateserial -days 30 -sha256 \
    -extfile <(printf '%s' "$2") -out "$1.crt" 2>/dev/null
}
certificate server "subjectAltName=DNS:localhost,IP:127.0.0.1"
certificate certified "extendedKeyUsage=clientAuth"
openssl pkcs8 -topk8 -nocrypt -in certified.key -outform DER -out certified.pk8
cp server.key relay.key
chmod 600 ./*.key
[ "$(id -u)" -ne 0 ] || chown postgres server.key relay.key

"${as[@]}" "$programs/initdb" -D "$folder/data" -U postgres -A trust --no-sync --locale=C -E UTF8 >/dev/null
cat > data/pg_hba.conf <<H
local   all all trust
hostssl all certified all cert
host    all all all $method
H
port=$(free_port)
"${as[@]}" "$programs/pg_ctl" -D "$folder/data" -l "$folder/data/log" -w start -o "-p $port -k $folder \
  -c listen_addresses=127.0.0.1 -c fsync=off -c max_connections=200 -c max_prepared_transactions=20 -c timezone=UTC \
  -c password_encryption=scram-sha-256 -c ssl=on -c ssl_cert_file=$folder/server.crt -c ssl_key_file=$folder/server.key \
  -c ssl_ca_file=$folder/authority.crt" >/dev/null || { cat data/log >&2; exit 1; }
env -i PATH="$PATH" PGGSSENCMODE=disable psql -X -q -h "$folder" -p "$port" -U postgres -d postgres <<'Q'
CREATE ROLE app LOGIN PASSWORD 'app-secret';
CREATE ROLE certified LOGIN;
CREATE DATABASE app OWNER app;
GRANT ALL ON DATABASE app TO certified;
Q

case "$through" in
  '') ;;
  haproxy)
    front=$(free_port)
    printf '%s\n' 'global' '  nbthread 1' 'defaults' '  mode tcp' '  timeout connect 10s' '  timeout client 1h' '  timeout server 1h' \
      'listen relay' "  bind 127.0.0.1:$front" "  server s 127.0.0.1:$port" > haproxy.cfg
    haproxy -db -f haproxy.cfg >/dev/null 2>&1 &
    relay=$! ;;
  pgbouncer)
    front=$(free_port)
    echo '"app" "app-secret"' > users.txt
    cat > pgbouncer.ini <<P
[databases]
* = host=127.0.0.1 port=$port
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = $front
unix_socket_dir =
auth_type = scram-sha-256
auth_file = $folder/users.txt
pool_mode = session
max_client_conn = 1000
default_pool_size = 150
logfile = $folder/data/pgbouncer.log
ignore_startup_parameters = extra_float_digits,options,search_path
client_tls_sslmode = allow
client_tls_cert_file = $folder/server.crt
client_tls_key_file = $folder/relay.key
P
    "${as[@]}" pgbouncer -q "$folder/pgbouncer.ini" >/dev/null 2>&1 &
    relay=$! ;;
  *) echo "no such relay: $through" >&2; exit 2 ;;
esac
if [ -n "$through" ]; then
  until (: > "/dev/tcp/127.0.0.1/$front") 2>/dev/null; do
    kill -0 "$relay" || { echo "$through does not start" >&2; exit 1; }
    sleep 0.02
  done
  port=$front
fi

cd "$OLDPWD"
export PGHOST=127.0.0.1 PGPORT=$port PGUSER=app PGPASSWORD=app-secret PGDATABASE=app PGGSSENCMODE=disable PGSSLMODE=disable
if [ -n "$tls" ]; then
  export PGHOST=localhost PGSSLMODE=verify-full PGSSLROOTCERT=$folder/authority.crt
fi
# For those who log in as `certified`.
export STAND_CERT=$folder/certified.crt STAND_KEY=$folder/certified.key STAND_KEY_PK8=$folder/certified.pk8
"$@"
