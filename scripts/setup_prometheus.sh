#!/bin/sh
# Puts `prometheus` and `promtool` into .prometheus/bin: those of this machine, or else the distribution's package,
# unpacked beside everything else. Nothing is installed, so no service is started and nobody needs to be root.
#
# Exit 0: they are there. 1: they are not; a sentence says what to do.
set -eu
cd "$(dirname "$0")/.."

HOME_DIR=.prometheus
BIN=$HOME_DIR/bin

fail() {
    echo "setup_prometheus: $*" >&2
    exit 1
}

[ -x "$BIN/prometheus" ] && [ -x "$BIN/promtool" ] && exit 0
mkdir -p "$BIN"

if command -v prometheus >/dev/null 2>&1 && command -v promtool >/dev/null 2>&1; then
    ln -sf "$(command -v prometheus)" "$(command -v promtool)" "$BIN/"
    exit 0
fi
if ! command -v apt-get >/dev/null 2>&1 || ! command -v dpkg-deb >/dev/null 2>&1; then
    fail "prometheus and promtool are missing; install them (Debian and Ubuntu: apt-get install prometheus; Fedora: dnf install golang-github-prometheus)."
fi

echo "setup_prometheus: fetching the distribution's package"
LOG=$(pwd)/$HOME_DIR/apt.log
# As root, apt reads as a user of its own, which may not write here, and says so; it fetches all the same.
(cd "$HOME_DIR" && { apt-get download -q prometheus || { apt-get update -q && apt-get download -q prometheus; }; }) \
    >"$LOG" 2>&1 || { tail -n 5 "$LOG" >&2; fail "the package prometheus could not be fetched; the whole log is $LOG."; }
dpkg-deb -x "$HOME_DIR"/prometheus_*.deb "$HOME_DIR/unpacked"
mv "$HOME_DIR/unpacked/usr/bin/prometheus" "$HOME_DIR/unpacked/usr/bin/promtool" "$BIN/"
rm -rf "$HOME_DIR/unpacked" "$HOME_DIR"/prometheus_*.deb
"$BIN/promtool" --version >/dev/null 2>&1 || fail "the promtool that was fetched does not run here."
