#!/usr/bin/env bash
# Licences, bans and sources always; advisories whenever their database can be had.
set -euo pipefail
deny=$(command -v cargo-deny || true)
if [ -z "$deny" ]; then
  deny="${ALLONYM_TOOLS:-$HOME/.cache/allonym/tools}/bin/cargo-deny"
  if [ ! -x "$deny" ]; then
    echo "installing cargo-deny (once)"
    cargo install --quiet --locked cargo-deny --version 0.20.2 --root "${deny%/bin/cargo-deny}"
  fi
fi
"$deny" --log-level error check bans licenses sources
if timeout 60 "$deny" --log-level error fetch db >/dev/null 2>&1; then
  "$deny" --log-level error check advisories
else
  echo "advisories NOT checked: their database cannot be reached from here" >&2
fi
