"""What the launch files repeat agrees: authentication, versions, and the README with the files."""

import re
import tomllib
from pathlib import Path
from typing import Any

CLUSTER = Path(__file__).parents[2] / "cluster"
ROOT = CLUSTER.parent
FILES = sorted(path for path in CLUSTER.iterdir() if path.is_file())
CONSTRAINTS = dict(re.findall(r"^([\w-]+)==(\S+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE))


def test_every_file_that_starts_ray_sets_the_authentication() -> None:
    starts_ray = [path for path in FILES if path.name not in ("kuberay_volume.yaml", "Dockerfile.dockerignore")]
    assert len(starts_ray) == 9
    for path in starts_ray:
        assert re.search(r"RAY_AUTH_MODE(=|\n\s+value: )token", path.read_text()), path.name
        assert "disabled" not in path.read_text(), path.name


def test_every_ray_start_of_the_launcher_sets_it_itself(launch_files: dict[str, Any]) -> None:
    for name, config in launch_files.items():
        for key in ("head_start_ray_commands", "worker_start_ray_commands"):
            starts = [command for command in config[key] if "ray start" in command]
            assert len(starts) == 1 and "RAY_AUTH_MODE=token ray start" in starts[0], (name, key)


def test_no_file_holds_a_token() -> None:
    for path in FILES:
        assert not re.search(r"\b[0-9a-f]{32,}\b", path.read_text()), path.name


def test_versions_are_those_of_the_project() -> None:
    texts = {path.name: path.read_text() for path in FILES}
    rays = [found for text in texts.values() for found in re.findall(r"ray\[[\w,]+\]==([\d.]+\d)", text)]
    rays += re.findall(r'rayVersion: "(.*)"', texts["kuberay_rayjob.yaml"])
    assert len(rays) >= 6 and set(rays) == {CONSTRAINTS["ray"]}

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    (lowest,) = re.findall(r">=(3\.\d+)", project["project"]["requires-python"])
    patterns = r"python:(3\.\d+)-", r"--python (3\.\d+)", r"python(3\.\d+) -m venv"
    pythons = [found for text in texts.values() for pattern in patterns for found in re.findall(pattern, text)]
    assert len(pythons) == 3 and set(pythons) == {lowest}

    tags = {tag for text in texts.values() for tag in re.findall(r"/mdlray:([\d.]+\d)", text)}
    assert tags == {project["project"]["version"]}


def test_every_installation_uses_the_constraints() -> None:
    for path in FILES:
        for line in re.findall(r".*\bpip\S* (?:install|.* install) .*", path.read_text()):
            assert "-c constraints.txt" in line, (path.name, line)


def test_the_readme_names_every_file_and_every_place_to_edit() -> None:
    readme = (CLUSTER / "README.md").read_text()
    for path in FILES:
        assert path.name in readme or path.suffix in (".dockerignore", ".md"), path.name
    for file, placeholder, count in (("aws.yaml", "ImageId: AMI", 2), ("gcp.yaml", "project_id: PROJECT", 1)):
        assert (CLUSTER / file).read_text().count(placeholder) == count and f"s/{placeholder}/" in readme
    assert (CLUSTER / "gcp.yaml").read_text().count("family/IMAGE") == 1 and "s,family/IMAGE," in readme
    for place in ("gpus 64", "s3://", "gs://"):
        assert place in readme
