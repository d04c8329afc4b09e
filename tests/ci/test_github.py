"""GitHub's workflow under act."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from testbed import runners
from tests.ci.conftest import EXAMPLES, Here, commit, with_own_images

WORKFLOW = Path(".github/workflows/release.yml")


def workflow(here: Here) -> dict[Any, Any]:
    """Return the example with this run's registry, images and database."""
    text = with_own_images((EXAMPLES / "github" / WORKFLOW).read_text())
    content: dict[Any, Any] = yaml.safe_load(text.replace("ghcr.io/org/app", here.repository))
    content["on"] = content.pop(True)  # to YAML 1.1, `on` is a boolean
    job = content["jobs"]["release"]
    _, _, scan, sign = job["steps"]  # the first is the checkout, which act does itself
    scan["with"] |= {"db-repository": here.database}
    sign["with"] |= {"tlog": "false"}
    return content


def run(here: Here, checkout: Path, content: dict[Any, Any], home: Path) -> tuple[int, str, str]:
    """Run a workflow; return act's exit code, its log, and the commit."""
    (checkout / WORKFLOW).parent.mkdir(parents=True)
    (checkout / WORKFLOW).write_text(yaml.safe_dump(content, sort_keys=False))
    sha = commit(checkout)
    command = [runners.act(), "push", "--pull=false", "--rm", "--no-cache-server"]
    command += ["-P", f"ubuntu-latest={here.runner}", "--actor", here.registry.username]
    command += ["--container-daemon-socket", os.environ["DOCKER_HOST"]]
    for name in ("GITHUB_TOKEN", "COSIGN_KEY", "COSIGN_PASSWORD"):
        command += ["-s", name]
    home.mkdir()
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "DOCKER_HOST": os.environ["DOCKER_HOST"],
        "GITHUB_TOKEN": here.registry.password,
        "COSIGN_KEY": here.keys.private,
        "COSIGN_PASSWORD": here.keys.password,
    }
    done = subprocess.run(
        command, cwd=checkout, env=environ, stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    return done.returncode, (done.stdout + done.stderr).decode(), sha


def test_the_release_signs_what_it_has_built(here: Here, checkout: Path, tmp_path: Path) -> None:
    code, log, sha = run(here, checkout, workflow(here), tmp_path / "home")
    assert code == 0, log
    assert here.is_signed(here.digest(sha), tmp_path)
    for name, secret in here.secrets.items():
        assert secret not in log, name


def test_a_wrong_input_is_named_as_the_workflow_names_it(here: Here, checkout: Path, tmp_path: Path) -> None:
    content = workflow(here)
    content["jobs"]["release"]["steps"][1]["with"]["tags"] = "no tag"
    content["jobs"]["release"]["steps"][1]["with"]["contxt"] = "."
    code, log, _ = run(here, checkout, content, tmp_path / "home")
    assert code != 0
    assert "::error::with.contxt: unknown input" in log
    with pytest.raises(Exception, match=here.repository):
        here.digest("latest")
