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
