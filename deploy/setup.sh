#!/usr/bin/env bash
# Installs what a build or the tests lack, and says what. As root it installs; otherwise
# it uses sudo where that works without a password, or prints the one command to run.
set -euo pipefail

# Where Debian puts servers, and where not every user looks.
PATH=$PATH:/usr/sbin

packages=()
need() { command -v "$1" >/dev/null 2>&1 || packages+=("$2"); }

need cc gcc
need c++ g++
need make make
need cmake cmake
need curl curl
if [ "${1:-build}" = test ]; then
  need openssl openssl
  need systemd-analyze systemd
  need pgrep procps   # which brings `kill` as a program
  # The server's programs stay out of the PATH; the tests start servers of their own.
  compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || need initdb postgresql
  # Relays to compare with, and what the PostgreSQL clients of the tests are written in.
  need haproxy haproxy
  need pgbouncer pgbouncer
  need python3 python3
  python3 -c 'import ensurepip' >/dev/null 2>&1 || packages+=(python3-venv)
  need go golang-go
  need node nodejs
  need npm npm
  need javac default-jdk-headless
  need mvn maven
fi
if [ "${1:-build}" = bench ]; then
  need nginx nginx-light
  need wrk wrk
  compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || need initdb postgresql
  need pgbouncer pgbouncer
fi
if ! command -v cargo >/dev/null 2>&1; then
  echo "Rust is missing: install it from https://rustup.rs, then run this again." >&2
  exit 1
fi
install_packages() {
  echo "installing: ${packages[*]}"
  command="apt-get update -qq && apt-get install -y -qq --no-install-recommends -o DPkg::Lock::Timeout=300 ${packages[*]}"
  if [ "$(id -u)" -eq 0 ]; then
    # Packages of servers start them; a build must not.
    if [ ! -e /usr/sbin/policy-rc.d ]; then
      printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d
      chmod +x /usr/sbin/policy-rc.d
      trap 'rm -f /usr/sbin/policy-rc.d' EXIT
    fi
    # Nor make a database that nobody asked for.
    if [[ " ${packages[*]} " == *" postgresql "* ]] && [ ! -e /etc/postgresql-common/createcluster.conf ]; then
      mkdir -p /etc/postgresql-common
      echo 'create_main_cluster = false' > /etc/postgresql-common/createcluster.conf
    fi
    DEBIAN_FRONTEND=noninteractive bash -c "$command" >/dev/null
  elif sudo -n true 2>/dev/null; then
    sudo DEBIAN_FRONTEND=noninteractive bash -c "$command" >/dev/null
  else
    echo "not root: run this once, then try again:" >&2
    echo "  sudo bash -c '$command'" >&2
    exit 1
  fi
}

[ "${#packages[@]}" -eq 0 ] || install_packages
[ "${1:-build}" != test ] || "$(dirname "$0")/postgres-clients.sh"
