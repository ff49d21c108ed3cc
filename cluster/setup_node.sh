#!/usr/bin/env bash
# Install this checkout into ~/venv, with Python 3.11 and the versions of constraints.txt, on one node of a cluster.
# Again does no harm. Arguments: further packages, e.g. what Ray needs to talk to a cloud.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export RAY_AUTH_MODE=token

# uv brings its own Python: images of clouds have 3.10, 3.12 or 3.14, and Ray wants the same on every node.
uv="$HOME/.local/bin/uv"
[ -x "$uv" ] || curl -LsSf https://astral.sh/uv/install.sh | env UV_NO_MODIFY_PATH=1 sh
"$uv" venv --quiet --allow-existing --python 3.11 ~/venv
# ray[default]: without it there is no dashboard and no cluster launcher on the head.
"$uv" pip install --quiet --python ~/venv/bin/python -c constraints.txt -e . 'ray[default]==2.60.0' "$@"

line="source ~/mdlray/cluster/env.sh"
grep -qxF "$line" ~/.bashrc || echo "$line" >> ~/.bashrc
