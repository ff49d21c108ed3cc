"""mdlray: how few bytes does a network need, at which accuracy, and what does that say about what it learned?

`mdlray.load(folder)` reads a sweep's rows into pandas, `mdlray.decode(file)` turns a compressed network back into a
torch module. Both import what they need when they are called, so that `import mdlray` stays light.
"""

from mdlray.spec import TrialSpec

__all__ = ["TrialSpec"]
