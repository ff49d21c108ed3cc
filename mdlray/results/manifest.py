"""The bytes of `manifest.json` → a mapping, or an error that says what is wrong with them.

The manifest is written for people; no row depends on it. It is a mapping like this, and both entries may be missing:

    {"runs": [{"sweep": "toy", "question": "…", "command": "…", …}, …], "data_checksums": {"mnist": ["sha256:…"]}}

`mdlray.driver.manifest` makes it.
"""

import json
from typing import Any


def parse_manifest(content: bytes) -> dict[str, Any]:
    """The manifest in these bytes; ValueError for bytes that are not JSON, and for JSON of another shape."""
    if not content.strip():
        return {}
    try:
        manifest = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"it is no JSON: {error}") from error
    if not isinstance(manifest, dict):
        raise ValueError(f"it must be a JSON object, and is a {type(manifest).__name__}")
    runs, checksums = manifest.get("runs", []), manifest.get("data_checksums", {})
    if not isinstance(runs, list) or not all(isinstance(run, dict) for run in runs):
        raise ValueError('"runs" must be a list of objects')
    if not isinstance(checksums, dict) or not all(isinstance(values, list) for values in checksums.values()):
        raise ValueError('"data_checksums" must be an object of lists')
    return manifest


def last_run(manifest: dict[str, Any]) -> dict[str, Any]:
    """The entry of the command's last run; empty if there is no run."""
    runs: list[dict[str, Any]] = manifest.get("runs", [])
    return runs[-1] if runs else {}
