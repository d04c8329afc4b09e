"""`gocdnext-plugin exec` in a plugin's image."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from unittest import mock

import pytest
from testbed.environment import environment

from gocdnext_sdk.host.harness.local_registry import LocalRegistry
from gocdnext_sdk.host.scaffold import scaffold


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plugins") / "word-check"
    scaffold("word-check", folder)
    return folder


def run(plugin: Path, workspace: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gocdnext_sdk.host.cli", "exec", str(plugin), "--image", *argv],
        cwd=workspace,
        env={**os.environ, **environment()},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_image_is_built_and_works_on_a_copy_of_the_folder(plugin: Path, workspace: Path) -> None:
    (workspace / "app.py").write_text("# FIXME\n")
    done = run(plugin, workspace, "--with", "path=app.py")
    assert done.returncode == 1, done.stderr
    assert "app.py:1: FIXME" in done.stdout
    assert "output FOUND=1" in done.stdout
    assert [path.name for path in workspace.iterdir()] == ["app.py"]


def test_a_container_reaches_what_its_network_has(workspace: Path, registry: LocalRegistry) -> None:
    docker_push = Path(__file__).parents[2] / "plugins" / "docker-push"
    target = f"{registry.address}/team/app"
    login = ("--with", f"username={registry.username}", "--secret", "PASSWORD")
    argv = ("--with", "action=delete-tag", "--with", f"target={target}:gone", *login)
    password = ("--with", "password=${{ PASSWORD }}")
    with mock.patch.dict(os.environ, PASSWORD=registry.password):
        apart = run(docker_push, workspace, *argv, *password)
        beside = run(docker_push, workspace, *argv, *password, "--network", registry.network)
    assert (apart.returncode, beside.returncode) == (3, 0), apart.stdout + beside.stdout
    assert f"{target}:gone is not there" in beside.stdout


def test_an_engine_that_maps_keys_differently_shows_what_the_plugin_would_get(
    plugin: Path, workspace: Path
) -> None:
    argv = ("--with", "path name=app.py")
    assert "error: with.path-name:" in run(plugin, workspace, *argv).stdout
    assert "error: with.path name:" in run(plugin, workspace, *argv, "--as", "k8s-isolated").stdout
