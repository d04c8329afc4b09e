"""A login at ECR by the job's identity, against moto's server of STS and ECR."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.servers import serving

from gocdnext_sdk.host.testing import PluginRunner

HOST = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
ROLE = "arn:aws:iam::123456789012:role/push"
PLUGIN = '''
"""Says who it has logged in as."""

import hashlib

from gocdnext_sdk import Input, Job, Plugin, Reference, RegistryLoginInputs


class Inputs(RegistryLoginInputs):
    """Its inputs."""

    image: Reference = Input(description="An image.")

    def image_registries(self, environ, workspace):
        """Where the image is."""
        return (self.image.registry,)

    def check(self, environ, workspace):
        """Check the logins."""
        return self.check_registry(self.image_registries(environ, workspace))


class Whoami(Plugin[Inputs]):
    """Log in, and say as whom."""

    name = "gocdnext-plugin-whoami"
    inputs = Inputs

    def run(self, inputs: Inputs, job: Job) -> dict[str, str]:
        """Say it."""
        (login,) = inputs.credentials(inputs.image.registry)
        password = login.password.reveal()
        print("the password is", password)
        return {"USER": login.username, "HASH": hashlib.sha256(password.encode()).hexdigest()}


if __name__ == "__main__":
    Whoami.main()
'''


@pytest.fixture(scope="module")
def aws() -> Iterator[str]:
    """The address of a running server."""
    with serving(lambda port: ["moto-server", "-H", "127.0.0.1", "-p", str(port)]) as port:
        yield f"http://127.0.0.1:{port}"


def token() -> str:
    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    claims = {"iss": "https://ci.example", "sub": "project:shop", "aud": "sts.amazonaws.com"}
    return f"{part({'alg': 'RS256'})}.{part(claims)}.{part('canary signature')}"


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    folder = tmp_path / "whoami"
    folder.mkdir()
    (folder / "plugin.py").write_text(PLUGIN)
    return folder


def test_the_token_becomes_a_password_for_ecr_that_stays_in_memory(
    run_plugin: PluginRunner, plugin: Path, aws: str
) -> None:
    result = run_plugin(
        plugin,
        {"image": f"{HOST}/app:v1", "registry-identity": f"{HOST} {ROLE}"},
        env={"AWS_ENDPOINT_URL": aws},
        secrets={"REGISTRY_ID_TOKEN": token()},
    ).passed()
    assert result.outputs["USER"] == "AWS"
    assert result.outputs["HASH"] == hashlib.sha256(b"123456789012-auth-token").hexdigest()
    assert "the password is ***" in result.log
    assert f"logged in to {HOST} by the job's identity" in result.log
    assert [request.url for request in result.requests] == [f"{aws}/", f"{aws}/"]


def test_the_jobs_keys_become_one_too_and_nobody_sees_them(
    run_plugin: PluginRunner, plugin: Path, aws: str
) -> None:
    keys = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "canary-wJalr-key-0123"}
    env = {"AWS_ENDPOINT_URL": aws}
    result = run_plugin(plugin, {"image": f"{HOST}/app:v1"}, env=env, secrets=keys).passed()
    assert result.outputs["USER"] == "AWS"
    assert result.outputs["HASH"] == hashlib.sha256(b"123456789012-auth-token").hexdigest()
    assert f"logged in to {HOST} by the job's AWS_ACCESS_KEY_ID" in result.log
    assert not result.leaks


def test_a_service_that_is_not_there_ends_with_3_and_is_named(run_plugin: PluginRunner, plugin: Path) -> None:
    result = run_plugin(
        plugin,
        {"image": f"{HOST}/app:v1", "registry-identity": f"{HOST} {ROLE}"},
        env={"AWS_ENDPOINT_URL": "http://127.0.0.1:9"},
        secrets={"REGISTRY_ID_TOKEN": token()},
    ).exited(3)
    assert f"logging in to {HOST} by the job's identity" in result.errors[-1]
