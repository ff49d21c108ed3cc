"""The old name of `mdlray.planning`, so that sweep files written for version 0.1 still run."""

from mdlray.planning import *  # noqa: F403
