from __future__ import annotations

from pathlib import Path

import pytest

from gocdnext_sdk.oci.source import Source, Transport

ONE, TWO = f"sha256:{'1' * 64}", f"sha256:{'2' * 64}"


@pytest.fixture(autouse=True)
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("text", "transport", "reference"),
    [
        ("app:1", Transport.ANY, "docker.io/library/app:1"),
        ("ghcr.io/org/app", Transport.ANY, "ghcr.io/org/app"),
        ("localhost:5000/org/app:1", Transport.ANY, "localhost:5000/org/app:1"),
        ("docker://alpine:3", Transport.REGISTRY, "docker.io/library/alpine:3"),
        ("docker-daemon:app:1", Transport.DAEMON, "docker.io/library/app:1"),
        # No path, though it looks like one: what is checked out does not decide.
        ("dist/app", Transport.ANY, "docker.io/dist/app"),
    ],
)
def test_a_reference_with_or_without_its_transport(text: str, transport: Transport, reference: str) -> None:
    source = Source.parse(text)
    assert (source.transport, str(source.reference), str(source)) == (transport, reference, text)


@pytest.mark.parametrize(
    ("text", "path", "name"),
    [
        ("oci:dist/layout", "dist/layout", None),
        ("oci:dist/layout:v1", "dist/layout", "v1"),
        ("oci-archive:app", "app", None),
        ("docker-archive:app.tar:org/app:1", "app.tar", "org/app:1"),
        ("./dist", "./dist", None),
        ("dist/app.tar", "dist/app.tar", None),
        ("app.tgz", "app.tgz", None),
    ],
)
def test_files(text: str, path: str, name: str | None) -> None:
    source = Source.parse(text)
    assert (source.transport, source.path, source.name) == (Transport.FILES, path, name)


@pytest.mark.parametrize("text", ["oci:", "oci:../x", "/etc/image.tar", "docker://", "App", "oci-archive::x"])
def test_what_is_no_source(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Source.parse(text)


@pytest.mark.parametrize(
    ("text", "named"),
    [("app:1", False), ("org/app", False), ("docker.io/org/app", True), ("ghcr.io/org/app", True)],
)
def test_a_registry_is_named_or_not(text: str, named: bool) -> None:
    assert Source.parse(text).names_registry is named
