"""The launch files as texts, the shell commands in them, and hosts made of namespaces."""

import re
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
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


NAMESPACES = "unshare --pid --fork --kill-child --mount-proc --net --mount".split()
"""A first process of namespaces, with which all of them end."""

OnHosts = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def on_hosts() -> OnHosts:
    """`on_hosts(N, command, environment)` runs it on the first of N hosts (hosts.sh); skips where none can be."""
    missing = [tool for tool in ("unshare", "nsenter", "ip", "pgrep", "hostname") if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"needs the commands {', '.join(missing)}")
    bridge = "ip link add name switch type bridge && ip link add name a type veth peer name b"
    tried = subprocess.run([*NAMESPACES, "bash", "-c", bridge], capture_output=True, text=True)
    if tried.returncode:
        pytest.skip(f"needs root and namespaces: {tried.stderr.strip()}")

    def run(count: int, command: list[Any], environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        hosts = [*NAMESPACES, "bash", str(Path(__file__).parent / "hosts.sh"), str(count)]
        return subprocess.run(
            [*hosts, *command], cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    return run
