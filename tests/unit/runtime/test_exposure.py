"""Whether a text gives a secret away."""

from __future__ import annotations

import base64
import json

import pytest

from gocdnext_sdk.runtime.exposure import Exposure, secrets_of

TOKEN = "ghp_Q7vXk2mN9pLw4RtY"
PEM = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIA0123456789\n-----END PRIVATE KEY-----\n"
ACCOUNT = json.dumps({"type": "service_account", "project_id": "p", "key": TOKEN})
SECRETS = {"TOKEN": TOKEN, "KEY": PEM, "SHORT_TOKEN": "hunter2"}


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (TOKEN, "TOKEN"),
        (f"https://me:{TOKEN}@host/", "TOKEN"),
        (TOKEN[3:11], "TOKEN"),
        (encoded(TOKEN), "TOKEN"),
        (encoded(f"user:{TOKEN}"), "TOKEN"),
        (encoded(f"a:{TOKEN}!"), "TOKEN"),
        (PEM, "KEY"),
        ("MC4CAQAwBQYDK2VwBCIEIA0123456789", "KEY"),
        (encoded(PEM), "KEY"),
    ],
)
def test_it_does(text: str, name: str) -> None:
    assert Exposure(SECRETS).given_away(["", text]) == {1: name}


@pytest.mark.parametrize(
    "text",
    ["", "1.2.3", TOKEN[:7], "hunter2", "-----BEGIN PRIVATE KEY-----", "linux/amd64"],
)
def test_it_does_not(text: str) -> None:
    assert Exposure(SECRETS).given_away([text, text]) == {}


def test_the_names_in_a_configuration_are_no_secret() -> None:
    docker = json.dumps({"auths": {"registry.example.com": {"auth": encoded("me:pass-word-1")}}})
    secrets = {"CREDENTIALS": docker, "URL_TOKEN": "https://hooks.example.com/services/T00000000"}
    texts = ["registry.example.com", "hooks.example.com", encoded("me:pass-word-1"), "T00000000"]
    assert Exposure(secrets).given_away(texts) == {2: "CREDENTIALS", 3: "URL_TOKEN"}


def test_what_stands_in_two_texts_is_in_none() -> None:
    assert Exposure(SECRETS).given_away([TOKEN[:5], TOKEN[5:7], f"{TOKEN[:7]}", TOKEN[7:15]]) == {3: "TOKEN"}


def test_in_a_document_only_what_is_held_counts() -> None:
    known = Exposure(SECRETS)
    dockerfile = f"FROM scratch\nENV T={TOKEN}\n"
    assert known.held_in(encoded(dockerfile)) == ["TOKEN"]
    assert known.held_in(f"RUN |1 KEY={PEM}") == ["KEY"]
    assert known.held_in(TOKEN[2:12]) == []
    assert known.held_in("ghp_") == []


def test_secrets_are_known_by_their_names() -> None:
    environ = {"NPM_TOKEN": TOKEN, "PLUGIN_PASSWORD": TOKEN, "CI_BRANCH": "main-main", "A_TOKEN": "short"}
    assert secrets_of(environ) == {"NPM_TOKEN": TOKEN}
