#!/usr/bin/env bash
# Creates .venv-slicer: 3D Slicer's engine as a wheel, apart from .venv because VTK and names would clash.
set -euo pipefail
cd "$(dirname "$0")/.."
python=.venv/bin/python
for candidate in python3.12; do
  if "$candidate" -c 'import sys; raise SystemExit(sys.version_info[:2] != (3, 12))' 2>/dev/null; then python="$candidate"; fi
done

[ -x .venv-slicer/bin/python ] || "$python" -m venv .venv-slicer
if [ -x .venv/bin/uv ]; then
  VIRTUAL_ENV="$PWD/.venv-slicer" .venv/bin/uv pip sync requirements-slicer.lock
else
  .venv-slicer/bin/python -m pip install --require-hashes --requirement requirements-slicer.lock
fi
