"""A message about an input shows no piece of a secret, and loses nothing else."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gocdnext_sdk.runtime.masking import Masker
from gocdnext_sdk.runtime.pieces import PIECE, Pieces

PEM = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqh/+G9w0BAQEFAASCBKcwggS\n-----END PRIVATE KEY-----\n"
CONFIG = json.dumps({"auths": {"registry.example.com": {"username": "robot", "password": "hunter2-hunter2"}}})


def hide(message: str, secret: str, given: str) -> str:
    """Return a message as a job shows it that has a secret, and an input."""
    masker = Masker()
    masker.add(secret)
    return Pieces(masker, {"PLUGIN_TEXT": given, "MY_TOKEN": secret}).hide(message)


@pytest.mark.parametrize(
    ("message", "secret", "shown"),
    [
        ('"MIIEvQIBADANBgkqh" is not a tag', PEM, '"***" is not a tag'),
        ('"ghp_16c7e42f292c" is no host', "ghp_16C7e42F292c6912E7710c83", '"***" is no host'),
        ('"v1.MIIEvQIBAD" is not a tag', PEM, '"v1.***" is not a tag'),
        ('"hunter2-" is not a tag', CONFIG, '"***" is not a tag'),
        ('"hunter2" is not a tag', CONFIG, '"hunter2" is not a tag'),
        ('"registry.example.com/App" is not valid', CONFIG, '"registry.example.com/App" is not valid'),
        ('"registry.example.com/App" is not valid', "https://u:pw@registry.example.com", None),
        (
            "no node at build.example.com:6443",
            'clusters: [{cluster: {server: "https://build.example.com:6443"}}]',
            None,
        ),
        (
            "no node at build.example.com:6443",
            "server: https://build.example.com:6443\ntoken: canary-0123",
            None,
        ),
        (
            '"canary-0123" is not a tag',
            "server: https://build.example.com:6443\ntoken: canary-0123",
            '"***" is not a tag',
        ),
        ('"a PRIVATE KEY" is not a tag', PEM, None),
    ],
)
def test_a_piece_is_hidden_and_nothing_else(message: str, secret: str, shown: str | None) -> None:
    assert hide(message, secret, message) == (shown or message)


def test_the_words_of_the_message_itself_stay() -> None:
    message = 'with.registry: "a b" is not a registry host'
    assert hide(message, "my-registry-password", "a b") == message


def test_what_came_up_during_the_work_hides_no_part_of_an_input() -> None:
    environ = {"PLUGIN_IMAGE": "1.dkr.ecr.eu-west-1.amazonaws.com/app", "PLUGIN_TOKEN": "eu-north-1-canary"}
    masker = Masker()
    masker.add("AWS4-HMAC-SHA256 Credential=x/eu-west-1/ecr")
    masker.add("eu-north-1-canary")
    pieces = Pieces(masker, environ)
    assert pieces.hide("1.dkr.ecr.eu-west-1.amazonaws.com/app") == "1.dkr.ecr.eu-west-1.amazonaws.com/app"
    assert pieces.hide("eu-north-1 is unknown") == "*** is unknown"
    assert pieces.excerpt("eu-west-1 is unknown") == "*** is unknown"


@given(st.text(min_size=PIECE), st.text(), st.text(), st.data())
def test_no_piece_of_a_quoted_secret_stays(secret: str, before: str, after: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(secret) - PIECE))
    end = data.draw(st.integers(start + PIECE, len(secret)))
    message = before + secret[start:end] + after
    shown = hide(message, secret, message)
    assert (
        secret[start:end] not in shown.replace("***", "\0")
        or "://" in secret
        or secret.startswith(("-----", "{", "["))
    )


def test_a_long_message_beside_long_inputs_and_secrets_is_no_long_wait() -> None:
    """A plugin may say what a tool has printed; it took a minute."""
    text = "".join(map(str, range(20_000)))
    masker = Masker([secret := f"key-{text[:50_000]}"])
    pieces = Pieces(masker, {"PLUGIN_CONFIG": f"{text} {secret}"})
    began = time.perf_counter()
    assert pieces.hide(f"{'so it is ' * 50_000}{secret[:9]}").endswith("is ***")
    assert time.perf_counter() - began < 5
