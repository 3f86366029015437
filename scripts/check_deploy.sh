#!/bin/sh
# What `make check-deploy` does: rules and alerts by promtool, the stack by amtool and a schema, dashboards on a
# real Prometheus.
#
#   scripts/check_deploy.sh PYTHON      where there is no Prometheus it is skipped with a sentence, but fails if $CI is set
set -eu
cd "$(dirname "$0")/.."

if ! scripts/setup_prometheus.sh; then
    [ -z "${CI:-}" ] || exit 1
    echo "check-deploy: skipped, since there is no Prometheus here"
    exit 0
fi
scripts/setup_stack_checks.sh || [ -z "${CI:-}" ] || exit 1
PROMTOOL=$(pwd)/.prometheus/bin/promtool
cd deploy/prometheus
"$PROMTOOL" check config --syntax-only prometheus.yaml
"$PROMTOOL" check config --syntax-only ../compose/prometheus.yaml
"$PROMTOOL" check rules rules/*.yaml
"$PROMTOOL" test rules tests/*.yaml
cd ../..
exec "$1" -m pytest -q -m prometheus tests/deploy
