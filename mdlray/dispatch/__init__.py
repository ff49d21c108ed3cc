"""Packs -> Ray Tune -> results, one pack per Tune trial; the only room that knows Ray.

    connect ─► choose_resources (share_gpus) ─► run_packs ─► disconnect

Ray Tune schedules, restarts lost workers and keeps actors warm; it is not the ledger. Our Searcher hands out the next
pack and receives its result in the one report at the end, on the driver, which is the only writer. What is done is a
question to the results folder (`mdlray.planning.missing_packs`), so that nothing of Tune's own state has to survive: it
lies in a temporary folder and is never restored (a restore re-runs finished trials).
"""

import os

TOKEN = os.path.expanduser("~/.ray/auth_token")

# Read by Ray when it is imported. The loggers would write five files per trial and re-read them; the snapshot grows
# with the sweep and is never restored; the strict check is for searchers that read metrics, ours takes whole results;
# signals are the driver's business.
for name, value in {
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000000",
    "TUNE_WARN_THRESHOLD_S": "60",
}.items():
    os.environ.setdefault(name, value)

# A Ray that starts here makes a token, and a head that is started later asks for it; but who joins a cluster by its
# address shows no token unless told to (Ray 2.60). A cluster without tokens does not mind being shown one.
if os.environ.get("RAY_AUTH_TOKEN") or os.environ.get("RAY_AUTH_TOKEN_PATH") or os.path.exists(TOKEN):
    os.environ.setdefault("RAY_AUTH_MODE", "token")

from mdlray.dispatch.board import Board  # noqa: E402
from mdlray.dispatch.connection import Shared, connect, disconnect, share  # noqa: E402
from mdlray.dispatch.packs import DriverCallbacks, run_packs  # noqa: E402
from mdlray.dispatch.resources import (  # noqa: E402
    Resources,
    choose_resources,
    on_each_kind_of_gpu,
    on_each_node,
    share_gpus,
)

__all__ = [
    "Board",
    "DriverCallbacks",
    "Resources",
    "Shared",
    "choose_resources",
    "connect",
    "disconnect",
    "on_each_kind_of_gpu",
    "on_each_node",
    "run_packs",
    "share",
    "share_gpus",
]
