"""docker-push looks at every image, and at every place, before it copies the first."""

from __future__ import annotations

import io
import json
import re
import tarfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from tests.servers import Answer, answering

from gocdnext_sdk import (
    DaemonError,
    Error,
    Findings,
    InputError,
    InputMismatch,
    Job,
    Reference,
    RegistryClient,
    ToolError,
)
from gocdnext_sdk.errors import RegistryError
from gocdnext_sdk.host.manifest.load import load_plugin
from gocdnext_sdk.host.testing.fake_registry import FakeRegistry, refuse
from gocdnext_sdk.inputs.reader import read_inputs
from gocdnext_sdk.oci.source import Source
from gocdnext_sdk.oci.transport import Request, Response
from gocdnext_sdk.runtime.masking import Masker
from gocdnext_sdk.runtime.outputs import OutputFile
from gocdnext_sdk.runtime.secret_files import SecretFiles
from gocdnext_sdk.runtime.signals import Signals

FOLDER = Path(__file__).parents[3] / "plugins" / "docker-push"
PLUGIN = load_plugin(FOLDER)
PACKAGE = PLUGIN.__module__.rpartition(".")[0]
plugin, registries, promotable, content = (
    import_module(f"{PACKAGE}.{each}") for each in ("plugin", "registries", "promotable", "content")
)
KEY = "-----BEGIN PUBLIC KEY-----\ncHVibGlj\n-----END PUBLIC KEY-----"


@dataclass
class Copies:
    """Copies single manifests within the registry, as regctl would, and keeps a list."""

    registry: FakeRegistry
    made: list[str] = field(default_factory=list)

    @contextmanager
    def copying(self, source: str, target: Reference, *, digest_tags: bool) -> Iterator[None]:
        self.made.append(str(target))
        where = Reference.parse(source)
        found = self.registry.manifests[where.repository, str(where.digest)]
        self.registry.manifests[target.repository, str(target.digest)] = found
        yield


@dataclass
class World:
    """A registry with images in `stage/…`, and what of them is copied."""

    registry: FakeRegistry
    copies: Copies
    refused: set[str] = field(default_factory=set)

    def answer(self, veto: Callable[[Request], Response | None]) -> None:
        """Let the registry answer otherwise, where `veto` does."""
        network, host = self.registry.network, self.registry.host
        network.hosts = {**network.hosts, host: lambda request: veto(request) or self.registry(request)}

    def push(self, name: str, architecture: str = "amd64") -> str:
        config = self.registry.blob(
            json.dumps({"os": "linux", "architecture": architecture, "of": name}).encode()
        )
        kind = "application/vnd.oci.image.config.v1+json"
        described = {"mediaType": kind, "digest": config, "size": 1}
        content = {"schemaVersion": 2, "config": described, "layers": []}
        return self.registry.push(name, content).digest

    def run(self, **inputs: str) -> dict[str, str]:
        host = self.registry.host
        given = {
            f"PLUGIN_{key.upper()}": re.sub(r"(?<!/)\b(stage|live)/", rf"{host}/\1/", value)
            for key, value in inputs.items()
        }
        outputs = OutputFile({})
        job = Job({}, Path(), Masker(), SecretFiles(), Signals(), outputs)
        returned = dict(PLUGIN().run(read_inputs(PLUGIN.inputs, given), job))
        return dict(outputs.values) | returned


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    registry = FakeRegistry()
    made = World(registry, Copies(registry))
    client = RegistryClient(transport=registry)

    def reached(inputs: Any, job: Job) -> Any:
        return registries.Registries(inputs.both_credentials({}), client, client, made.copies)

    def demand(inputs: Any, job: Job, subject: Reference, *rest: Any, insecure: bool = False) -> None:
        if str(subject.digest) in made.refused:
            raise Findings(f"{subject} is not promoted")

    monkeypatch.setattr(registries.Registries, "of", reached)
    monkeypatch.setattr(promotable, "check_demands", demand)
    return made


TWO = {"source": "stage/a:1", "target": "live/a", "also": "stage/b:1=live/b", "tags": "v1"}


def test_both_are_copied_where_nothing_is_wrong(world: World) -> None:
    a, b = world.push("stage/a:1"), world.push("stage/b:1")
    assert world.run(**TWO)["DIGEST"] == a
    assert [each.partition("/")[2] for each in world.copies.made] == [f"live/a@{a}", f"live/b@{b}"]
    assert world.registry.tags["live/b", "v1"] == b


def kept_without_its_signature(world: World) -> dict[str, str]:
    world.push("stage/b:1")
    world.refused.add(world.push("live/b:v1", "arm64"))
    return {"immutable_tags": "v*", "existing": "keep", "verify_key": KEY}


def an_immutable_tag_in_the_way(world: World) -> dict[str, str]:
    world.push("stage/b:1")
    world.push("live/b:v1", "arm64")
    return {"immutable_tags": "v*"}


def a_source_that_is_not_there(world: World) -> dict[str, str]:
    return {}


def a_source_of_one_platform(world: World) -> dict[str, str]:
    world.push("stage/b:1")
    child = {
        "digest": world.push("stage/a", "arm64"),
        "size": 1,
        "platform": {"os": "linux", "architecture": "arm64"},
    }
    child["mediaType"] = "application/vnd.oci.image.manifest.v1+json"
    world.registry.push("stage/a:1", {"schemaVersion": 2, "manifests": [child]})
    return {"platforms": "linux/arm64"}


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        (kept_without_its_signature, Findings),
        (an_immutable_tag_in_the_way, Findings),
        (a_source_that_is_not_there, RegistryError),
        (a_source_of_one_platform, InputMismatch),
    ],
)
def test_what_is_wrong_with_the_second_image_is_found_before_the_first_is_copied(
    world: World, wrong: Any, error: type[Error]
) -> None:
    world.push("stage/a:1")
    given = wrong(world)
    with pytest.raises(error):
        world.run(**{**TWO, **given})
    assert not world.copies.made
    assert "live/a" not in {where for where, _ in world.registry.manifests}


def test_a_label_that_harbor_does_not_have_is_told_before_anything_is_copied(world: World) -> None:
    def harbor(method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        return (200, {"project_id": 7}) if path == "/api/v2.0/projects/live" else (200, [])

    world.push("stage/a:1")
    with answering(harbor) as url, pytest.raises(InputMismatch, match="has no label checked"):
        world.run(
            source="stage/a:1",
            target="live/a",
            verify_key=KEY,
            mark="harbor:checked",
            api_url=url,
            username="anna",
            password="of-annas-own",
        )
    assert not world.copies.made


def test_the_receipts_of_all_targets_are_the_way_back_of_all(world: World) -> None:
    """That of the first alone let the others stay where they were, and said nothing."""
    a, b = world.push("stage/a:1"), world.push("stage/b:1", "arm64")
    world.run(**TWO)
    world.push("stage/a:2", "riscv64")
    world.push("stage/b:2", "s390x")
    again = {**TWO, "source": "stage/a:2", "also": "stage/b:2=live/b", "receipt": "true"}
    receipts = world.run(**again)["RECEIPT"]
    assert world.registry.tags["live/b", "v1"] != b
    back = {"action": "rollback", "target": "live/a live/b", "previous": receipts}
    world.run(**back)
    assert (world.registry.tags["live/a", "v1"], world.registry.tags["live/b", "v1"]) == (a, b)
    with pytest.raises(InputMismatch, match="in no repository of `target`"):
        world.run(**{**back, "target": "live/a"})


def another_platform_is_wanted(world: World) -> dict[str, str]:
    world.push("stage/b:1", "arm64")
    return {"platforms": "linux/amd64,linux/s390x"}


def two_are_for_one_platform(world: World) -> dict[str, str]:
    world.push("stage/b:1")
    return {}


def an_immutable_tag_is_elsewhere(world: World) -> dict[str, str]:
    world.push("stage/b:1", "arm64")
    world.push("live/a:v1", "riscv64")
    return {"immutable_tags": "v*"}


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        (another_platform_is_wanted, InputMismatch),
        (two_are_for_one_platform, InputMismatch),
        (an_immutable_tag_is_elsewhere, Findings),
    ],
)
def test_sources_that_cannot_be_joined_are_not_copied(world: World, wrong: Any, error: type[Error]) -> None:
    world.push("stage/a:1")
    given = wrong(world)
    with pytest.raises(error):
        world.run(action="index", sources="stage/a:1 stage/b:1", target="live/a", tags="v1", **given)
    assert not world.copies.made


def test_what_can_be_joined_is_written_after_what_it_names(world: World) -> None:
    world.push("stage/a:1")
    world.push("stage/b:1", "arm64")
    outputs = world.run(action="index", sources="stage/a:1 stage/b:1", target="live/a", tags="v1")
    assert len(world.copies.made) == 2
    assert world.registry.tags["live/a", "v1"] == outputs["DIGEST"]


class OneTag:
    """A daemon with several tags of one name, which it gives all where it is asked for none."""

    has_containerd_store = True

    def __init__(self, *ids: str) -> None:
        self.asked: list[str] = []
        self._ids = ids

    def has_image(self, name: str) -> bool:
        self.asked.append(name)
        return True

    def save(self, name: str) -> Iterator[bytes]:
        self.asked.append(name)
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w") as archive:
            images = [{"Config": each, "RepoTags": [f"app:{each}"], "Layers": []} for each in self._ids]
            content = json.dumps(images).encode()
            member = tarfile.TarInfo("manifest.json")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        yield stream.getvalue()


class Loads(Copies):
    """Takes the archive for an image that is in a layout."""

    finds: bool = True

    def load(self, archive: Path, name: str | None, folder: Path) -> None:
        if not self.finds:
            raise ToolError("regctl failed with exit code 1")
        folder.mkdir()
        entry = {
            "digest": f"sha256:{'1' * 64}",
            "annotations": {"org.opencontainers.image.ref.name": "image"},
        }
        (folder / "index.json").write_text(json.dumps({"manifests": [entry]}))


@pytest.mark.parametrize(
    ("source", "asked"),
    [
        ("docker-daemon:app", "docker.io/library/app:latest"),
        ("docker-daemon:app:1", "docker.io/library/app:1"),
        (f"docker-daemon:app@sha256:{'1' * 64}", f"docker.io/library/app@sha256:{'1' * 64}"),
    ],
)
def test_a_daemon_is_asked_for_one_tag(
    world: World, monkeypatch: pytest.MonkeyPatch, source: str, asked: str
) -> None:
    """Asked for a bare name, an engine gives every tag of it, and the first was published."""
    daemon = OneTag("latest")
    monkeypatch.setattr(Job, "daemon", lambda _: daemon)
    given = PLUGIN.inputs.model_validate({"source": source, "target": "r.example/live/a"})
    job = Job({}, Path(), Masker(), SecretFiles(), Signals(), OutputFile({}))
    reached = registries.Registries(None, None, None, Loads(world.registry))
    with content.find_content(given, given.source, job, reached) as found:
        assert found.origin.startswith(source)
    assert daemon.asked == [asked]
    plain = Source.parse(source.partition(":")[2])
    job = Job({"DOCKER_HOST": "unix:///d"}, Path(), Masker(), SecretFiles(), Signals(), OutputFile({}))
    if plain.reference is not None and not plain.reference.digest:
        assert content.is_in_daemon(given, plain, plain.reference, job)
        assert daemon.asked[1:] == [asked]


@pytest.mark.parametrize("finds", [True, False])
def test_an_archive_of_the_daemon_with_several_images_is_none(
    world: World, monkeypatch: pytest.MonkeyPatch, *, finds: bool
) -> None:
    monkeypatch.setattr(Job, "daemon", lambda _: OneTag("1", "latest"))
    given = PLUGIN.inputs.model_validate({"source": "docker-daemon:app:1", "target": "r.example/live/a"})
    job = Job({}, Path(), Masker(), SecretFiles(), Signals(), OutputFile({}))
    loads = Loads(world.registry)
    loads.finds = finds
    reached = registries.Registries(None, None, None, loads)
    with (
        pytest.raises(DaemonError, match=r"gave 2 images for docker\.io/library/app:1"),
        content.find_content(given, given.source, job, reached),
    ):
        pass


class Lazy(Copies):
    """Copies when the plugin has looked at everything, as a regctl that is slower."""

    @contextmanager
    def copying(self, source: str, target: Reference, *, digest_tags: bool) -> Iterator[None]:
        yield
        with super().copying(source, target, digest_tags=digest_tags):
            pass


class Refused(Copies):
    """A regctl that cannot copy."""

    @contextmanager
    def copying(self, source: str, target: Reference, *, digest_tags: bool) -> Iterator[None]:
        yield
        raise ToolError("regctl failed with exit code 1")


ONE = {"source": "stage/a:1", "target": "live/a", "tags": "v1"}


@pytest.mark.parametrize("status", [401, 403])
def test_a_repository_that_the_push_makes_may_not_be_readable_before(world: World, status: int) -> None:
    """As at Quay, whose token server grants no `pull` for what is not there."""
    digest, world.copies = world.push("stage/a:1"), Lazy(world.registry)

    def not_yet(request: Request) -> Response | None:
        there = any(name == "live/a" for name, _ in world.registry.manifests)
        reads = "/v2/live/" in request.url and request.method in ("GET", "HEAD")
        return refuse(status, "UNAUTHORIZED") if reads and not there else None

    world.answer(not_yet)
    world.run(**ONE)
    assert world.registry.tags["live/a", "v1"] == digest
    world.registry.manifests.pop(("live/a", digest))
    with pytest.raises(RegistryError, match="requires credentials"):
        world.run(**ONE, immutable_tags="v*")


def test_a_login_that_may_neither_read_nor_write_is_told(world: World) -> None:
    world.push("stage/a:1")
    world.copies = Refused(world.registry)
    world.answer(lambda request: refuse(401, "UNAUTHORIZED") if "/v2/live/" in request.url else None)
    with pytest.raises(RegistryError, match="requires credentials"):
        world.run(**ONE)


def test_a_repository_that_no_push_makes_is_told_in_plain_words(world: World) -> None:
    """As at ECR."""
    world.push("stage/a:1")
    world.copies = Refused(world.registry)
    world.answer(
        lambda request: refuse(404, "NAME_UNKNOWN", "no live/a") if "/v2/live/" in request.url else None
    )
    with pytest.raises(RegistryError, match=r'there is no such repository, and .*: "no live/a"'):
        world.run(**ONE)


def test_what_regctl_cannot_copy_is_told(world: World) -> None:
    digest = world.push("stage/a:1")
    world.copies = Refused(world.registry)
    with pytest.raises(ToolError, match="regctl failed"):
        world.run(**ONE)
    world.registry.tags["stage/a", digest.replace(":", "-")] = digest
    with pytest.raises(ToolError, match="delete the tag"):
        world.run(**ONE)


def test_a_source_that_lacks_a_platform_is_told(world: World) -> None:
    gone = world.push("stage/a", "arm64")
    entry = {"digest": gone, "size": 1, "mediaType": "application/vnd.oci.image.manifest.v1+json"}
    world.registry.push("stage/a:1", {"schemaVersion": 2, "manifests": [entry]})
    del world.registry.manifests["stage/a", gone]
    for target in ("live/a", "stage/a"):
        with pytest.raises(RegistryError, match=f"do not exist: {gone}; `platforms` publishes"):
            world.run(**{**ONE, "target": target})


def test_all_tags_of_what_has_none(world: World) -> None:
    digest = world.push("stage/a")
    given = {"source": f"stage/a@{digest}", "target": "live/a", "all_tags": "*"}
    world.answer(lambda request: refuse(404, "NAME_UNKNOWN") if "tags/list" in request.url else None)
    with pytest.raises(InputMismatch, match=r"no tag of .*/stage/a that fits"):
        world.run(**given)
    world.registry.manifests.clear()
    with pytest.raises(RegistryError, match="not found; is it pushed"):
        world.run(**given)


def test_no_tag_is_to_be_two_images(world: World) -> None:
    """The last one would win, and the outputs name the first."""
    for also in ("stage/b:1=live/a", "stage/b:1=live/a:v1"):
        with pytest.raises(
            InputError, match=r"with\.also: .*/live/a:v1 would be 2 images; give each a target"
        ):
            world.run(**TWO | {"also": also})
    world.push("stage/b:1")
    world.registry.tags["stage/b", "v2"] = world.push("stage/b:1")
    world.registry.tags["stage/a", "v2"] = world.push("stage/a:1")
    with pytest.raises(InputMismatch, match=r"live/a:v2 would be 2 images"):
        world.run(source="stage/a:1", target="live/a", also="stage/b:1=live/a", all_tags="v*")
    assert world.copies.made == []


class TestGoingBack:
    """A rollback copies nothing, which would have been refused before a tag moves."""

    def way(self, world: World) -> tuple[dict[str, str], dict[str, str]]:
        before = {name: world.push(f"live/{name}:1") for name in "ab"}
        for name in "ab":
            world.push(f"live/{name}:1", "arm64")
        previous = ",".join(f"live/{name}:1={digest}" for name, digest in before.items())
        return before, {"action": "rollback", "target": "live/a live/b", "previous": previous}

    def test_who_may_not_push_to_the_last_moves_none(self, world: World) -> None:
        _, way = self.way(world)
        world.answer(lambda r: refuse(403, "DENIED") if "/live/b/blobs/uploads/" in r.url else None)
        moved = dict(world.registry.tags)
        with pytest.raises(RegistryError, match="live/b"):
            world.run(**way)
        assert world.registry.tags == moved

    def test_one_that_is_refused_all_the_same_is_told_with_where_all_are(self, world: World) -> None:
        before, way = self.way(world)
        there = world.registry.tags["live/b", "1"]

        def veto(request: Request) -> Response | None:
            is_asked = request.method == "PUT" and request.url.endswith("/live/b/manifests/1")
            return refuse(403, "DENIED") if is_asked else None

        world.answer(veto)
        with pytest.raises(RegistryError) as caught:
            world.run(**way)
        host = world.registry.host
        assert f"(now {host}/live/a:1 is {before['a']}, {host}/live/b:1 is {there})" in str(caught.value)
