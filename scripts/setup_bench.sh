#!/bin/sh
# Puts what `make bench` needs into .bench/: the load generator, and the gateways that Fallgate is measured beside.
# FULL=1 adds LiteLLM. What is there already is kept; remove .bench/ to begin anew.
set -eu
cd "$(dirname "$0")/.."

BENCH=.bench
PYTHON=${PYTHON:-.venv/bin/python}
SMG=${SMG:-smg>=1.13}
LITELLM=${LITELLM:-litellm[proxy]>=1.108}

fail() {
    echo "setup_bench: $*" >&2
    exit 1
}

[ "$(uname -s)" = Linux ] || fail "processes are measured through /proc, so this needs Linux."
command -v "$PYTHON" >/dev/null 2>&1 || fail "$PYTHON is missing; run \`make setup\` first, or name one with PYTHON=..."

# need COMMAND PACKAGE: on Debian, and as root, the package is installed; elsewhere its name is said.
need() {
    command -v "$1" >/dev/null 2>&1 && return
    if command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
        echo "setup_bench: installing $2 ($1 is missing)"
        apt-get install -y -q "$2" >"$BENCH/apt.log" 2>&1 ||
            { apt-get update -q && apt-get install -y -q "$2"; } >>"$BENCH/apt.log" 2>&1 || true
        command -v "$1" >/dev/null 2>&1 && return
    fi
    fail "$1 is missing; install it (Debian and Ubuntu: apt-get install $2; Fedora: dnf install $3)."
}

# peer NAME COMMAND REQUIREMENT: a virtual environment of its own, since peers pin what Fallgate does not want.
peer() {
    [ -x "$BENCH/$1/bin/$2" ] && return
    echo "setup_bench: installing $3 into $BENCH/$1"
    rm -rf "${BENCH:?}/$1"
    "$PYTHON" -m venv "$BENCH/$1"
    "$BENCH/$1/bin/pip" install -q --disable-pip-version-check "$3" >"$BENCH/$1.pip.log" 2>&1 ||
        { tail -n 5 "$BENCH/$1.pip.log" >&2; fail "$3 could not be installed; the whole log is $BENCH/$1.pip.log."; }
    [ -x "$BENCH/$1/bin/$2" ] || fail "$3 brought no command $2."
}

mkdir -p "$BENCH"
PATH=$PATH:/usr/sbin:/usr/local/sbin:/usr/local/go/bin
need go golang-go golang
need nginx nginx-light nginx
peer smg smg "$SMG"
[ "${FULL:-0}" != 1 ] || peer litellm litellm "$LITELLM"

echo "setup_bench: building the load generator"
out=$(pwd)/$BENCH/traffic
(cd tests/bench/traffic && GOTOOLCHAIN=local GOFLAGS=-mod=mod CGO_ENABLED=0 go build -o "$out" .) ||
    fail "the load generator does not build; its source is tests/bench/traffic (Go 1.19 or newer)."
