"""GitLab's pipeline and component under gitlab-ci-local."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import yaml
from testbed import runners
from testbed.images import plugin_tag
from testbed.pins import ROOT
from tests.ci.conftest import EXAMPLES, Here, commit, with_own_images

from gocdnext_sdk.host.harness.build import build_contexts, build_image


def run(here: Here, checkout: Path, content: Any, home: Path, *jobs: str) -> tuple[int, str, str]:
    """Run a pipeline; return the exit code, the log, and the commit."""
    (checkout / ".gitlab-ci.yml").write_text(yaml.safe_dump(content, sort_keys=False))
    (checkout / ".gitignore").write_text(".gitlab-ci-local\n")
    sha = commit(checkout)
    home.mkdir()
    variables = home / "variables.yml"
    given = {
        "CI_REGISTRY_USER": here.registry.username,
        "CI_REGISTRY_PASSWORD": here.registry.password,
        "COSIGN_KEY": here.keys.private,
        "COSIGN_PASSWORD": here.keys.password,
    }
    variables.write_text(yaml.safe_dump(given))
    command = [str(runners.gitlab_ci_local()), *jobs, "--home", str(home)]
    command += ["--variables-file", os.path.relpath(variables, checkout)]
    command += ["--pull-policy", "if-not-present", "--network", "host", "--helper-image", here.runner]
    command += ["--shell-executor-no-image=false", "--variable", f"CI_REGISTRY_IMAGE={here.repository}"]
    environ = {"PATH": os.environ["PATH"], "HOME": str(home), "DOCKER_HOST": os.environ["DOCKER_HOST"]}
    done = subprocess.run(
        command, cwd=checkout, env=environ, stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    return done.returncode, (done.stdout + done.stderr).decode(), sha


def pipeline(here: Here) -> dict[str, Any]:
    """Return the example with this run's images and database."""
    content: dict[str, Any] = yaml.safe_load(
        with_own_images((EXAMPLES / "gitlab" / ".gitlab-ci.yml").read_text())
    )
    content["scan"]["variables"]["PLUGIN_DB_REPOSITORY"] = here.database
    content["sign"]["variables"]["PLUGIN_TLOG"] = "false"
    return content


def test_the_release_signs_what_it_has_built(here: Here, checkout: Path, tmp_path: Path) -> None:
    code, log, sha = run(here, checkout, pipeline(here), tmp_path / "home")
    assert code == 0, log
    assert here.is_signed(here.digest(sha[:8]), tmp_path)


def test_a_component_is_included_with_its_inputs(here: Here, checkout: Path, tmp_path: Path) -> None:
    template = with_own_images((ROOT / "plugins/trivy/ci/gitlab/template.yml").read_text())
    (checkout / "trivy.yml").write_text(template)
    inputs = {
        "job-name": "configuration",
        "stage": "test",
        "scan-type": "config",
        "severity": "HIGH,CRITICAL",
    }
    (checkout / "Dockerfile").write_text("FROM alpine:latest\nRUN sudo true\nUSER root\n")
    content = {"stages": ["test"], "include": [{"local": "trivy.yml", "inputs": inputs}]}
    code, log, _ = run(here, checkout, content, tmp_path / "home")
    assert code != 0, log
    assert "HIGH" in log
    assert "configuration" in log


def test_a_script_runs_the_plugin_in_its_image_with_a_shell(
    here: Here, checkout: Path, tmp_path: Path
) -> None:
    image = f"{plugin_tag('trivy')}-shell"
    plugin = {"plugin": f"docker-image://{plugin_tag('trivy')}"}
    build_image(ROOT / "sdk" / "shell", image, build_contexts() | plugin)
    (checkout / "Dockerfile").write_text("FROM alpine:latest\nRUN sudo true\nUSER root\n")
    job = {
        "image": {"name": image, "entrypoint": [""]},
        "variables": {"PLUGIN_SCAN_TYPE": "config", "PLUGIN_SEVERITY": "HIGH,CRITICAL"},
        "script": ["grep -c alpine Dockerfile | sed 's/^/lines: /'", "/gocdnext/run"],
    }
    code, log, _ = run(here, checkout, {"scan": job}, tmp_path / "home")
    assert code != 0, log
    assert "lines: 1" in log
    assert "HIGH" in log
