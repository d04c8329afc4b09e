"""What `doctor` says of an engine that is not the usual one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.servers import answering

from gocdnext_sdk.host.harness.build import find_buildx
from gocdnext_sdk.host.harness.doctor import Check, examine

DOCKER = {"Components": [{"Name": "Engine", "Version": "28.2.2"}]}
PODMAN = {"Components": [{"Name": "Podman Engine", "Version": "5.4.2"}]}
ROOTLESS = {"SecurityOptions": ["name=seccomp,profile=builtin", "name=rootless"]}


@contextmanager
def engine(version: dict[str, Any], info: dict[str, Any]) -> Iterator[str]:
    """Answer as an engine that says this of itself."""
    said = {
        "/version": {"ApiVersion": "1.41", **version},
        "/info": {"ServerVersion": "5.4.2", "NCPU": 2, "MemTotal": 2 << 30, **info},
    }

    with answering(lambda method, path, headers, body: (200, said["/" + path.rpartition("/")[2]])) as url:
        yield url.replace("http", "tcp", 1)


def said(version: dict[str, Any], info: dict[str, Any]) -> dict[str, Check]:
    with engine(version, info) as host:
        return {each.what: each for each in examine({"DOCKER_HOST": host})}


def test_docker_is_good() -> None:
    found = said(DOCKER, {})
    assert (found["engine"].state, found["engine"].advice) == ("good", "")
    assert found["engine"].found.startswith("Docker 5.4.2, 2 CPUs")
    assert "rootless" not in found


def test_podman_is_named_with_what_it_cannot_do() -> None:
    found = said(PODMAN, {})["engine"]
    assert found.state == "note"
    assert found.found.startswith("Podman 5.4.2")
    assert "--use-image" in found.advice


@pytest.mark.parametrize("version", [DOCKER, PODMAN])
def test_an_engine_without_root_is_told_of(version: dict[str, Any]) -> None:
    found = said(version, ROOTLESS)["rootless"]
    assert found.state == "note"
    assert "cgroup v2" in found.advice


def test_the_buildx_that_builds_is_the_one_that_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "buildx"
    program.write_text("#!/bin/sh\necho its version\n")
    program.chmod(0o755)
    monkeypatch.setenv("GOCDNEXT_BUILDX", str(program))
    find_buildx.cache_clear()
    try:
        found = {each.what: each for each in examine({"DOCKER_HOST": "tcp://127.0.0.1:1"})}["buildx"]
    finally:
        find_buildx.cache_clear()
    assert (found.state, found.found) == ("good", "its version")


def test_no_engine_is_bad() -> None:
    (found, *_) = examine({"DOCKER_HOST": "tcp://127.0.0.1:1"})
    assert (found.what, found.state) == ("engine", "bad")
    assert found.advice


@pytest.mark.parametrize(
    ("content", "state", "found"),
    [
        ('{"auths": {"ghcr.io": {"auth": "dTpw"}}}', "good", "ghcr.io"),
        *((text, "note", "none") for text in ("{}", '{"auths": {"ghcr.io": {}}, "credsStore": "desktop"}')),
        ('{"credHelpers": {"ghcr.io": "ecr-login"}}', "note", "none"),
        ('{"auth": {"ghcr.io": {"auth": "dTpw"}}}', "note", "auth: "),
        ('{"auths": {"quay.io": {"auth": "dTpw"}}, "ghcr.io": {"auth": "dTpw"}}', "note", "ghcr.io: "),
        ("{broken", "note", "is not a Docker config.json"),
    ],
)
def test_a_login_that_docker_does_not_read_is_named(
    content: str, state: str, found: str, tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text(content)
    environ = {"DOCKER_HOST": "tcp://127.0.0.1:1", "DOCKER_CONFIG": str(tmp_path)}
    (logins,) = (each for each in examine(environ) if each.what == "logins")
    assert logins.state == state
    assert found in logins.found
    assert "dTpw" not in logins.found
