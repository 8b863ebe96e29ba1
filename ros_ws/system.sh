#!/usr/bin/env bash
# Installs the system packages that make's environment needs, as this distribution names them.
#   system.sh python [COMMAND]   what all targets need; prints the Python for the environment: COMMAND, or the first found
#   system.sh browser            Chromium, which a few tests look at pages with; nothing where apt has only a snap of it
# Standard output is for make; what a person shall read goes to standard error. apt's own words go to log/apt.log.
set -eu -o pipefail

SUPPORTED="python3.11 python3.12 python3.13"
LOG=log/apt.log

fail() { echo "error: $*" >&2; exit 1; }
starts() { "$1" -c 'import sys' >/dev/null 2>&1; }  # a command may be there and not start: pyenv's, for one
has_library() { [[ $(ldconfig -p) == *"$1"* ]]; }

offered() {  # does apt have a package of this name, and no empty one that leads to a snap?
  local policy depends
  policy=$(apt-cache policy "$1" 2>/dev/null) && depends=$(apt-cache depends "$1" 2>/dev/null)
  [[ $policy =~ Candidate:\ [0-9] && ! $depends =~ snapd ]]
}

update() {
  [ -z "${UPDATED:-}" ] || return 0
  command -v apt-get >/dev/null || fail "no apt here: $1 with your system's own tool, then call make again"
  mkdir -p "$(dirname $LOG)"
  quietly apt-get update
  UPDATED=yes
}

quietly() {  # run a command of apt as root, its words into the log; show them if it fails
  local sudo=""
  [ "$(id -u)" = 0 ] || sudo="sudo"
  DEBIAN_FRONTEND=noninteractive $sudo "$@" >>$LOG 2>&1 </dev/null || { tail -n 20 $LOG >&2; fail "$* failed: all it said is in $LOG"; }
}

install() {
  [ $# -gt 0 ] || return 0
  update "install $*"
  echo "installing system packages: $*" >&2
  quietly apt-get install -y --no-install-recommends "$@"
}

choose_python() {  # $1: the one that is asked for, or nothing. Sets `python`, a command
  local name
  if [ -n "$1" ]; then
    starts "$1" || fail "PYTHON=$1 does not start"
    case " $SUPPORTED " in
      *" python$("$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])') "*) python=$1; return ;;
      *) fail "PYTHON=$1 is $("$1" -V 2>&1): it must be one of $SUPPORTED" ;;
    esac
  fi
  for name in $SUPPORTED; do
    if starts "$name"; then python=$name; return; fi
  done
  update "install one of $SUPPORTED"
  for name in $SUPPORTED; do
    if offered "$name"; then python=$name; return; fi  # `needed_by` installs it
  done
  fail "there is none of $SUPPORTED here, and apt offers none: install one, or say PYTHON=/path/to/python"
}

needed_by() {  # $1: the environment's Python. Prints the packages that are missing
  has_library libEGL.so.1 && has_library libGL.so.1 || echo libegl1 libegl-mesa0 libgl1-mesa-dri libgl1
  has_library libOSMesa.so || echo libosmesa6
  command -v c++ >/dev/null || echo build-essential
  command -v cmake >/dev/null || echo cmake
  command -v ip >/dev/null || echo iproute2
  starts "$1" || echo "$1"
  "$1" -c 'import ensurepip, venv' 2>/dev/null || echo "$1-venv"
  "$1" -c 'import sys, sysconfig, pathlib; sys.exit(not pathlib.Path(sysconfig.get_path("include"), "Python.h").exists())' \
    2>/dev/null || echo "$1-dev"
}

case "${1:-}" in
  python)
    choose_python "${2:-}"
    # shellcheck disable=SC2046  # words are packages
    install $(needed_by "$python")
    echo "$python"
    ;;
  browser)
    command -v chromium >/dev/null && exit
    command -v apt-get >/dev/null || { echo "no apt here: tests that look at pages skip" >&2; exit 0; }
    update "install chromium"
    if offered chromium; then install chromium fonts-dejavu-core; else
      echo "apt has no chromium but a snap's, which sees no file of a test: tests that look at pages skip" >&2
    fi
    ;;
  *) fail "system.sh python [COMMAND] | browser" ;;
esac
