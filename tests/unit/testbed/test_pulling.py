"""What the world of `make test-pulling` is made of; the world itself takes minutes."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from testbed import pulling
from testbed.engine import registries

LISTS: list[object] = [[{"Names": ["/left"]}], [{"Name": "bridge"}], {"Volumes": None}]


def test_its_registry_answers_for_every_registry_of_the_pins(tmp_path: Path) -> None:
    assert set(registries()) <= set(pulling.NAMES)
    pulling.certify(tmp_path)
    bundle = tmp_path / "etc" / "ca-certificates.crt"
    for name in pulling.NAMES:
        command = ["openssl", "verify", "-verify_hostname", name, "-CAfile", bundle, tmp_path / "cert.pem"]
        assert subprocess.run(command, capture_output=True, check=False).returncode == 0
        assert f" {name}" in (tmp_path / "etc" / "hosts").read_text()


def described(folder: Path, info: dict[str, object], *lists: object) -> dict[str, object]:
    file = folder / "engine"
    file.write_text("\n\n".join(json.dumps(each) for each in (info, *lists)))
    return pulling.described(file)


def test_an_engine_that_counts_is_the_same(tmp_path: Path) -> None:
    one = described(tmp_path, {"Driver": "overlay2", "Images": 1}, *LISTS)
    assert one == described(tmp_path, {"Driver": "overlay2", "Images": 9}, *LISTS)


@pytest.mark.parametrize(
    ("info", "lists"),
    [
        ({"Driver": "overlayfs"}, LISTS),
        ({"Driver": "overlay2", "RegistryConfig": {"IndexConfigs": {"localhost": {}}}}, LISTS),
        ({"Driver": "overlay2"}, [[], *LISTS[1:]]),
        ({"Driver": "overlay2"}, [LISTS[0], [{"Name": "bridge"}, {"Name": "left"}], LISTS[2]]),
        ({"Driver": "overlay2"}, [*LISTS[:2], {"Volumes": [{"Name": "left"}]}]),
    ],
)
def test_what_is_set_or_left_is_seen(tmp_path: Path, info: dict[str, object], lists: list[object]) -> None:
    before = described(tmp_path, {"Driver": "overlay2"}, *LISTS)
    assert described(tmp_path, info, *lists) != before


def test_the_cases_are_of_both_stores_and_of_root_and_another() -> None:
    assert {case.store for case in pulling.CASES.values()} == set(pulling.STORES)
    assert {case.user for case in pulling.CASES.values()} == {"root", pulling.USER}
