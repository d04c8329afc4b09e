"""A login that fits no image of the job is a mistake, told without the registry's name."""

from __future__ import annotations

import pytest

from gocdnext_sdk.inputs.registry_login import RegistryLoginInputs
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
