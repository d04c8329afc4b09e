"""A login belongs to one registry, whatever name that goes by."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from gocdnext_sdk.oci.credentials import Credential, Credentials
from gocdnext_sdk.oci.reference import Registry
from gocdnext_sdk.secret import Secret

PASSWORD = "hunter2:with:colons"
HUB = Registry.parse("docker.io")
GHCR = Registry.parse("ghcr.io")


def auth(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def test_the_docker_configuration_has_hub_under_its_old_name() -> None:
    credentials = Credentials(
        [Credential(HUB, "me", Secret(PASSWORD)), Credential(GHCR, "you", Secret("other"))]
    )
    assert json.loads(credentials.docker_config().reveal()) == {
        "auths": {
            "https://index.docker.io/v1/": {"auth": auth(f"me:{PASSWORD}")},
            "ghcr.io": {"auth": auth("you:other")},
        }
    }


def test_a_login_is_found_for_its_registry_only() -> None:
    credential = Credential(HUB, "me", Secret(PASSWORD))
    credentials = Credentials([credential])
    assert credentials.get(Registry.parse("https://index.docker.io/v1/")) == credential
    assert credentials.get(GHCR) is None
    assert not Credentials()


def test_nothing_of_it_prints() -> None:
    credential = Credential(GHCR, "me", Secret(PASSWORD))
    credentials = Credentials([credential])
    shown = repr([credential, credentials, credential.basic, credentials.docker_config(), *credentials])
    assert PASSWORD not in shown
    assert auth(f"me:{PASSWORD}") not in shown


def test_what_docker_login_left_is_read_back(tmp_path: Path) -> None:
    config = {
        "auths": {
            "https://index.docker.io/v1/": {"auth": auth(f"me:{PASSWORD}")},
            "ghcr.io": {"auth": "no base64!"},
            "helper.example.com": {},
            "odd/entry": {"auth": auth("a:b")},
        },
        "credsStore": "desktop",
    }
    (tmp_path / ".docker").mkdir()
    (tmp_path / ".docker" / "config.json").write_text(json.dumps(config))
    for environ in ({"HOME": str(tmp_path)}, {"DOCKER_CONFIG": str(tmp_path / ".docker"), "HOME": "/"}):
        assert list(Credentials.ambient(environ)) == [
            Credential(HUB, "me", Secret(PASSWORD)),
            Credential(Registry("odd"), "a", Secret("b"), scope="entry"),
        ]


def test_a_configuration_that_is_none_counts_as_none(tmp_path: Path) -> None:
    for content in (None, "", "[]", '{"auths": []}', '{"auths": null}', "{broken"):
        if content is not None:
            (tmp_path / "config.json").write_text(content)
        assert not Credentials.ambient({"DOCKER_CONFIG": str(tmp_path)})


@pytest.mark.parametrize(
    "entry",
    [
        '{"username": "me", "password": 7}',
        '{"username": [], "password": "x"}',
        r'{"username": "me", "password": "\ud800"}',
        '{"auth": 7}',
        "7",
        "null",
    ],
)
def test_an_entry_that_holds_no_login_is_named(entry: str) -> None:
    with pytest.raises(ValueError, match=r"^ghcr\.io: "):
        Credentials.parse(Secret(f'{{"auths": {{"ghcr.io": {entry}}}}}'))


def test_a_configuration_without_a_bottom_is_none() -> None:
    with pytest.raises(ValueError, match=r"is not a Docker config\.json"):
        Credentials.parse(Secret("[" * 100_000))
