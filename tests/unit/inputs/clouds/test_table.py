"""Logins by an identity token, by the documented protocol of each cloud, against handlers in memory.

ECR is tried against moto's server too: tests/e2e/test_clouds.py.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs

import pytest

from gocdnext_sdk.errors import HttpError, InputError, excerpt
from gocdnext_sdk.host.testing.fake_registry import FakeNetwork, respond
from gocdnext_sdk.inputs.clouds import aws
from gocdnext_sdk.inputs.clouds.identity import RegistryIdentity
from gocdnext_sdk.inputs.clouds.table import log_in, parse_identity
from gocdnext_sdk.inputs.model import Input
from gocdnext_sdk.inputs.reader import read_inputs
from gocdnext_sdk.inputs.registry_login import RegistryLoginInputs
from gocdnext_sdk.oci.exchange import Exchange
from gocdnext_sdk.oci.reference import Reference, Registry
from gocdnext_sdk.oci.transport import Request, Response
from gocdnext_sdk.runtime.ci import Ci
from gocdnext_sdk.runtime.http import Http
from gocdnext_sdk.secret import Secret

ECR = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
ROLE = "arn:aws:iam::123456789012:role/push"
PROVIDER = "projects/1/locations/global/workloadIdentityPools/ci/providers/gocdnext"
ACCOUNT = "push@project.iam.gserviceaccount.com"
UUID = "123e4567-e89b-42d3-a456-426614174000"
LINES = {
    "ECR": f"{ECR} {ROLE}",
    "Artifact Registry": f"europe-docker.pkg.dev {PROVIDER}",
    "ACR": f"team.azurecr.io {UUID} {UUID}",
    "Docker Hub": f"docker.io org {UUID}",
}
TOKEN = Secret("the.identity.token-0123456789")


class Cloud:
    """Hosts in memory; it stands for a job."""

    def __init__(self, **hosts: Callable[[Request], Response]) -> None:
        self.network = FakeNetwork({name.replace("_", "."): handler for name, handler in hosts.items()})
        self.environ: dict[str, str] = {}
        self.workspace = Path.cwd()
        self.warned: list[str] = []
        self.ci = Ci(job="sign it", run_id="7")
        self.masked: list[str] = []
        self.said: list[str] = []

    def mask(self, value: str | Secret) -> None:
        self.masked.append(value.reveal() if isinstance(value, Secret) else value)

    def say(self, text: str) -> None:
        self.said.append(text)

    def warn(self, text: str) -> None:
        self.warned.append(text)

    def excerpt(self, text: str) -> str:
        return excerpt(text)

    def http(self, method: str, url: str, **more: Any) -> Any:
        sender = SimpleNamespace(
            send=lambda request, deadline, assumed: Exchange(self.network).send(request, deadline)
        )
        return Http(sender, self.mask).request(method, url, **more)  # type: ignore[arg-type]

    def log_in(self, line: str) -> tuple[str, str]:
        found = log_in(parse_identity(line), TOKEN, self)  # type: ignore[arg-type]
        assert found.password.reveal() in self.masked
        assert TOKEN.reveal() in self.masked
        assert not any(found.password.reveal() in each for each in self.said)
        return found.username, found.password.reveal()

    def carrying(self, secret: str) -> set[str]:
        """Return the hosts that a secret was sent to."""
        return {
            each.host
            for each in self.network.requests
            if secret in each.content.decode() or any(secret in value for value in each.headers.values())
        }


def form(request: Request) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(request.content.decode()).items()}


def test_google_exchanges_the_token_and_takes_the_roles_of_an_account() -> None:
    def sts(request: Request) -> Response:
        asked = form(request)
        assert asked["audience"] == f"//iam.googleapis.com/{PROVIDER}"
        assert asked["subject_token"] == TOKEN.reveal()
        assert asked["grant_type"] == "urn:ietf:params:oauth:grant-type:token-exchange"
        return respond(200, json.dumps({"access_token": "federated-0123", "token_type": "Bearer"}))

    def iam(request: Request) -> Response:
        assert request.url.endswith(f"/serviceAccounts/{ACCOUNT}:generateAccessToken")
        assert request.headers["Authorization"] == "Bearer federated-0123"
        return respond(200, json.dumps({"accessToken": "of-the-account-0123"}))

    cloud = Cloud(sts_googleapis_com=sts, iamcredentials_googleapis_com=iam)
    assert cloud.log_in(LINES["Artifact Registry"]) == ("oauth2accesstoken", "federated-0123")
    line = f"europe-docker.pkg.dev {PROVIDER} {ACCOUNT}"
    assert cloud.log_in(line) == ("oauth2accesstoken", "of-the-account-0123")
    assert cloud.carrying(TOKEN.reveal()) == {"sts.googleapis.com"}
    assert "federated-0123" in cloud.masked


def test_azure_exchanges_the_token_twice() -> None:
    def entra(request: Request) -> Response:
        asked = form(request)
        assert request.url == f"https://login.microsoftonline.com/{UUID}/oauth2/v2.0/token"
        assert asked["client_assertion"] == TOKEN.reveal()
        assert asked["client_assertion_type"].endswith("jwt-bearer")
        return respond(200, json.dumps({"access_token": "of-entra-0123"}))

    def registry(request: Request) -> Response:
        asked = form(request)
        assert request.url == "https://team.azurecr.io/oauth2/exchange"
        assert (asked["grant_type"], asked["service"]) == ("access_token", "team.azurecr.io")
        assert asked["access_token"] == "of-entra-0123"
        return respond(200, json.dumps({"refresh_token": "of-acr-0123"}))

    cloud = Cloud(login_microsoftonline_com=entra, team_azurecr_io=registry)
    assert cloud.log_in(LINES["ACR"]) == ("00000000-0000-0000-0000-000000000000", "of-acr-0123")
    assert cloud.carrying(TOKEN.reveal()) == {"login.microsoftonline.com"}


def test_docker_hub_exchanges_the_token_for_its_connection() -> None:
    def hub(request: Request) -> Response:
        asked = form(request)
        assert (asked["connection_id"], asked["subject_token"]) == (UUID, TOKEN.reveal())
        return respond(200, json.dumps({"access_token": "of-the-hub-0123"}))

    assert Cloud(identity_docker_com=hub).log_in(LINES["Docker Hub"]) == ("org", "of-the-hub-0123")


KEYS = (
    "<AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>AKIDEXAMPLE</AccessKeyId>"
    "<SecretAccessKey>wJalr&amp;key</SecretAccessKey><SessionToken>session-0123</SessionToken>"
    "</Credentials></AssumeRoleWithWebIdentityResult>"
)


def amazon(cloud_of: dict[str, str]) -> Cloud:
    def sts(request: Request) -> Response:
        cloud_of.update(form(request))
        return respond(200, KEYS)

    def ecr(request: Request) -> Response:
        cloud_of["authorization"] = request.headers["Authorization"]
        assert json.loads(request.content) == {"registryIds": ["123456789012"]}
        pair = base64.b64encode(b"AWS:of-ecr-0123").decode()
        return respond(200, json.dumps({"authorizationData": [{"authorizationToken": pair}]}))

    hosts = {"sts.eu-west-1.amazonaws.com": sts, "api.ecr.eu-west-1.amazonaws.com": ecr}
    cloud = Cloud()
    cloud.network = FakeNetwork(hosts)
    return cloud


def test_amazon_assumes_the_role_and_asks_ecr_for_a_password() -> None:
    seen: dict[str, str] = {}
    cloud = amazon(seen)
    assert cloud.log_in(LINES["ECR"]) == ("AWS", "of-ecr-0123")
    assert (seen["RoleArn"], seen["WebIdentityToken"]) == (ROLE, TOKEN.reveal())
    assert seen["RoleSessionName"] == "gocdnext-sign-it-7"
    assert seen["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/")
    assert cloud.carrying(TOKEN.reveal()) == {"sts.eu-west-1.amazonaws.com"}
    assert cloud.carrying("session-0123") == {"api.ecr.eu-west-1.amazonaws.com"}
    assert {"wJalr&key", "session-0123"} <= set(cloud.masked)


def test_what_amazon_refuses_is_told_in_its_words() -> None:
    def sts(request: Request) -> Response:
        return respond(403, "<Error><Code>AccessDenied</Code><Message>Not authorized</Message></Error>")

    cloud = Cloud()
    cloud.network = FakeNetwork({"sts.eu-west-1.amazonaws.com": sts})
    with pytest.raises(HttpError, match="answered 403: AccessDenied: Not authorized; does the role trust"):
        cloud.log_in(LINES["ECR"])


def test_a_token_goes_to_no_address_without_tls() -> None:
    cloud = amazon({})
    cloud.environ["AWS_ENDPOINT_URL"] = "http://sts.example.com"
    with pytest.raises(HttpError, match="without TLS"):
        cloud.log_in(LINES["ECR"])
    assert cloud.network.requests == []


def test_a_signature_is_that_of_aws_own_example() -> None:
    """The case `post-vanilla` of AWS' test suite for signature version 4."""
    keys = aws.Keys("AKIDEXAMPLE", Secret("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"), Secret(""))
    now = datetime(2015, 8, 30, 12, 36, tzinfo=UTC)
    made = aws.signature(keys, "https://example.amazonaws.com/", "us-east-1", "service", {}, "", now)
    assert made["Authorization"] == Secret(
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
        "SignedHeaders=host;x-amz-date, "
        "Signature=5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"
    )


@pytest.mark.parametrize("answer", [respond(200, "no json"), respond(200, "{}"), respond(200, "[]")])
def test_an_answer_that_is_not_understood_is_an_error(answer: Response) -> None:
    with pytest.raises(HttpError):
        Cloud(identity_docker_com=lambda request: answer).log_in(LINES["Docker Hub"])


def test_a_cloud_that_refuses_is_named_and_nothing_of_the_token_shown() -> None:
    cloud = Cloud(identity_docker_com=lambda request: respond(401, '{"error": "no rule matches"}'))
    with pytest.raises(HttpError, match=r"logging in to docker\.io by the job's identity.*401") as caught:
        cloud.log_in(LINES["Docker Hub"])
    assert TOKEN.reveal() not in str(caught.value)


# The input.


@pytest.fixture(autouse=True)
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    return iter(())


class Inputs(RegistryLoginInputs):
    """Any plugin's."""


def read(lines: str, token: str = TOKEN.reveal(), **more: str) -> Inputs:
    environ = {"PLUGIN_REGISTRY_IDENTITY": lines, "REGISTRY_ID_TOKEN": token, **more}
    return read_inputs(Inputs, environ)


@pytest.mark.parametrize("name", LINES)
def test_a_line_is_for_the_cloud_of_its_host(name: str) -> None:
    (found,) = read(LINES[name]).registry_identity
    assert isinstance(found, RegistryIdentity)
    assert (found.cloud.name, str(found)) == (name, LINES[name])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("ghcr.io org", "item 1 names no registry that takes an identity token"),
        (f"{ECR}.evil.example {ROLE}", "item 1 names no registry that takes an identity token"),
        (ECR, "item 1 has no ROLE, and the job has no AWS_ACCESS_KEY_ID"),
        (f"{ECR} {ROLE} more", "item 1 is not HOST [ROLE]"),
        (f"europe-docker.pkg.dev {PROVIDER} me@gmail.com", "is not HOST PROVIDER [SERVICE_ACCOUNT]"),
        (f"team.azurecr.io {UUID}", "item 1 is not HOST TENANT CLIENT"),
        (f"{LINES['ECR']}\n{LINES['ECR']}", "two logins for one host"),
    ],
)
def test_a_line_that_is_none_is_a_mistake(line: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        read(line)
    assert message in str(caught.value)


def test_without_a_token_the_job_is_told_what_to_declare() -> None:
    with pytest.raises(InputError, match=r"id_tokens: \{REGISTRY_ID_TOKEN: \{aud: sts\.amazonaws\.com\}\}"):
        read(LINES["ECR"], token="")


def test_a_login_is_for_an_image_of_the_job_and_the_only_one_for_its_host() -> None:
    here = Reference.parse(f"{ECR}/app").registry
    inputs = read(LINES["ECR"])
    assert list(inputs.check_registry([here])) == []
    (problem,) = inputs.check_registry([Reference.parse("ghcr.io/org/app").registry])
    assert "no image of the job is at the host of item 1" in str(problem)
    both = read(LINES["ECR"], PLUGIN_USERNAME="me", PLUGIN_PASSWORD="hunter2-hunter2")
    assert any("has a login with a password too" in str(each) for each in both.check_registry([here]))


def test_before_the_run_the_identity_becomes_a_login() -> None:
    cloud = amazon({})
    cloud.environ["REGISTRY_ID_TOKEN"] = f"{TOKEN.reveal()}\n"
    inputs = read(LINES["ECR"]).prepared(cloud)  # type: ignore[arg-type]
    (login,) = inputs.credentials(Reference.parse(f"{ECR}/app").registry)
    assert (str(login.registry), login.username, login.password.reveal()) == (ECR, "AWS", "of-ecr-0123")
    assert inputs.prepared(cloud) is inputs  # type: ignore[arg-type]


def test_without_a_role_the_keys_of_the_job_log_in_at_ecr() -> None:
    keys = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "wJalr-key-0123"}
    cloud = amazon({})
    cloud.environ |= keys
    inputs = read(ECR, "", **keys).prepared(cloud)  # type: ignore[arg-type]
    (login,) = inputs.logins
    assert login.password.reveal() == "of-ecr-0123"
    assert {each.host for each in cloud.network.requests} == {"api.ecr.eu-west-1.amazonaws.com"}
    assert cloud.carrying("wJalr-key-0123") == set()


# The job's own variables.


class ImageInputs(Inputs):
    """Those of a plugin with images."""

    image: str = Input("", description="Images.")

    def image_registries(self, environ: Mapping[str, str], workspace: Path) -> tuple[Registry, ...]:
        return tuple(Reference.parse(each).registry for each in self.image.split())


AWS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "wJalr-key-0123"}
PRINCIPAL = {"AZURE_CLIENT_ID": UUID, "AZURE_CLIENT_SECRET": "of-the-principal-0123"}
ACCOUNT_KEY = {"type": "service_account", "private_key": "-----BEGIN PRIVATE KEY-----\nMIIcanary\n"}


def by_variables(cloud: Cloud, images: str, **more: str) -> dict[str, tuple[str, str]]:
    """Return the logins of a job with the cloud's variables, by host."""
    environ = {"PLUGIN_IMAGE": images, **cloud.environ, **more}
    inputs = read_inputs(ImageInputs, environ).prepared(cloud)  # type: ignore[arg-type]
    logins = inputs.credentials(Reference.parse(images.split()[0]).registry)
    return {str(each.registry): (each.username, each.password.reveal()) for each in logins}


def test_the_keys_of_the_job_log_in_at_their_own_clouds_registries_only() -> None:
    cloud = amazon({})
    Path("key.json").write_text(json.dumps(ACCOUNT_KEY))
    cloud.environ |= {**AWS, **PRINCIPAL, "GOOGLE_APPLICATION_CREDENTIALS": "key.json"}
    images = f"ghcr.io/org/app {ECR}/app team.azurecr.io/app europe-docker.pkg.dev/p/r/app"
    assert by_variables(cloud, images) == {
        ECR: ("AWS", "of-ecr-0123"),
        "team.azurecr.io": (UUID, "of-the-principal-0123"),
        "europe-docker.pkg.dev": (
            "_json_key_base64",
            base64.b64encode(json.dumps(ACCOUNT_KEY).encode()).decode(),
        ),
    }
    assert {"of-the-principal-0123", ACCOUNT_KEY["private_key"]} <= set(cloud.masked)
    assert f"logged in to {ECR} by the job's AWS_ACCESS_KEY_ID" in cloud.said
    # Nobody but ECR was asked anything, and nobody was sent a key.
    assert {each.host for each in cloud.network.requests} == {"api.ecr.eu-west-1.amazonaws.com"}
    assert cloud.carrying("wJalr-key-0123") == cloud.carrying("of-the-principal-0123") == set()


@pytest.mark.parametrize(
    "given",
    [
        {"PLUGIN_USERNAME": "me", "PLUGIN_PASSWORD": "hunter2-hunter2"},
        {"PLUGIN_LOGINS": f"{ECR} me WORD", "WORD": "hunter2-hunter2"},
        {"PLUGIN_REGISTRY_IDENTITY": LINES["ECR"], "REGISTRY_ID_TOKEN": TOKEN.reveal()},
    ],
)
def test_they_are_not_used_where_an_input_logs_in(given: dict[str, str]) -> None:
    seen: dict[str, str] = {}
    cloud = amazon(seen)
    cloud.environ |= {**AWS, **given}
    assert len(by_variables(cloud, f"{ECR}/app")) == 1
    assert ("RoleArn" in seen) == ("PLUGIN_REGISTRY_IDENTITY" in given)
    assert ("authorization" in seen) == ("PLUGIN_REGISTRY_IDENTITY" in given)


def test_nor_where_the_job_brings_a_docker_configuration_or_half_of_them() -> None:
    for environ in ({**AWS, "DOCKER_CONFIG": "/docker"}, {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE"}):
        cloud = amazon({})
        cloud.environ |= environ
        assert by_variables(cloud, f"{ECR}/app") == {}
        assert cloud.network.requests == []


@pytest.mark.parametrize("content", [None, "no json", "[]", '{"type": "external_account"}'])
def test_a_file_without_the_key_of_an_account_is_told_of(content: str | None) -> None:
    cloud = Cloud()
    if content:
        Path("key.json").write_text(content)
    cloud.environ["GOOGLE_APPLICATION_CREDENTIALS"] = "key.json"
    assert by_variables(cloud, "gcr.io/distroless/static") == {}
    assert "no login at gcr.io: GOOGLE_APPLICATION_CREDENTIALS" in cloud.warned[0]


def test_a_token_that_a_machine_of_the_cloud_has_in_a_file_logs_in_where_no_keys_do() -> None:
    seen: dict[str, str] = {}
    cloud = amazon(seen)
    Path("token").write_text(f"{TOKEN.reveal()}\n")
    cloud.environ |= {"AWS_ROLE_ARN": ROLE, "AWS_WEB_IDENTITY_TOKEN_FILE": str(Path("token").resolve())}
    assert by_variables(cloud, f"{ECR}/app") == {ECR: ("AWS", "of-ecr-0123")}
    assert (seen["RoleArn"], seen["WebIdentityToken"]) == (ROLE, TOKEN.reveal())
    assert TOKEN.reveal() in cloud.masked
    cloud.environ |= AWS
    seen.clear()
    assert by_variables(cloud, f"{ECR}/app")
    assert "RoleArn" not in seen


def test_one_that_cannot_be_read_is_told_of() -> None:
    cloud = Cloud()
    cloud.environ |= {
        "AZURE_TENANT_ID": UUID,
        "AZURE_CLIENT_ID": UUID,
        "AZURE_FEDERATED_TOKEN_FILE": "/nowhere",
    }
    assert by_variables(cloud, "team.azurecr.io/app") == {}
    assert cloud.warned == [
        "no login at team.azurecr.io: AZURE_FEDERATED_TOKEN_FILE names no file that can be read"
    ]
