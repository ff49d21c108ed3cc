"""Sweep files written for version 0.1 import what they need from where it was then."""

import mdlray.plan
import mdlray.protocol
import mdlray.space
from mdlray import planning
from mdlray.studies.baktash_2019 import protocol


def test_old_names_are_the_new_things() -> None:
    for name in ("Sweep", "Halving", "vary", "cross", "vary_seeds"):
        assert getattr(mdlray.plan, name) is getattr(planning, name)
    assert mdlray.space.usual_space is planning.usual_space and mdlray.space.LossySpace is planning.LossySpace
    for name in ("BASE", "QUICK_BASE", "CONVNETS", "UNPRUNED", "dense", "hashed", "convnet"):
        assert getattr(mdlray.protocol, name) is getattr(protocol, name)
