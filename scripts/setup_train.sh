#!/usr/bin/env bash
# Add what training the demo's versions needs to the environment that scripts/setup_vllm.sh makes.
#
#   scripts/setup_train.sh [VENV]       exit codes as of setup_vllm.sh
set -euo pipefail

VENV=${1:-.venv-vllm}
PEFT="peft>=0.18"
HERE=$(cd "$(dirname "$0")" && pwd)

"$HERE/setup_vllm.sh" "$VENV"

STAMP="$VENV/.fallgate-train"
if [ -f "$STAMP" ] && [ "$(cat "$STAMP")" = "$PEFT" ] && [ "$STAMP" -nt "$VENV/.fallgate-vllm" ]; then
    exit 0
fi
printf '[train] installing %s ...\n' "$PEFT"
if ! "$VENV/bin/python" -m pip --disable-pip-version-check --no-input install -q "$PEFT" >"$VENV/setup-train.log" 2>&1; then
    printf '[train] installing %s failed; pip'\''s own words:\n' "$PEFT" >&2
    tail -n 5 "$VENV/setup-train.log" >&2
    exit 1
fi
printf '%s' "$PEFT" >"$STAMP"
printf '[train] %s is ready for training\n' "$VENV"
