#!/usr/bin/env bash
# Creates .venv and brings it to the state of requirements.lock. By uv; by pip where uv cannot be had.
set -euo pipefail
cd "$(dirname "$0")/.."
python="$1"

[ -x .venv/bin/python ] || "$python" -m venv .venv
if [ -x .venv/bin/uv ] || .venv/bin/python -m pip install --quiet uv; then
  VIRTUAL_ENV="$PWD/.venv" .venv/bin/uv pip sync requirements.lock
  VIRTUAL_ENV="$PWD/.venv" .venv/bin/uv pip install --quiet --no-deps --editable .
else
  echo "uv cannot be installed; going on with pip, which takes longer" >&2
  .venv/bin/python -m pip install --require-hashes --requirement requirements.lock
  .venv/bin/python -m pip install --no-deps --editable .
fi
.venv/bin/python -m medheart_models.training.export
