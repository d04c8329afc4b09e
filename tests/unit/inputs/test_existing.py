"""A tag that never moves and is there: the job ends before it builds, or takes the image that is there."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gocdnext_sdk import Ci, Findings, ImageBuildInputs, InputError, RegistryClient, RegistryError, ToolError
from gocdnext_sdk.host.testing.fake_registry import FakeRegistry, refuse
from gocdnext_sdk.inputs.build import Build
from gocdnext_sdk.inputs.reader import read_inputs

RULES = {"TAGS": "v1.2.3 latest", "IMMUTABLE_TAGS": "v*.*.*"}


@pytest.fixture
def registry() -> FakeRegistry:
    return FakeRegistry()


def build(registry: FakeRegistry, tmp_path: Path, **with_: str) -> Build[Any]:
    (tmp_path / "Dockerfile").touch()
    given = {"IMAGE": f"{registry.host}/team/app"} | with_
    job: Any = SimpleNamespace(
        cleanup=nullcontext,
        ci=Ci(),
        environ={},
        say=lambda message: None,
        registry=lambda logins, insecure: RegistryClient(transport=registry),
    )
    variables = {f"PLUGIN_{key}": value for key, value in given.items()}
    return Build(read_inputs(ImageBuildInputs, variables, workspace=tmp_path), job)


def pushed(registry: FakeRegistry, *names: str, of: str = "one") -> str:
    (digest,) = {registry.push(name, {"schemaVersion": 2, "made": of}).digest for name in names}
    return digest


def mistakes(tmp_path: Path, **with_: str) -> list[str]:
    with pytest.raises(InputError) as caught:
        build(FakeRegistry(), tmp_path, **with_)
    return caught.value.lines()


def test_nothing_is_asked_if_tags_may_move(registry: FakeRegistry, tmp_path: Path) -> None:
    pushed(registry, "team/app:v1.2.3")
    assert build(registry, tmp_path, TAGS="v1.2.3 latest").kept() is None
    assert registry.requests == []


@pytest.mark.parametrize("existing", ["", "fail", "keep"])
def test_what_is_new_is_built(registry: FakeRegistry, tmp_path: Path, existing: str) -> None:
    pushed(registry, "team/app:latest")  # it moves
    assert build(registry, tmp_path, **RULES, EXISTING=existing).kept() is None


@pytest.mark.parametrize("existing", ["", "fail"])
def test_a_tag_that_is_there_ends_the_job_before_it_builds(
    registry: FakeRegistry, tmp_path: Path, existing: str
) -> None:
    digest = pushed(registry, "team/app:v1.2.3")
    with pytest.raises(
        Findings, match=f'v1.2.3 is {digest}, and must not move: immutable-tags has "v'
    ) as caught:
        build(registry, tmp_path, **RULES, EXISTING=existing).kept()
    assert caught.value.exit_code == 1


def test_the_image_that_is_there_is_kept_and_gets_the_other_tags(
    registry: FakeRegistry, tmp_path: Path
) -> None:
    digest = pushed(registry, "team/app:v1.2.3")
    other = pushed(registry, "team/app:latest", of="two")
    kept = build(registry, tmp_path, **RULES, EXISTING="keep").kept()
    assert kept is not None
    assert (kept["DIGEST"], kept["TAGS"]) == (digest, "v1.2.3,latest")
    assert registry.tags["team/app", "latest"] == digest != other
    writes = [each.url for each in registry.requests if each.method == "PUT"]
    assert [each.rpartition("/")[2] for each in writes] == ["latest"]


def test_a_single_tag_needs_no_pattern(registry: FakeRegistry, tmp_path: Path) -> None:
    digest = pushed(registry, "team/app:0123456")
    kept = build(registry, tmp_path, TAGS="0123456", EXISTING="keep").kept()
    assert kept is not None
    assert kept["DIGEST"] == digest
    (line,) = mistakes(tmp_path, TAGS="0123456 latest", EXISTING="keep")
    assert line.startswith("with.immutable-tags: is needed with `existing` and several tags")


def test_tags_that_name_two_images_are_neither(registry: FakeRegistry, tmp_path: Path) -> None:
    pushed(registry, "team/app:v1.2.3")
    pushed(registry, "team/app:v1.2.4", of="two")
    rules = {"TAGS": "v1.2.3 v1.2.4", "IMMUTABLE_TAGS": "v*", "EXISTING": "keep"}
    with pytest.raises(Findings, match="should name one image"):
        build(registry, tmp_path, **rules).kept()


def test_an_image_that_only_one_repository_has_is_no_image_of_both(
    registry: FakeRegistry, tmp_path: Path
) -> None:
    pushed(registry, "team/app:v1.2.3")
    both = f"{registry.host}/team/app\n{registry.host}/team/copy"
    with pytest.raises(RegistryError, match="team/copy does not have"):
        build(registry, tmp_path, **RULES, IMAGE=both, EXISTING="keep").kept()
    assert ("team/app", "latest") not in registry.tags


@pytest.mark.parametrize(("key", "value"), [("EXISTING", "keep"), ("IMMUTABLE_TAGS", "v*")])
def test_files_have_no_tags(tmp_path: Path, key: str, value: str) -> None:
    (line,) = mistakes(tmp_path, OUTPUT="dist/app", **{key: value})
    assert "is about tags in a registry, and `output` sets none" in line


@pytest.mark.parametrize(
    ("status", "told"), [(400, True), (403, True), (409, True), (412, False), (404, False), (500, False)]
)
def test_what_a_registry_says_of_such_a_tag_is_explained(status: int, told: bool) -> None:
    registry = FakeRegistry()
    digest = pushed(registry, "team/app")
    image = registry.reference("team/app").with_digest(digest)

    def answer(request: Any) -> Any:
        return refuse(status, "DENIED", "immutable") if request.method == "PUT" else registry(request)

    registry.network.hosts = {registry.host: answer}
    with pytest.raises(RegistryError) as caught:
        logged_in(registry).tag(image, "v1.2.3")
    assert ("`existing: keep`" in str(caught.value)) is told


def logged_in(registry: FakeRegistry) -> RegistryClient:
    return RegistryClient(transport=registry)


def test_and_so_is_what_a_builder_says_of_it(registry: FakeRegistry, tmp_path: Path) -> None:
    def advice(said: bytes) -> str:
        with pytest.raises(ToolError) as caught, build(registry, tmp_path).pushing():
            raise ToolError("buildx failed with exit code 1", "see above", said=said)
        return caught.value.advice

    pushed_to = b"ERROR: failed to push r/team/app:v1: unexpected status from PUT request to https://r/v2/"
    assert "`existing: keep`" in advice(pushed_to + b"team/app/manifests/v1: 403 Forbidden")
    assert advice(pushed_to + b"team/app/manifests/v1: 503 Service Unavailable") == "see above"
    expired = b"failed to push r/app:v1: failed to authorize: failed to fetch oauth token: unauthorized"
    assert "does it last as long as the build" in advice(expired)
    kaniko = (
        b"failed to push to destination r/app:v1: PUT https://r/v2/app: unexpected status code 403 Forbidden"
    )
    assert "`existing: keep`" in advice(kaniko)
