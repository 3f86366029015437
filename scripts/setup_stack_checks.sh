#!/bin/sh
# Puts what checks deploy/compose.yaml into .prometheus/: `amtool`, and the Compose Specification's JSON schema as
# docker-compose has it. Both are taken out of the distribution's packages; nothing is installed.
#
# Exit 0: they are there. 1: they are not; a sentence says what to do.
set -eu
cd "$(dirname "$0")/.."

HOME_DIR=.prometheus
AMTOOL=$HOME_DIR/bin/amtool
SCHEMA=$HOME_DIR/compose_spec.json

fail() {
    echo "setup_stack_checks: $*" >&2
    exit 1
}

[ -x "$AMTOOL" ] && [ -f "$SCHEMA" ] && exit 0
if ! command -v apt-get >/dev/null 2>&1 || ! command -v dpkg-deb >/dev/null 2>&1; then
    fail "amtool and the schema are taken out of Debian's packages prometheus-alertmanager and docker-compose, which this machine cannot fetch."
fi

mkdir -p "$HOME_DIR/bin" "$HOME_DIR/stack"
LOG=$(pwd)/$HOME_DIR/apt-stack.log
echo "setup_stack_checks: fetching the distribution's packages"
(cd "$HOME_DIR/stack" && {
    apt-get download -q prometheus-alertmanager docker-compose ||
        { apt-get update -q && apt-get download -q prometheus-alertmanager docker-compose; }
}) >"$LOG" 2>&1 || { tail -n 5 "$LOG" >&2; fail "the packages could not be fetched; the whole log is $LOG."; }
for package in "$HOME_DIR"/stack/*.deb; do
    dpkg-deb -x "$package" "$HOME_DIR/stack/unpacked"
done
mv "$HOME_DIR/stack/unpacked/usr/bin/amtool" "$AMTOOL"
# Newer docker-compose is one binary, without a file for the schema.
found=$(find "$HOME_DIR/stack/unpacked" -name compose_spec.json | head -n 1)
[ -n "$found" ] && mv "$found" "$SCHEMA"
rm -rf "$HOME_DIR/stack"
[ -f "$SCHEMA" ] || fail "the package docker-compose has no compose_spec.json in it."
