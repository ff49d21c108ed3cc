"""The project as its documents describe it: rooms, links, docstrings."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MODULES = sorted((ROOT / "mdlray").rglob("*.py"))
TEXTS = [
    path for path in sorted(ROOT.rglob("*.md")) if not {"data", ".venv", "venv"} & set(path.relative_to(ROOT).parts)
]


def test_every_relative_link_resolves() -> None:
    for text in TEXTS:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", text.read_text()):
            assert (text.parent / target).exists(), f"{text.relative_to(ROOT)} links to {target}"


def test_the_readme_names_every_room() -> None:
    tree = (ROOT / "README.md").read_text().split("## Where things are")[1].split("```")[1]
    named = set(tree.replace(",", " ").split())
    for path in (ROOT / "mdlray").iterdir():
        if path.name.startswith(("_", ".")) or path.suffix not in ("", ".py"):
            continue
        name = f"{path.name}/" if path.is_dir() else path.name
        assert name in named, f"README.md's tree has no {name}"
    for path in (ROOT / "sweeps").glob("*.py"):
        assert path.name in named


def test_modules_and_public_functions_say_what_they_do() -> None:
    for path in MODULES:
        tree = ast.parse(path.read_text())
        assert ast.get_docstring(tree), path
        for node in tree.body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                assert ast.get_docstring(node), f"{path.name}: {node.name}"
        assert len(path.read_text().splitlines()) <= 320, f"{path} is long: is one idea hiding in two?"


def test_every_dependency_names_its_room() -> None:
    lines = (ROOT / "pyproject.toml").read_text().split("dependencies = [")[1].split("]\n")[0].strip().splitlines()
    rooms = {path.stem for path in MODULES} | {path.name for path in (ROOT / "mdlray").iterdir()}
    for line in lines:
        named = line.split("#")[1].split(":")[0] if "#" in line else ""
        assert named.strip() == "every room that counts" or {n.strip() for n in named.split(",")} <= rooms, line


@pytest.mark.parametrize("module", ["mdlray", "mdlray.sweep", "mdlray.results", "mdlray.planning"])
def test_light_modules_stay_light(module: str) -> None:
    """Listing and planning answer at once: neither torch nor ray nor numba is imported for them."""
    code = f"import sys, {module}; sys.exit(bool({{'torch', 'ray', 'optuna', 'numba'}} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
