"""The launch files as texts, and the shell commands in them."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
CLUSTER = ROOT / "cluster"
LAUNCHER_FILES = ("aws.yaml", "gcp.yaml", "on_prem.yaml")
LAUNCHER_COMMANDS = (
    "initialization_commands",
    "setup_commands",
    "head_setup_commands",
    "worker_setup_commands",
    "head_start_ray_commands",
    "worker_start_ray_commands",
)


@dataclass(frozen=True)
class Script:
    """Shell text and where it stands."""

    where: str
    text: str


def scripts() -> list[Script]:
    """Every shell script, every command in a YAML file, and in README.md every bash block and sweep in the text."""
    found = [Script(name, (CLUSTER / name).read_text()) for name in ("slurm.sbatch", "setup_node.sh", "env.sh")]
    for name in LAUNCHER_FILES:
        config = yaml.safe_load((CLUSTER / name).read_text())
        for key in LAUNCHER_COMMANDS:
            found += [Script(f"{name}: {key}", command) for command in config.get(key, [])]
    job = yaml.safe_load((CLUSTER / "kuberay_rayjob.yaml").read_text())
    found.append(Script("kuberay_rayjob.yaml: entrypoint", job["spec"]["entrypoint"]))
    readme = (CLUSTER / "README.md").read_text()
    blocks = re.findall(r"^```bash\n(.*?)^```", readme, re.DOTALL | re.MULTILINE)
    found += [Script(f"README.md: block {number}", block) for number, block in enumerate(blocks, start=1)]
    inline = re.findall(r"`((?:python -m mdlray|sbatch )[^`]+)`", re.sub(r"^```.*?^```", "", readme, flags=re.S | re.M))
    found += [Script("README.md: text", text) for text in inline]
    return found


def commands(text: str) -> Iterator[list[str]]:
    """The simple commands of a shell text as lists of words, those in quoted arguments as well."""
    text = re.sub(r"\\\n", " ", text)
    for line in text.splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars=";&|()")
        lexer.whitespace_split = True
        words: list[str] = []
        for token in [*lexer, ";"]:
            if token and set(token) <= set(";&|()"):
                if words:
                    yield words
                words = []
                continue
            words.append(token)
            if " " in token:
                yield from commands(token)


@pytest.fixture(scope="session")
def shell_scripts() -> list[Script]:
    """All shell text of `cluster/`."""
    return scripts()


@pytest.fixture(scope="session")
def shell_commands(shell_scripts: list[Script]) -> list[list[str]]:
    """All simple commands of `cluster/`."""
    return [words for script in shell_scripts for words in commands(script.text)]


@pytest.fixture(scope="session")
def launch_files() -> dict[str, Any]:
    """Contents of the launcher's files by name, parsed."""
    return {name: yaml.safe_load((CLUSTER / name).read_text()) for name in LAUNCHER_FILES}
