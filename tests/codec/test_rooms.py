"""What opening a file imports: the codec, the networks, and what names and addresses need."""

import subprocess
import sys
from pathlib import Path

FILE = next(iter(sorted(Path(__file__).parents[2].glob("results/reference/lenet300_records/models/*.mdl"))))
ALLOWED = {"architectures", "codec", "models", "registry", "spec", "storage"}
HEAVY = {"numba", "numpy", "torch"}
NEITHER = {"matplotlib", "mlxtend", "optuna", "pandas", "pyarrow", "ray", "sklearn", "torchvision"}


def test_opening_a_file_imports_neither_training_nor_compression() -> None:
    code = f"import sys, mdlray; mdlray.decode({str(FILE)!r}); print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    modules = [name.split(".") for name in run.stdout.split()]
    assert {path[1] for path in modules if path[0] == "mdlray" and len(path) > 1} == ALLOWED
    packages = {path[0] for path in modules}
    assert packages >= HEAVY and not packages & NEITHER
