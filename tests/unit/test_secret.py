"""One answer to "is that a secret?", by name, for what masks, what refuses and what lints."""

from __future__ import annotations

import pytest

from gocdnext_sdk.contract.masks import REPLACEMENT
from gocdnext_sdk.secret import Secret, holds_secret, looks_secret


@pytest.mark.parametrize(
    "name",
    [
        *("GITHUB_TOKEN", "npmToken", "DB_PASSWD", "password", "KEY_PASSPHRASE", "CLIENT_SECRET"),
        *("GOOGLE_APPLICATION_CREDENTIALS", "COSIGN_PRIVATE_KEY", "SIGNING_KEY", "APIKEY", "api-key"),
        *("AWS_ACCESS_KEY_ID", "access_key_id", "secret_access_key", "session_token", "env.ACCESS_KEY"),
    ],
)
def test_names_of_secrets(name: str) -> None:
    assert looks_secret(name)


@pytest.mark.parametrize(
    "name",
    ["CI_PULL_REQUEST_AUTHOR", "CACHE_KEY", "PUBLIC_KEY", "KEYBOARD", "SSH_AUTH_SOCK", "region", "HOME"],
)
def test_names_of_other_things(name: str) -> None:
    assert not looks_secret(name)


def test_a_short_value_may_be_a_word_whatever_its_name() -> None:
    assert holds_secret("API_TOKEN", "12345678")
    assert not holds_secret("API_TOKEN", "1234567")
    assert not holds_secret("REGION", "12345678")


def test_a_secret_is_shown_as_the_platform_shows_it() -> None:
    assert str(Secret("x")) == REPLACEMENT
    assert repr(Secret("x")) == f"Secret({REPLACEMENT})"
