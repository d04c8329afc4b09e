"""Who gets a cloud's variables of the job: each plugin logs in with them, and its tools do not see them."""

from __future__ import annotations

from pathlib import Path

import pytest

from gocdnext_sdk.host.manifest.load import load_plugin
from gocdnext_sdk.host.planning.model import RunPlan
from gocdnext_sdk.host.planning.placeholders import Placeholders
from gocdnext_sdk.host.planning.plan_run import plan_run
from gocdnext_sdk.inputs.registry_login import CLOUD_VARIABLES

PLUGINS = Path(__file__).parents[3] / "plugins"
ECR = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
KEYS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "canary-wJalr"}
IMAGE = f"{ECR}/app:v1"
WITH = {
    "buildx": {"IMAGE": IMAGE, "BUILDER": "tcp://build:1234"},
    "cosign": {"IMAGE": IMAGE, "ACTION": "verify", "KEY": "cosign.pub"},
    "docker-push": {"SOURCE": IMAGE, "TARGET": "ghcr.io/org/app:v1"},
    "kaniko": {"IMAGE": IMAGE},
    "trivy": {"SCAN_TYPE": "image", "TARGET": IMAGE},
}


def planned(plugin: str, **more: str) -> RunPlan:
    Path("Dockerfile").write_text("FROM scratch\n")
    Path("cosign.pub").write_text("-----BEGIN PUBLIC KEY-----\nMFkw\n-----END PUBLIC KEY-----\n")
    inputs = {f"PLUGIN_{name}": value for name, value in {**WITH[plugin], **more}.items()}
    environ = {**inputs, **KEYS, "DOCKER_HOST": "unix:///docker.sock"}
    return plan_run(load_plugin(PLUGINS / plugin), environ, Path.cwd(), Placeholders())


@pytest.fixture(autouse=True)
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def seen(plan: RunPlan) -> set[str]:
    """Return the cloud's variables that a tool of the plan sees."""
    return {name for step in plan.steps for name in step.environ if name.startswith(CLOUD_VARIABLES)}


@pytest.mark.parametrize("plugin", WITH)
def test_every_plugin_logs_in_with_them(plugin: str) -> None:
    plan = planned(plugin)
    asked = [step.words[:2] for step in plan.steps if step.action == "request"]
    assert asked == [("POST", "https://api.ecr.eu-west-1.amazonaws.com/")], plan
    assert [str(each.host) for each in plan.logins] == [ECR]
    assert seen(plan) == (set(KEYS) if plugin == "kaniko" else set())
    manifest = load_plugin(PLUGINS / plugin)
    assert set(CLOUD_VARIABLES) <= set(manifest.variables)  # which lint reads


def test_an_image_of_the_daemon_needs_no_login() -> None:
    plan = planned("trivy", IMAGE_SOURCE="docker")
    assert plan.logins == ()
    assert not any(step.action == "request" for step in plan.steps)


def test_a_kms_of_the_cloud_is_asked_by_cosign_itself() -> None:
    assert seen(planned("cosign", KEY="awskms:///alias/cosign")) == set(KEYS)
    assert seen(planned("cosign", KEY="gcpkms://projects/p/locations/l/keyRings/r/cryptoKeys/k")) == set()
