"""The page about the examples names each folder, and its commands are good: some are done."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from gocdnext_sdk.host.cli import local_run
from gocdnext_sdk.host.cli.commands import group
from gocdnext_sdk.host.cli.project import Project
from gocdnext_sdk.host.cli.secrets import read_file
from gocdnext_sdk.host.harness.engine import docker as docker_engine

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "examples" / "README.md").read_text()
BLOCKS = re.findall(r"^```sh\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
RUNS = re.findall(r"^gocdnext-plugin (run .*)$", "".join(BLOCKS), re.MULTILINE)
OFFLINE = [
    *(block for block in BLOCKS if "gocdnext-plugin plan" in block),
    *re.findall(r"\| `(gocdnext-plugin .*?)` \|", PAGE),
]
KEY = next(block for block in BLOCKS if "cosign generate-key-pair" in block)
PEM = "-----BEGIN {0}-----\nZ29jZG5leHQ=\n-----END {0}-----\n"


def shell(commands: str, folder: Path) -> None:
    """Run commands at the top of the checkout, with another folder for /tmp."""
    path = os.pathsep.join([str(folder), str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands.replace("/tmp/", f"{folder}/")],
        cwd=ROOT,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_folder_is_on_the_page() -> None:
    folders = {path.name for path in (ROOT / "examples").iterdir() if path.is_dir()}
    assert set(re.findall(r"^\| \[(\S+)/\]\(\1/\) \|", PAGE, re.MULTILINE)) == folders


@pytest.mark.parametrize("commands", OFFLINE, ids=lambda text: text.splitlines()[-1])
def test_what_needs_no_engine_works(commands: str, tmp_path: Path) -> None:
    shell(commands, tmp_path)


@pytest.mark.parametrize(
    ("event", "tags"),
    [
        (["push", "--branch", "feat/login"], ["feat-login"]),
        (["push", "--branch", "main"], ["edge", "main"]),
        (["tag", "--tag", "v1.2.3"], ["1.2.3", "1.2", "latest"]),
        (["tag", "--tag", "v2.0.0-rc.1"], ["2.0.0-rc.1"]),
        (["pull_request", "--pr", "17"], ["pr-17"]),
        (["schedule", "--branch", "main"], ["nightly", "edge", "main"]),
    ],
)
def test_a_plan_shows_the_tags_of_its_event(event: list[str], tags: list[str]) -> None:
    file = str(ROOT / "examples" / "tags" / ".gocdnext" / "image.yaml")
    result = CliRunner().invoke(group, ["plan", file, "--json", "--event", *event])
    assert result.exit_code == 0, result.output
    build, scan = json.loads(result.output)["jobs"]
    found = build["run"]["outputs"]["TAGS"].split(",")
    assert [tag for tag in found if not tag.startswith("sha-")] == tags
    assert any(tag.startswith("sha-") for tag in found)
    assert scan["run"]["inputs"]["target"].endswith("<digest of ghcr.io/demo/hello>")


def test_the_settings_name_the_image_of_every_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (commands,) = (block for block in BLOCKS if "gocdnext-plugin.toml" in block)
    (tmp_path / "make").write_text("#!/bin/sh\n")
    (tmp_path / "make").chmod(0o700)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    subprocess.run(["bash", "-euc", commands], check=True)
    plugins = [folder.name for folder in (ROOT / "plugins").iterdir()]
    assert Project.find().images == {name: f"localhost/gocdnext-plugin-{name}:dev" for name in plugins}
    assert "/gocdnext-plugin.toml\n" in (ROOT / ".gitignore").read_text()


class Reached(Exception):
    """All that is checked before the engine is asked was good."""


@pytest.mark.parametrize("command", RUNS)
def test_a_run_gets_as_far_as_the_engine(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def reach(*_: object) -> None:
        raise Reached

    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(docker_engine, "DockerEngine", lambda: None)
    monkeypatch.setattr(local_run, "Session", reach)
    (tmp_path / "example.key").write_text(PEM.format("ENCRYPTED SIGSTORE PRIVATE KEY"))
    (tmp_path / "example.pub").write_text(PEM.format("PUBLIC KEY"))
    (tmp_path / "cosign").write_text("#!/bin/sh\n")
    (tmp_path / "cosign").chmod(0o700)
    shell(KEY, tmp_path)
    words = shlex.split(command.replace("/tmp/", f"{tmp_path}/"))
    result = CliRunner().invoke(group, words)
    assert isinstance(result.exception, Reached), (result.output, result.exception)


@pytest.mark.parametrize("password", ['a"b', r"a\nb", r"\\'", "$HOME `ls` #x", " é ", "a\nb"])
def test_the_file_of_secrets_carries_any_password(password: str, tmp_path: Path) -> None:
    for name in ("example.key", "example.pub"):
        (tmp_path / name).write_text(PEM.format("KEY"))
    (tmp_path / "cosign").write_text("#!/bin/sh\n")
    (tmp_path / "cosign").chmod(0o700)
    shell(KEY.replace("any-password", shlex.quote(password)), tmp_path)
    assert read_file(tmp_path / "secrets.env")["COSIGN_PASSWORD"] == password
