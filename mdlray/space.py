"""The old name of `mdlray.planning.space`, so that sweep files written for version 0.1 still run."""

from mdlray.planning.space import *  # noqa: F403
