# Read by every shell on a node of aws.yaml, gcp.yaml and on_prem.yaml, and so by `ray exec` and `ray attach`.
# shellcheck shell=bash

# Ray itself decides differently in its different commands when this is not set. The token is ~/.ray/auth_token.
export RAY_AUTH_MODE=token
export PATH="$HOME/venv/bin:$PATH"
