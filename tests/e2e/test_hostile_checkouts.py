"""What a checkout brings for the tools decides nothing without a word, and nothing is sent for it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from gocdnext_sdk.host.testing import PluginRunner, Result

TRIVY = Path(__file__).parents[2] / "plugins" / "trivy"
TOKEN = "ghp_" + "16C7e42F292c6912E7710c838347Ae178B4a"


@pytest.fixture
def leaky(workspace: Path) -> Path:
    """A checkout with a finding."""
    (workspace / "creds.txt").write_text(f'key = "{TOKEN}"\n')
    return workspace


def scan(run_plugin: PluginRunner, **with_: str) -> Result:
    return run_plugin(TRIVY, {"scanners": "secret"} | with_)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("trivy.yaml", "scan:\n  skip-files: [creds.txt]\n"),
        (".trivyignore", "github-pat\n"),
        ("trivy-secret.yaml", "allow-rules:\n  - {id: x, regex: ghp_.*}\n"),
    ],
)
def test_what_accepts_findings_is_told(
    run_plugin: PluginRunner, leaky: Path, name: str, content: str
) -> None:
    scan(run_plugin).exited(1)
    (leaky / name).write_text(content)
    result = scan(run_plugin).passed()
    assert any(line.startswith(f"==> {name} of the checkout is used") for line in result.log.splitlines())


@pytest.mark.parametrize("setting", ["server:\n  addr: http://127.0.0.1:9\n", "insecure: true\n"])
def test_trivys_configuration_sends_nothing_elsewhere(
    run_plugin: PluginRunner, leaky: Path, setting: str
) -> None:
    (leaky / "trivy.yaml").write_text(setting)
    (call, *_) = scan(run_plugin).exited(1).calls
    assert "--insecure=false" in call.argv


@pytest.mark.parametrize(
    "with_",
    [
        {"ignorefile": "link"},
        {"config": "link"},
        {"vex": "link"},
        {"output": "link"},
        {"format": "template", "template": "@link.tpl"},
    ],
)
def test_no_link_to_a_process_is_followed(
    run_plugin: PluginRunner, leaky: Path, with_: dict[str, str]
) -> None:
    for name in ("link", "link.tpl"):
        (leaky / name).symlink_to("/proc/self/environ")
    run_plugin(TRIVY, with_, secrets={"TOKEN": TOKEN}).exited(2)


def test_the_repository_does_not_bring_the_database_that_judges_it(
    run_plugin: PluginRunner, leaky: Path
) -> None:
    database = leaky / ".cache" / "trivy" / "db"
    database.mkdir(parents=True)
    (database / "metadata.json").write_text("{}")
    subprocess.run(["git", "init", "-q"], cwd=leaky, check=True)
    scan(run_plugin).exited(1)
    subprocess.run(["git", "add", "-A", "-f"], cwd=leaky, check=True)
    assert scan(run_plugin).exited(2).errors[0].startswith("with.cache-dir:")


def test_nor_does_a_link_take_it_elsewhere(run_plugin: PluginRunner, leaky: Path, tmp_path: Path) -> None:
    (leaky / ".cache").symlink_to(tmp_path)
    assert scan(run_plugin).exited(2).errors[0].startswith("with.cache-dir:")


def test_no_helper_of_the_checkout_is_run(run_plugin: PluginRunner, leaky: Path) -> None:
    helper = leaky / "bin" / "docker-credential-evil"
    helper.parent.mkdir()
    helper.write_text(f"#!/bin/sh\ntouch {leaky}/pwned\n")
    helper.chmod(0o755)
    (leaky / ".docker").mkdir()
    (leaky / ".docker" / "config.json").write_text('{"credsStore": "evil"}')
    environ = {"HOME": str(leaky), "PATH": f"{leaky}/bin:{os.environ['PATH']}"}
    with_ = {"scan-type": "image", "target": "localhost:9/app:v1", "scanners": "secret"}
    run_plugin(TRIVY, with_, env=environ).exited(3)
    assert not (leaky / "pwned").exists()
