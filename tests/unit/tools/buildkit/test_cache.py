"""Cache entries as people write them, and what becomes of them."""

from __future__ import annotations

import pytest

from gocdnext_sdk import Secret
from gocdnext_sdk.tools.buildkit.cache import CacheEntry


@pytest.mark.parametrize(
    ("text", "entry"),
    [
        ("ghcr.io/org/cache", "type=registry,ref=ghcr.io/org/cache"),
        ("org/cache:main", "type=registry,ref=docker.io/org/cache:main"),
        ("type=gha,mode=max", "type=gha,mode=max"),
        ("TYPE=s3,Region=us-east-1,bucket=b", "type=s3,region=us-east-1,bucket=b"),
        ('type=local,"dest=a,b"', 'type=local,"dest=a,b"'),
    ],
)
def test_an_entry_or_a_reference(text: str, entry: str) -> None:
    assert str(CacheEntry.parse(text)) == entry


@pytest.mark.parametrize("text", ["type=local,dest", "ref=ghcr.io/org/app", "Not A Reference", "type="])
def test_what_is_neither_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"type|reference"):
        CacheEntry.parse(text)


def test_secrets_leave_the_command_line() -> None:
    entry = CacheEntry.parse("type=s3,bucket=b,access_key_id=AKIA,secret_access_key=wJalr,session_token=st")
    assert str(entry) == "type=s3,bucket=b"
    assert entry.environ == {
        "AWS_ACCESS_KEY_ID": Secret("AKIA"),
        "AWS_SECRET_ACCESS_KEY": Secret("wJalr"),
        "AWS_SESSION_TOKEN": Secret("st"),
    }


def test_a_secret_that_cannot_leave_it_is_refused_unquoted() -> None:
    with pytest.raises(ValueError, match="secret_access_key") as caught:
        CacheEntry.parse("type=azblob,name=n,secret_access_key=canary")
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("text", ["secret_access_key=canary", "type=s3,secret_access_key=canary,oops"])
def test_a_broken_entry_is_not_quoted(text: str) -> None:
    with pytest.raises(ValueError, match="cache entry") as caught:
        CacheEntry.parse(text)
    assert "canary" not in str(caught.value)


TOKEN = {"ACTIONS_RUNTIME_TOKEN": "t"}
URL = {"ACTIONS_RESULTS_URL": "https://results.example"}


@pytest.mark.parametrize(
    ("text", "environ", "active"),
    [
        ("type=gha", {}, False),
        ("type=gha", TOKEN, False),
        ("type=gha", URL, False),
        ("type=gha", TOKEN | URL, True),
        ("type=gha,token=t", URL, True),
        ("type=gha,url=https://cache.example", TOKEN, True),
        ("type=registry,ref=ghcr.io/org/cache", {}, True),
    ],
)
def test_github_cache_needs_githubs_runner(text: str, environ: dict[str, str], active: bool) -> None:
    assert CacheEntry.parse(text).is_active(environ) is active


@pytest.mark.parametrize(
    ("text", "exported"),
    [
        ("ghcr.io/org/cache", "type=registry,ref=ghcr.io/org/cache,image-manifest=true,ignore-error=true"),
        ("type=gha,ignore-error=false", "type=gha,ignore-error=false"),
        ("type=inline", "type=inline"),
    ],
)
def test_a_failed_export_fails_no_build_unless_asked_to(text: str, exported: str) -> None:
    assert str(CacheEntry.parse(text).as_export()) == exported


def test_the_daemon_lacks_object_stores() -> None:
    foreign = [kind for kind in ("registry", "local", "gha", "inline", "s3", "azblob") if needs(kind)]
    assert foreign == ["s3", "azblob"]


def needs(kind: str) -> bool:
    return CacheEntry.parse(f"type={kind},name=n").needs_container
