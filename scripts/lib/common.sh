# shellcheck shell=bash
# What every script shares: where things are, and how to speak.
set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
CACHE=${SENDER_FILTER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sender-filter-toolkit}
RUN=/run/sender-filter-toolkit
export ROOT CACHE RUN

say() { printf '\n\033[1m== %s\033[0m\n' "$*"; }

die() {
  printf '%s: %s\n' "$(basename "$0")" "$*" >&2
  exit 1
}

# Prints the comment block at the head of a script: its --help.
usage() { sed -n '2,/^[^#]/{s/^# \{0,1\}//p}' "$0"; }

need_root() {
  [[ $EUID -eq 0 ]] || die "must run as root: it starts containers that boot systemd (try: sudo $0)"
}
