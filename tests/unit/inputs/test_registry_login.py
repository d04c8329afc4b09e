"""Logins for the job's registries: one that fits no image of the job is a mistake, told without its parts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from gocdnext_sdk import InputError, RegistryLoginInputs
from gocdnext_sdk.inputs.reader import read_inputs
from gocdnext_sdk.oci.reference import Registry
from gocdnext_sdk.secret import Secret

GHCR, QUAY = Registry("ghcr.io"), Registry("quay.io")
LOGIN = {"username": "me", "password": Secret("hunter2-hunter2")}


@pytest.mark.parametrize(
    ("registry", "problems"), [("ghcr.io", 0), ("quay.io", 0), ("other.io", 1), (None, 0)]
)
def test_it_is_for_one_of_the_jobs_registries(registry: str | None, problems: int) -> None:
    inputs = RegistryLoginInputs.model_validate({**LOGIN, "registry": registry})
    found = list(inputs.check_registry([GHCR, QUAY, GHCR]))
    assert len(found) == problems
    assert [each.key for each in found] == ["registry"] * problems
    assert "other.io" not in "".join(map(str, found))


def test_without_a_login_nothing_is_sent_anywhere() -> None:
    inputs = RegistryLoginInputs.model_validate({"registry": "other.io"})
    assert list(inputs.check_registry([GHCR])) == []


def test_plain_http_is_for_the_hosts_that_are_named() -> None:
    inputs = RegistryLoginInputs.model_validate({"insecure-registries": "registry:5000, http://Reg.corp"})
    assert inputs.insecure_registries == (Registry("registry:5000"), Registry("reg.corp"))
    assert inputs.is_insecure(Registry("registry:5000"))
    assert not inputs.is_insecure(Registry("registry"))


@pytest.mark.parametrize(
    "hosts", ["docker.io", "registry:5000,index.docker.io", "a/b", "--insecure", "x y@z"]
)
def test_what_is_no_such_host_is_a_mistake(hosts: str) -> None:
    with pytest.raises(ValueError, match="insecure-registries"):
        RegistryLoginInputs.model_validate({"insecure-registries": hosts})


SECRETS = {"QUAY_TOKEN": "canary-of-quay", "HUB_TOKEN": "canary-of-hub\n"}


def read(environ: Mapping[str, str] = SECRETS, **with_: str) -> Any:
    variables = {f"PLUGIN_{key.upper()}": value for key, value in with_.items()}
    return read_inputs(RegistryLoginInputs, {**variables, **environ})


def mistake(**with_: str) -> str:
    with pytest.raises(InputError) as caught:
        read(**with_)
    (line,) = caught.value.lines()
    return line


def users(inputs: RegistryLoginInputs) -> dict[str, tuple[str, str]]:
    return {each.registry.host: (each.username, each.password.reveal()) for each in inputs.credentials(GHCR)}


def test_several_hosts_have_their_logins() -> None:
    inputs = read(
        username="me", password="mine", logins="quay.io robot QUAY_TOKEN\nindex.docker.io hub HUB_TOKEN"
    )
    assert users(inputs) == {
        "ghcr.io": ("me", "mine"),
        "quay.io": ("robot", "canary-of-quay"),
        "docker.io": ("hub", "canary-of-hub"),
    }


def test_a_docker_configuration_adds_what_is_not_there_yet() -> None:
    auths = {"quay.io": {"auth": "eDp5"}, "https://index.docker.io/v1/": {"auth": "aHViOmh1Yi1wYXNz"}}
    inputs = read(logins="quay.io robot QUAY_TOKEN", docker_config=json.dumps({"auths": auths}))
    assert users(inputs) == {"quay.io": ("robot", "canary-of-quay"), "docker.io": ("hub", "hub-pass")}


@pytest.mark.parametrize(
    ("logins", "begins"),
    [
        ("quay.io robot", "with.logins: item 1 is not HOST USER SECRET"),
        ("quay.io robot p@ssw0rd!", "with.logins: item 1 is not HOST USER SECRET"),
        ("ghcr.io a:b QUAY_TOKEN", "with.logins: item 1 is not HOST USER SECRET"),
        ("x/y robot QUAY_TOKEN", "with.logins: item 1 does not begin with a registry host"),
        (
            "quay.io robot QUAY_TOKEN\nghcr.io annette canaryPassword",
            "with.logins: the secret of item 2 is not in",
        ),
        ("quay.io robot QUAY_TOKEN\nquay.io other QUAY_TOKEN", "with.logins: has two logins for one host"),
    ],
)
def test_what_is_no_login_is_told_without_any_of_it(logins: str, begins: str) -> None:
    line = mistake(logins=logins)
    assert line.startswith(begins)
    assert not [word for word in logins.split() if word in line and word != "ghcr.io"]


def test_a_login_that_fits_no_image_is_a_mistake_whichever_input_brings_it() -> None:
    inputs = read(
        logins="quay.io robot QUAY_TOKEN", docker_config='{"auths": {"other.io": {"auth": "eDp5"}}}'
    )
    assert [each.key for each in inputs.check_registry([GHCR, QUAY])] == ["docker-config"]
    assert [each.key for each in inputs.check_registry([GHCR])] == ["logins", "docker-config"]


def test_two_logins_for_one_host_are_a_mistake() -> None:
    inputs = read(username="me", password="mine", logins="ghcr.io robot QUAY_TOKEN")
    assert [each.key for each in inputs.check_registry([GHCR])] == ["logins"]
    assert list(inputs.check_registry([QUAY, GHCR])) == []
    scoped = read(docker_config='{"auths": {"ghcr.io/a": {"auth": "eDp5"}, "ghcr.io/b": {"auth": "eDp6"}}}')
    assert [each.key for each in scoped.check_registry([GHCR])] == ["docker-config"]


def test_a_lint_that_has_no_environment_looks_at_the_form_only() -> None:
    known = {"workspace": None, "environ": None}
    assert RegistryLoginInputs.model_validate({"logins": "quay.io a NOT_HERE"}, context=known).logins
    with pytest.raises(ValueError, match="HOST USER SECRET"):
        RegistryLoginInputs.model_validate({"logins": "quay.io a"}, context=known)


class TestCertificates:
    @pytest.mark.parametrize(
        ("text", "begins"),
        [
            ("nowhere.pem", 'with.ca-file: "nowhere.pem" is not a readable file'),
            ("empty.pem", "with.ca-file: holds no certificate"),
            ("../ca.pem", 'with.ca-file: "../ca.pem" is outside the workspace'),
            (
                "-----BEGIN CERTIFICATE-----\nabc\n-----END CERTIFICATE-----",
                "with.ca-file: holds no certificate",
            ),
            ("-----BEGIN PRIVATE KEY-----\ncanary\n", "with.ca-file: holds a private key"),
        ],
    )
    def test_what_is_none_is_a_mistake(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, begins: str
    ) -> None:
        monkeypatch.chdir(tmp_path)
        Path("empty.pem").touch()
        line = mistake(ca_file=text)
        assert line.startswith(begins)
        assert "canary" not in line
