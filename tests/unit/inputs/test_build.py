"""What is said of a build that failed while its tags were being set."""

from __future__ import annotations

import os
import signal
from contextlib import nullcontext
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest

from gocdnext_sdk import (
    Credentials,
    Error,
    ImageTagInputs,
    Reference,
    Registry,
    RegistryError,
    Secret,
    ToolError,
)
from gocdnext_sdk.errors import Cancelled
from gocdnext_sdk.host.testing.fake_registry import FakeNetwork, FakeRegistry, refuse
from gocdnext_sdk.inputs.build import Build
from gocdnext_sdk.oci.client import RegistryClient
from gocdnext_sdk.oci.credentials import Credential
from gocdnext_sdk.oci.descriptor import Descriptor, digest_of
from gocdnext_sdk.oci.transport import Request, Response
from gocdnext_sdk.runtime.signals import Signals

HOST = "registry.example.com"
FIRST, SECOND = (Reference.parse(f"{HOST}/app:{tag}") for tag in ("1.0", "latest"))
REFUSED = b"ERROR: failed to push registry.example.com/app:latest: unexpected status: 404 Not Found"


def build(registry: FakeRegistry, *targets: Reference) -> Build[Any]:
    client = RegistryClient(Credentials([]), transport=registry)
    inputs = SimpleNamespace(
        targets=lambda ci: targets,
        all_credentials=Credentials([]),
        insecure_registries=(),
        platforms=("linux/amd64",),
        keeps=lambda before, digest: None,
    )
    inputs.check_before_moving = partial(ImageTagInputs.check_before_moving, inputs)  # type: ignore[arg-type]
    job = SimpleNamespace(ci=None, registry=lambda logins, insecure: client, cleanup=nullcontext)
    return Build(inputs, job)  # type: ignore[type-var,arg-type]


def failing(tried: Build[Any], said: bytes) -> str:
    with pytest.raises(ToolError) as caught, tried.pushing():
        raise ToolError("buildx failed with exit code 1", "its own message is above", said=said)
    assert caught.value.advice == "its own message is above"
    return caught.value.what


def test_a_push_that_failed_half_way_tells_where_the_tags_are() -> None:
    registry = FakeRegistry(HOST)
    digest = registry.push("app:1.0", {"schemaVersion": 2}).digest
    told = failing(build(registry, FIRST, SECOND), REFUSED)
    assert told == f"buildx failed with exit code 1 (now {FIRST} is {digest}, {SECOND} is not there)"


def test_a_failed_build_and_a_single_tag_ask_nobody() -> None:
    registry = FakeRegistry(HOST, users={"somebody": "else"})
    assert failing(build(registry, FIRST, SECOND), b"ERROR: process /bin/sh failed") == (
        "buildx failed with exit code 1"
    )
    assert failing(build(registry, FIRST), REFUSED) == "buildx failed with exit code 1"


def test_a_registry_that_cannot_tell_is_no_other_failure() -> None:
    registry = FakeRegistry(HOST, users={"somebody": "else"})
    assert "is not known" in failing(build(registry, FIRST, SECOND), REFUSED)


def test_a_rule_of_the_registry_is_told_in_its_own_words() -> None:
    registry = FakeRegistry(HOST)
    registry.push("app:1.0", {"schemaVersion": 2})

    def immutable(request: Request) -> Response:
        if request.method == "PUT":
            return refuse(412, "PRECONDITION", "1.0 is configured as immutable")
        return registry(request)

    registry.network = FakeNetwork({HOST: immutable})
    said = b"failed to push: unexpected status from PUT request to https://r/v2/: 412 Precondition Failed"
    told = failing(build(registry, FIRST, SECOND), said)
    assert 'refused (412: "1.0 is configured as immutable"); is the tag immutable' in told


def pushed(registry: FakeRegistry, logins: Credentials) -> tuple[Build[Any], list[str]]:
    tried = build(registry, FIRST, SECOND)
    warnings: list[str] = []
    tried.job.warn = warnings.append  # type: ignore[method-assign,assignment]
    tried.inputs.all_credentials = logins
    tried.inputs.main = FIRST
    tried.inputs.repositories = (FIRST,)
    tried.job.say = lambda text: None  # type: ignore[method-assign,assignment]
    return tried, warnings


def test_a_tag_that_is_not_what_was_pushed_is_an_error_that_tells_where_all_are() -> None:
    registry = FakeRegistry(HOST)
    digest = registry.push("app:1.0", {"schemaVersion": 2}).digest
    tried, _ = pushed(registry, Credentials([]))
    with pytest.raises(RegistryError) as caught:
        tried.pushed(digest, (FIRST, SECOND))
    assert f"{FIRST} is {digest}, {SECOND} is not there" in str(caught.value)


def test_what_cannot_be_read_is_a_warning_where_the_builder_has_logged_in_by_itself() -> None:
    registry = FakeRegistry(HOST, users={"somebody": "else"})
    digest = "sha256:" + "0" * 64
    tried, warnings = pushed(registry, Credentials([]))
    assert not tried._read_back(digest, (FIRST,))
    assert len(warnings) == 1
    tried, warnings = pushed(registry, Credentials([Credential(Registry.parse(HOST), "me", Secret("wrong"))]))
    with pytest.raises(RegistryError) as caught:
        tried._read_back(digest, (FIRST, SECOND))
    assert f"{digest} was pushed, and not read back: " in str(caught.value)


def test_the_tags_are_told_before_they_are_read_back() -> None:
    registry = FakeRegistry(HOST, users={"somebody": "else"})
    tried, _ = pushed(registry, Credentials([Credential(Registry.parse(HOST), "me", Secret("wrong"))]))
    said: list[str] = []
    tried.job.say = said.append  # type: ignore[method-assign,assignment]
    digest = "sha256:" + "0" * 64
    with pytest.raises(RegistryError):
        tried.pushed(digest, (FIRST, SECOND))
    assert said == [f"pushed {FIRST.with_digest(digest)} with the tags 1.0, latest"]


class TestSettingTags:
    """All content is there; the tags of all repositories move, or as few as can be."""

    def ready(self, refusing: str) -> tuple[Build[Any], dict[str, str], list[str]]:
        registry = FakeRegistry(HOST)
        old, new = (registry.push(f"app:{tag}", {"schemaVersion": 2, "n": tag}) for tag in ("1.0", "x"))

        def refuses(request: Request) -> Response:
            if request.method == "PUT" and request.url.endswith(f"/manifests/{refusing}"):
                return refuse(412, "PRECONDITION", "not yours")
            return registry(request)

        registry.network = FakeNetwork({HOST: refuses})
        tried, said = build(registry, FIRST, SECOND), []
        tried.job.say = said.append  # type: ignore[method-assign,assignment]
        return tried, {"old": old.digest, "new": new.digest}, said

    def test_each_says_where_it_went(self) -> None:
        tried, at, said = self.ready("none")
        tried.set_tags(at["new"])
        assert said == [f"{FIRST}: {at['old']} -> {at['new']}", f"{SECOND}: new -> {at['new']}"]

    def test_one_that_is_refused_brings_the_others_back(self) -> None:
        tried, at, said = self.ready("latest")
        with pytest.raises(RegistryError, match="not yours") as caught:
            tried.set_tags(at["new"])
        assert f"(now {FIRST} is {at['old']}, {SECOND} is not there)" in str(caught.value)
        assert said[-1] == f"{FIRST}: put back to {at['old']}"
        assert tried.registry.resolve(FIRST).digest == at["old"]

    @pytest.mark.parametrize("ends", [Cancelled(15), RegistryError("answered 500")])
    def test_one_that_moves_without_an_answer_goes_back_too(self, ends: Error) -> None:
        tried, at, said = self.ready("none")
        answer = tried.registry.write

        def write(reference: Reference, content: bytes, media_type: str) -> Response:
            done = answer(reference, content, media_type)
            if digest_of(content) == at["new"]:
                raise ends
            return done

        tried.registry.write = write  # type: ignore[method-assign]
        with pytest.raises(type(ends)):
            tried.set_tags(at["new"])
        assert said == [f"{FIRST}: put back to {at['old']}"]
        assert tried.registry.resolve(FIRST).digest == at["old"]

    def test_a_signal_does_not_tear_what_puts_tags_back(self) -> None:
        tried, at, said = self.ready("latest")
        find, sent = tried.registry.find, []

        def signalled(reference: Reference) -> Descriptor | None:
            if said and not sent:  # a tag has moved, and the next one was refused
                sent.append(signal.SIGTERM)
                os.kill(os.getpid(), signal.SIGTERM)
            return find(reference)

        tried.registry.find = signalled  # type: ignore[method-assign,assignment]
        signals = Signals()
        tried.job.cleanup = signals.shield  # type: ignore[method-assign]
        with signals, pytest.raises(Cancelled), signals.cancelling():
            tried.set_tags(at["new"])
        assert said[-1] == f"{FIRST}: put back to {at['old']}"
        assert tried.registry.resolve(FIRST).digest == at["old"]

    def test_one_that_became_immutable_during_the_build_stays(self) -> None:
        tried, at, said = self.ready("none")
        there = {FIRST: at["old"], SECOND: None}
        tried.inputs.keeps = lambda before, digest: {str(there): "the other"}[str(before)]
        with pytest.raises(RegistryError, match="the other got an immutable tag meanwhile; no tag was moved"):
            tried.set_tags(at["new"])
        assert said == []
