"""The old name of `mdlray.studies.baktash_2019.protocol`, so that sweep files written for version 0.1 still run."""

from mdlray.studies.baktash_2019.protocol import *  # noqa: F403
