"""The docker-push plugin with the real regctl and cosign, on registries with and without a referrers API."""

from __future__ import annotations

import base64
import contextlib
import http.client
import io
import json
import operator
import os
import re
import signal
import subprocess
import sys
import tarfile
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

import pytest
from tests.bodies import body_of
from tests.servers import olareg

from gocdnext_sdk import Completed, Reference
from gocdnext_sdk.host.harness import LocalRegistry
from gocdnext_sdk.host.testing import PluginRunner, Result
from gocdnext_sdk.runtime.docker_client import connect
from gocdnext_sdk.tools.regctl import Regctl
from gocdnext_sdk.tools.sigstore import NOBODY, signing_config

FOLDER = Path(__file__).parents[2] / "plugins" / "docker-push"
PLATFORMS = ("linux/amd64", "linux/arm64")
WRITES = frozenset({"PUT", "POST", "PATCH", "DELETE"})


@dataclass(frozen=True)
class Request:
    """What a registry was asked."""

    method: str
    path: str
    user: str | None

    @property
    def repository(self) -> str:
        found = re.match(r"/v2/(.+)/(?:manifests|blobs|tags|referrers)/", self.path)
        return found[1] if found else ""


class Gate:
    """Stands before a registry on a port of its own: keeps a list of requests, and may ask for a login.

    Args:
        upstream: host and port of the registry.
        accounts: user names and passwords; None leaves logins to the registry.
    """

    def __init__(self, upstream: str, accounts: dict[str, str] | None = None) -> None:
        self.requests: list[Request] = []
        self.before: Callable[[Request], bool] = lambda request: True
        gate = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one_request(self) -> None:
                with contextlib.suppress(OSError):
                    super().handle_one_request()

            def _serve(self) -> None:
                body = body_of(self)
                user, password = _login(self.headers.get("Authorization"))
                if accounts is not None and (user is None or accounts.get(user) != password):
                    self._answer(401, [("WWW-Authenticate", 'Basic realm="gate"')], b"")
                    return
                request = Request(self.command, self.path, user)
                gate.requests.append(request)
                if not gate.before(request):
                    self.close_connection = True
                    return
                with contextlib.closing(http.client.HTTPConnection(upstream)) as connection:
                    connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
                    for name, value in self.headers.items():
                        if name.lower() not in ("content-length", "transfer-encoding"):
                            connection.putheader(name, value)
                    connection.putheader("Content-Length", str(len(body)))
                    connection.endheaders(body)
                    response = connection.getresponse()
                    self._answer(response.status, response.getheaders(), response.read())

            def _answer(self, status: int, headers: Sequence[tuple[str, str]], content: bytes) -> None:
                self.send_response_only(status)
                length = {k.lower(): v for k, v in headers}.get("content-length", str(len(content)))
                for name, value in headers:
                    if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                        self.send_header(name, value)
                self.send_header("Content-Length", length if self.command == "HEAD" else str(len(content)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(content)

            do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = _serve  # noqa: N815

            def log_message(self, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.address = f"localhost:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def writes(self) -> list[Request]:
        return [request for request in self.requests if request.method in WRITES]


def _login(header: str | None) -> tuple[str | None, str | None]:
    if not header or not header.startswith("Basic "):
        return None, None
    user, _, password = base64.b64decode(header[6:]).decode().partition(":")
    return user, password


@dataclass(frozen=True)
class Place:
    """A registry that a test can use: where it is, and the login there."""

    address: str
    username: str
    password: str = field(repr=False)

    @property
    def login(self) -> dict[str, str]:
        return {"username": self.username, "password": self.password}

    @property
    def source_login(self) -> dict[str, str]:
        return {"source-username": self.username, "source-password": self.password}

    def repository(self, name: str = "app") -> str:
        return f"{self.address}/push-{uuid4().hex[:8]}/{name}"


def digest_of(layout: Path) -> str:
    return str(json.loads((layout / "index.json").read_text())["manifests"][0]["digest"])


@dataclass(frozen=True)
class Bench:
    """Tools of the test's own, logged in everywhere."""

    scratch: Path
    places: tuple[Place, ...]

    def __post_init__(self) -> None:
        (self.scratch / "docker").mkdir()
        (self.scratch / "config").mkdir()
        auths = {
            each.address: {"auth": base64.b64encode(f"{each.username}:{each.password}".encode()).decode()}
            for each in self.places
        }
        (self.scratch / "docker" / "config.json").write_text(json.dumps({"auths": auths}))
        self.call("cosign", "generate-key-pair", cwd=self.scratch / "config", COSIGN_PASSWORD="")
        (self.scratch / "services.json").write_text(json.dumps(signing_config()))
        (self.scratch / "trust.json").write_text(json.dumps(NOBODY))

    @property
    def environ(self) -> dict[str, str]:
        folders = {"DOCKER_CONFIG": self.scratch / "docker", "TUF_ROOT": self.scratch / "tuf"}
        return {**os.environ, **{name: str(folder) for name, folder in folders.items()}}

    @property
    def private_key(self) -> str:
        return str(self.scratch / "config" / "cosign.key")

    @property
    def public_key(self) -> str:
        return (self.scratch / "config" / "cosign.pub").read_text()

    def call(self, *argv: str, cwd: Path | None = None, **environ: str) -> str:
        done = subprocess.run(
            argv,
            cwd=cwd,
            env={**self.environ, **environ},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def crane(self, *argv: str) -> str:
        return self.call("crane", *argv)

    def push(self, repository: str, content: str = "one", tag: str = "rc") -> str:
        """Push a two-platform index with a tag, its children without one, and return its digest."""
        layout = self.scratch / f"layout-{uuid4().hex[:8]}"
        write_layout(layout, content)
        host = f"reg={repository.partition('/')[0]},tls=disabled"
        self.call("regctl", "image", "copy", "--host", host, f"ocidir://{layout}:one", f"{repository}:{tag}")
        return digest_of(layout)

    def sign(self, repository: str, digest: str) -> None:
        """Sign an index and its children, attest an SBOM, and sign once more in the older format."""
        image, key = f"{repository}@{digest}", ("--yes", "--key", self.private_key)
        services = ("--signing-config", str(self.scratch / "services.json"))
        older = ("--use-signing-config=false", "--new-bundle-format=false", "--tlog-upload=false")
        sbom = self.scratch / "sbom.json"
        sbom.write_text(json.dumps({"bomFormat": "CycloneDX", "specVersion": "1.6", "components": []}))
        self.call("cosign", "sign", *key, *services, "--recursive", image, COSIGN_PASSWORD="")
        attest = ("--predicate", str(sbom), "--type", "cyclonedx")
        self.call("cosign", "attest", *key, *services, *attest, image, COSIGN_PASSWORD="")
        self.call("cosign", "sign", *key, *older, image, COSIGN_PASSWORD="")

    def verify(self, image: str, command: str = "verify", *flags: str) -> bool:
        key = ("--key", str(self.scratch / "config" / "cosign.pub"), "--insecure-ignore-tlog")
        trust = ("--trusted-root", str(self.scratch / "trust.json"))
        done = subprocess.run(
            ["cosign", command, *key, *trust, *flags, image],
            env=self.environ,
            capture_output=True,
            check=False,
        )
        return done.returncode == 0

    def children(self, image: str) -> list[str]:
        return [child["digest"] for child in json.loads(self.crane("manifest", image))["manifests"]]

    def digest(self, image: str) -> str | None:
        """Return what a tag points to; None if it does not exist."""
        done = subprocess.run(
            ["crane", "digest", image],
            env=self.environ,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0 or "MANIFEST_UNKNOWN" in done.stderr or "NAME_UNKNOWN" in done.stderr, (
            done.stderr
        )
        return done.stdout.strip() or None

    def tags(self, repository: str) -> set[str]:
        """Return the tags that people see: those of signatures and referrers left out."""
        done = subprocess.run(
            ["crane", "ls", repository],
            env=self.environ,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0 or "NAME_UNKNOWN" in done.stderr, done.stderr
        return {tag for tag in done.stdout.split() if not tag.startswith("sha256-")}


def write_layout(folder: Path, content: str) -> None:
    """Write an OCI image layout that holds one two-platform index."""
    from hashlib import sha256

    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)

    def add(data: bytes, media_type: str) -> dict[str, Any]:
        digest = sha256(data).hexdigest()
        (blobs / digest).write_bytes(data)
        kind = f"application/vnd.oci.image.{media_type}"
        return {"mediaType": kind, "digest": f"sha256:{digest}", "size": len(data)}

    def add_json(value: dict[str, Any], media_type: str) -> dict[str, Any]:
        return add(json.dumps(value).encode(), media_type)

    children = []
    for platform in PLATFORMS:
        system, architecture = platform.split("/")
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            entry = tarfile.TarInfo("content")
            entry.size = len(text := f"{content} for {platform}".encode())
            archive.addfile(entry, io.BytesIO(text))
        layer = add(buffer.getvalue(), "layer.v1.tar")
        rootfs = {"type": "layers", "diff_ids": [layer["digest"]]}
        config = {"os": system, "architecture": architecture, "config": {}, "rootfs": rootfs}
        manifest = {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": add_json(config, "config.v1+json"),
            "layers": [layer],
        }
        described = add_json(manifest, "manifest.v1+json")
        children.append(described | {"platform": {"os": system, "architecture": architecture}})
    kind = "application/vnd.oci.image.index.v1+json"
    index = add_json({"schemaVersion": 2, "mediaType": kind, "manifests": children}, "index.v1+json")
    named = index | {"annotations": {"org.opencontainers.image.ref.name": "one"}}
    top = {"schemaVersion": 2, "mediaType": kind, "manifests": [named]}
    (folder / "index.json").write_text(json.dumps(top))
    (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')


@pytest.fixture(scope="module")
def plain(registry: LocalRegistry) -> Place:
    """A registry without the referrers API."""
    return Place(registry.address, registry.username, registry.password)


@pytest.fixture(scope="module")
def modern_gate() -> Iterator[Gate]:
    with olareg("--api-delete") as upstream, Gate(upstream, {"modern": "modern-password-1"}) as gate:
        yield gate


@pytest.fixture(scope="module")
def modern(modern_gate: Gate) -> Place:
    """A registry with the referrers API."""
    return Place(modern_gate.address, "modern", "modern-password-1")


@pytest.fixture(scope="module")
def bench(plain: Place, modern: Place, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(tmp_path_factory.mktemp("bench"), (plain, modern))


def writes_of(result: Result) -> list[str]:
    """Return what was copied where, and which tags were moved, in the order of the log."""
    lines = re.compile(r"\$ regctl image copy .* (\S+)|==> (\S+): \S+ -> \S+")
    return [each[1] or each[2] for each in map(lines.fullmatch, result.log.splitlines()) if each]


def build_of(bench: Bench, repository: str, platform: str) -> str:
    """Build for one platform with the engine's own BuildKit and its attestations; return the reference."""
    folder = bench.scratch / f"build-{uuid4().hex[:8]}"
    folder.mkdir()
    (folder / "Dockerfile").write_text(f"FROM scratch\nCOPY Dockerfile /{uuid4().hex}\n")
    image, metadata = f"{repository}:{platform.rpartition('/')[2]}", folder / "metadata.json"
    output = ("--output", "type=image,push=true,store=false", "--metadata-file", str(metadata))
    where = ("--builder", "default", "--platform", platform, "--tag", image)
    bench.call("buildx", "build", *where, *output, str(folder))
    return f"{repository}@{json.loads(metadata.read_text())['containerimage.digest']}"


class TestIndex:
    """`action: index` joins images as buildx' own `imagetools create` does."""

    def test_joined_images_are_flat_with_their_attestations_as_buildx_joins_them(
        self, run_plugin: PluginRunner, bench: Bench, plain: Place, modern: Place
    ) -> None:
        staging, production = plain.repository(), modern.repository()
        amd, arm = (build_of(bench, staging, each) for each in PLATFORMS)
        description = "index:org.opencontainers.image.description=Both"
        with_ = {
            "action": "index",
            "sources": f"{amd}\n{arm}",
            "target": f"{production} {staging}",
            "tags": "1.0.0 latest",
            "platforms": ",".join(PLATFORMS),
            "annotations": description,
            "docker-config": (bench.scratch / "docker" / "config.json").read_text(),
        }
        result = run_plugin(FOLDER, with_).passed()
        digest = result.outputs["DIGEST"]
        for repository in (production, staging):
            assert bench.digest(f"{repository}:1.0.0") == bench.digest(f"{repository}:latest") == digest
        assert result.outputs["SOURCE"] == f"{amd},{arm}"

        reference = f"{staging}:by-buildx"
        bench.call(
            *("buildx", "imagetools", "create", "--builder", "default", "--tag", reference),
            *("--annotation", description, amd, arm),
        )
        theirs, ours = (
            json.loads(bench.crane("manifest", each)) for each in (reference, f"{production}:latest")
        )
        key = operator.itemgetter("digest")
        assert sorted(ours.pop("manifests"), key=key) == sorted(theirs.pop("manifests"), key=key)
        assert ours == theirs
        assert len(bench.children(f"{production}:latest")) == 4
        for platform in PLATFORMS:
            bench.crane("export", "--platform", platform, f"{production}:latest", "/dev/null")
        again = run_plugin(FOLDER, with_).passed()
        assert again.outputs["DIGEST"] == digest

    @pytest.mark.parametrize(
        ("changed", "key", "code"),
        [
            ("two of one platform", "with.sources: there are two images for linux/amd64", 2),
            ("an index of two and one of them", "with.sources: there are two images for linux/", 2),
            ("a platform is missing", "with.platforms: the sources are for", 2),
            ("a signature", "is no image for a platform", 2),
            ("a child was deleted", "refers to manifests that do not exist", 3),
        ],
    )
    def test_what_does_not_fit_together_gets_no_tag(
        self, run_plugin: PluginRunner, bench: Bench, modern: Place, changed: str, key: str, code: int
    ) -> None:
        repository = modern.repository()
        first = bench.push(repository, changed)
        amd, arm = bench.children(f"{repository}@{first}")
        second = bench.children(f"{repository}@{bench.push(repository, f'{changed}, again')}")
        sources, platforms = (amd, arm), "linux/amd64,linux/arm64"
        match changed:
            case "two of one platform":
                sources = (amd, second[0])
            case "an index of two and one of them":
                sources = (first, second[1])
            case "a platform is missing":
                platforms += ",linux/s390x"
            case "a signature":
                bench.sign(repository, first)
                signature = bench.digest(f"{repository}:{first.replace(':', '-')}.sig")
                sources = (amd, str(signature))
            case "a child was deleted":
                alone = f"{repository}:alone"
                bench.crane("index", "append", "-m", f"{repository}@{second[1]}", "-t", alone)
                bench.crane("delete", f"{repository}@{second[1]}")
                sources = (amd, str(bench.digest(alone)))
        with_ = {
            "action": "index",
            "sources": " ".join(f"{repository}@{each}" for each in sources),
            "target": repository,
            "tags": "joined",
            "platforms": platforms,
            **modern.login,
        }
        result = run_plugin(FOLDER, with_).exited(code)
        assert key in result.errors[-1], result.errors
        assert "joined" not in bench.tags(repository)


@pytest.mark.parametrize("way", ["plain to modern", "modern to plain"])
def test_a_promotion_takes_every_platform_signature_and_attestation_along(
    run_plugin: PluginRunner, bench: Bench, plain: Place, modern: Place, way: str
) -> None:
    source, target = (plain, modern) if way == "plain to modern" else (modern, plain)
    staging, production = source.repository(), target.repository()
    digest = bench.push(staging)
    bench.sign(staging, digest)
    result = run_plugin(
        FOLDER,
        {
            "source": f"{staging}:rc",
            "target": production,
            "tags": "1.2.3, latest",
            "verify-key": bench.public_key,
            "tlog": "false",
            **source.source_login,
            **target.login,
        },
    ).passed()
    published = f"{production}@{digest}"
    assert bench.tags(production) == {"1.2.3", "latest"}
    assert bench.digest(f"{production}:1.2.3") == bench.digest(f"{production}:latest") == digest
    children = bench.children(f"{staging}@{digest}")
    assert len(children) == 2
    for image in (published, *(f"{production}@{child}" for child in children)):
        assert bench.verify(image), image
    assert bench.verify(published, "verify-attestation", "--type", "cyclonedx")
    assert bench.digest(f"{production}:{digest.replace(':', '-')}.sig")
    assert result.outputs == {
        "IMAGE": production,
        "DIGEST": digest,
        "REFERENCE": published,
        "TAGS": "1.2.3,latest",
        "PROMOTED_DIGEST": digest,
        "SOURCE": f"{staging}@{digest}",
        "TARGET": f"{production}:1.2.3",
        "PREVIOUS": f"{production}:1.2.3=,{production}:latest=",
    }
    # The order: everything belongs to the digest before a tag is written.
    assert writes_of(result) == [published, f"{production}:1.2.3", f"{production}:latest"]


@pytest.mark.parametrize("platforms", ["", "linux/amd64"])
@pytest.mark.parametrize("kind", ["plain", "modern"])
def test_a_candidate_in_a_repository_without_any_tag_is_promoted(
    run_plugin: PluginRunner, bench: Bench, plain: Place, modern: Place, kind: str, platforms: str
) -> None:
    """As builders leave it with `push-by-digest`. Distribution has no list of tags for such a repository."""
    source, target = (plain, modern) if kind == "plain" else (modern, plain)
    candidate, production = source.repository(), target.repository()
    digest = bench.push(candidate.replace("/app", "/tagged"))
    bench.crane("copy", f"{candidate.replace('/app', '/tagged')}@{digest}", f"{candidate}@{digest}")
    given = {"source": f"{candidate}@{digest}", "target": f"{production}:v1"}
    given |= {"platforms": platforms} if platforms else {}
    result = run_plugin(FOLDER, given | source.source_login | target.login).passed()
    assert bench.digest(f"{production}:v1") == result.outputs["DIGEST"]
    assert (result.outputs["DIGEST"] == digest) == (not platforms)


@pytest.mark.parametrize("way", ["plain to modern", "modern to plain", "modern to modern"])
def test_an_image_with_a_digest_tag_on_itself_is_promoted(
    run_plugin: PluginRunner, bench: Bench, plain: Place, modern: Place, way: str
) -> None:
    """As `cosign copy` and others leave it: regctl's tree of what is attached ends with a loop."""
    source, target = ({"plain": plain, "modern": modern}[each] for each in way.split(" to "))
    staging, production = source.repository(), target.repository()
    digest = bench.push(staging)
    bench.sign(staging, digest)
    # Where there is no API, the bare tag is the list of what refers to the image.
    suffix = "" if way == "modern to modern" else ".imgpkg"
    bench.crane("tag", f"{staging}@{digest}", digest.replace(":", "-") + suffix)
    given = {"source": f"{staging}:rc", "target": f"{production}:v1", **source.source_login, **target.login}
    run_plugin(FOLDER, given).passed()
    assert bench.digest(f"{production}:v1") == digest
    assert bench.verify(f"{production}@{digest}")
    assert bench.digest(f"{production}:{digest.replace(':', '-')}.sig")


def test_running_again_changes_nothing(
    run_plugin: PluginRunner, bench: Bench, plain: Place, modern: Place, modern_gate: Gate
) -> None:
    staging, production = plain.repository(), modern.repository()
    digest = bench.push(staging)
    bench.sign(staging, digest)
    inputs = {"source": f"{staging}:rc", "target": f"{production}:v1", **plain.source_login, **modern.login}
    run_plugin(FOLDER, inputs).passed()
    before = len(modern_gate.writes)
    result = run_plugin(FOLDER, inputs).passed()
    assert modern_gate.writes[before:] == []
    assert result.outputs["PREVIOUS"] == f"{production}:v1={digest}"


def test_the_image_promotes_without_a_daemon(
    run_plugin: PluginRunner, registry: LocalRegistry, bench: Bench, plain: Place
) -> None:
    staging, production = plain.repository(), plain.repository()
    digest = bench.push(staging)
    bench.sign(staging, digest)
    inputs = {
        "source": f"{staging}:rc",
        "target": production,
        "verify-key": bench.public_key,
        "tlog": "false",
    }
    result = run_plugin(FOLDER, inputs | plain.login, mode="image", network=registry.network).passed()
    assert result.outputs["REFERENCE"] == f"{production}@{digest}"
    assert bench.digest(f"{production}:latest") == digest
    assert bench.verify(f"{production}@{digest}")


def test_several_targets_get_the_content_before_any_gets_a_tag(
    run_plugin: PluginRunner, bench: Bench, plain: Place, modern: Place
) -> None:
    staging = plain.repository()
    here, there = plain.repository(), modern.repository()
    digest, older = bench.push(staging), bench.push(here, "older", "stable")
    auths = {modern.address: {"username": modern.username, "password": modern.password}}
    result = run_plugin(
        FOLDER,
        {
            "source": f"{staging}@{digest}",
            "target": f"{here}\n{there}:edge",
            "tags": "stable\n# a comment\nrelease/1.x",
            "registry": plain.address,
            "docker-config": json.dumps({"auths": auths}),
            **plain.login,
        },
    ).passed()
    wanted = [
        f"{here}:stable",
        f"{here}:release-1.x",
        f"{there}:edge",
        f"{there}:stable",
        f"{there}:release-1.x",
    ]
    assert writes_of(result) == [f"{here}@{digest}", f"{there}@{digest}", *wanted]
    assert {bench.digest(tag) for tag in wanted} == {digest}
    previous = dict(pair.rsplit("=", 1) for pair in result.outputs["PREVIOUS"].split(","))
    assert previous == {**dict.fromkeys(wanted, ""), f"{here}:stable": older}
    assert result.outputs["TAGS"] == "stable,release-1.x"


def test_a_target_that_fails_leaves_no_tag_moved_anywhere(
    run_plugin: PluginRunner, bench: Bench, plain: Place, modern: Place
) -> None:
    staging, here, there = plain.repository(), plain.repository(), modern.repository()
    digest = bench.push(staging)
    # No login for the second target.
    inputs = {
        "source": f"{staging}:rc",
        "target": f"{here} {there}",
        "registry": plain.address,
        **plain.login,
    }
    result = run_plugin(FOLDER, inputs).exited(3)
    assert bench.tags(here) == bench.tags(there) == set()
    assert f"{modern.address} requires credentials" in result.errors[0]
    assert digest


def test_an_immutable_tag_is_created_and_kept_but_never_moved(
    run_plugin: PluginRunner, bench: Bench, plain: Place
) -> None:
    staging, production = plain.repository(), plain.repository()
    one, two = bench.push(staging, "one", "one"), bench.push(staging, "two", "two")
    rules = {"target": production, "immutable-tags": "v*.*.*, [0-9]*", **plain.login}
    run_plugin(FOLDER, {"source": f"{staging}:one", "tags": "latest v1.0.0", **rules}).passed()
    run_plugin(FOLDER, {"source": f"{staging}:one", "tags": "latest v1.0.0", **rules}).passed()
    result = run_plugin(FOLDER, {"source": f"{staging}:two", "tags": "latest v1.0.0", **rules}).exited(1)
    assert (
        f'{production}:v1.0.0 is {one} and must not become {two}: immutable-tags has "v*.*.*"' in result.log
    )
    assert writes_of(result) == []
    assert bench.digest(f"{production}:latest") == one
    run_plugin(FOLDER, {"source": f"{staging}:two", "tags": "latest v1.0.1", **rules}).passed()
    assert bench.digest(f"{production}:latest") == two


@pytest.mark.parametrize("signer", ["nobody", "another key"])
def test_what_is_not_signed_as_demanded_is_not_promoted(
    run_plugin: PluginRunner, bench: Bench, plain: Place, tmp_path: Path, workspace: Path, signer: str
) -> None:
    staging, production = plain.repository(), plain.repository()
    digest = bench.push(staging)
    (workspace / "cosign.pub").write_text(bench.public_key)
    if signer == "another key":
        bench.sign(staging, digest)
        bench.call("cosign", "generate-key-pair", cwd=tmp_path, COSIGN_PASSWORD="")
        (workspace / "cosign.pub").write_text((tmp_path / "cosign.pub").read_text())
    demand = {"verify-key": "cosign.pub", "tlog": "false"}
    result = run_plugin(
        FOLDER, {"source": f"{staging}:rc", "target": production, **demand, **plain.login}
    ).exited(1)
    assert f"{staging}@{digest} is not promoted: there is no signature" in result.errors[0]
    assert writes_of(result) == []
    assert bench.tags(production) == set()


def test_each_login_is_sent_to_its_own_registry_only(
    run_plugin: PluginRunner, bench: Bench, registry: LocalRegistry, modern: Place, modern_gate: Gate
) -> None:
    with Gate(registry.address) as gate:
        staging = f"{gate.address}/push-{uuid4().hex[:8]}/app"
        source = Place(gate.address, registry.username, registry.password)
        bench.push(staging.replace(gate.address, registry.address))
        production = modern.repository()
        seen = len(modern_gate.requests)
        run_plugin(
            FOLDER, {"source": f"{staging}:rc", "target": production, **source.source_login, **modern.login}
        ).passed()
        assert {request.user for request in gate.requests} == {None, registry.username}
        assert {request.user for request in modern_gate.requests[seen:]} == {modern.username}
        assert not gate.writes


def test_two_logins_at_one_registry_read_and_write(
    run_plugin: PluginRunner, bench: Bench, registry: LocalRegistry
) -> None:
    with (
        olareg() as upstream,
        Gate(upstream, {"reader": "reader-pass-1", "writer": "writer-pass-1"}) as gate,
    ):
        reader = Place(gate.address, "reader", "reader-pass-1")
        writer = Place(gate.address, "writer", "writer-pass-1")
        bench.push(f"{upstream}/staging/app")
        source = f"{gate.address}/staging/app:rc"
        inputs = {"source": source, "target": f"{gate.address}/production/app"}
        result = run_plugin(FOLDER, inputs | reader.source_login | writer.login).passed()
        users = {(request.repository, request.user) for request in gate.requests if request.repository}
        assert users == {("staging/app", "reader"), ("production/app", "writer")}
        assert result.outputs["SOURCE"].startswith(f"{gate.address}/staging/app@sha256:")


@pytest.mark.soak
def test_a_copy_that_is_killed_leaves_no_tag_and_finishes_when_run_again(
    bench: Bench, registry: LocalRegistry, plain: Place, tmp_path: Path
) -> None:
    """What kills leave differs by the manifests that are there: one kill before each, and one at the end."""
    staging = plain.repository()
    digest = bench.push(staging)
    bench.sign(staging, digest)
    with Gate(registry.address) as gate:

        def is_manifest(request: Request) -> bool:
            return request.method == "PUT" and "/manifests/" in request.path

        def promote(production: str, kill_at: int | None = None) -> int:
            """Run the plugin, kill it and all it started before it writes that manifest; tell how it ends."""
            inputs = {
                "source": f"{staging}:rc",
                "target": f"{gate.address}/{production}",
                "tags": "v1 latest",
            }
            login = {"registry": gate.address, **plain.login, **plain.source_login}
            environ = {f"PLUGIN_{k.upper().replace('-', '_')}": v for k, v in (inputs | login).items()}
            manifests = 0
            with subprocess.Popen(
                [sys.executable, "-m", "gocdnext_sdk.host.harness.start", FOLDER],
                cwd=tmp_path,
                env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "TMPDIR": str(tmp_path), **environ},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            ) as process:

                def before(request: Request) -> bool:
                    nonlocal manifests
                    manifests += is_manifest(request)
                    if manifests == kill_at and is_manifest(request):
                        _kill_session(process.pid)
                    return kill_at is None or manifests < kill_at

                gate.before = before
                process.wait()
            gate.before = lambda request: True
            return process.returncode

        assert promote("push-whole/app") == 0
        written = [request.path for request in gate.requests if is_manifest(request)]
        copied = [path.endswith(("/v1", "/latest")) for path in written].index(True)
        assert written[copied:] == [f"/v2/push-whole/app/manifests/{tag}" for tag in ("v1", "latest")]
        # Two platforms and their index, a signature of each, an attestation, one in the older format, and the
        # indexes of referrers.
        assert copied >= 11
        for number in range(1, copied + 2):
            production = f"push-{uuid4().hex[:8]}/app"
            published = f"{registry.address}/{production}"
            assert promote(production, number) == -signal.SIGKILL
            assert bench.tags(published) == set(), number
            assert promote(production) == 0, number
            assert bench.digest(f"{published}:v1") == bench.digest(f"{published}:latest") == digest
            images = [f"{published}@{each}" for each in (digest, *bench.children(f"{published}@{digest}"))]
            with ThreadPoolExecutor(2) as workers:
                assert all(workers.map(bench.verify, images)), number


def _kill_session(session: int) -> None:
    """Kill every process of a session, as ending a container does."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, IndexError):
                # After the command's name, which may hold anything: state, parent, group, session.
                if int((entry / "stat").read_text().rpartition(")")[2].split()[3]) == session:
                    os.kill(int(entry.name), signal.SIGKILL)


def test_a_platform_that_was_deleted_at_the_target_is_sent_again(
    run_plugin: PluginRunner, bench: Bench, plain: Place
) -> None:
    staging, production = plain.repository(), plain.repository()
    digest = bench.push(staging)
    child = bench.children(f"{staging}@{digest}")[0]
    inputs = {"source": f"{staging}:rc", "target": production, **plain.login}
    run_plugin(FOLDER, inputs).passed()
    bench.crane("delete", f"{production}@{child}")
    run_plugin(FOLDER, inputs).passed()
    assert bench.digest(f"{production}@{child}") == child
    # In one repository there is nowhere to send it from.
    bench.crane("delete", f"{production}@{child}")
    result = run_plugin(FOLDER, inputs | {"source": f"{production}:latest", "tags": "stable"}).exited(3)
    assert f"{production}@{digest} refers to manifests that do not exist: {child}" in result.errors[0]
    assert bench.tags(production) == {"latest"}


def test_a_lost_index_of_referrers_is_mended(run_plugin: PluginRunner, bench: Bench, plain: Place) -> None:
    staging, production = plain.repository(), plain.repository()
    digest = bench.push(staging)
    bench.sign(staging, digest)
    child = bench.children(f"{staging}@{digest}")[0]
    inputs = {"source": f"{staging}:rc", "target": production, **plain.login}
    run_plugin(FOLDER, inputs).passed()
    # What a kill between a signature and the index that names it leaves behind.
    lost = f"{production}:{child.replace(':', '-')}"
    bench.crane("delete", f"{production}@{bench.digest(lost)}")
    assert not bench.verify(f"{production}@{child}")
    run_plugin(FOLDER, inputs).passed()
    assert bench.verify(f"{production}@{child}")


@pytest.fixture
def daemon() -> Any:
    return connect(os.environ)


@pytest.fixture
def layout(workspace: Path) -> Path:
    folder = workspace / "dist" / "my image"
    write_layout(folder, uuid4().hex)
    return folder


def archive_of(layout: Path, file: Path) -> Path:
    with tarfile.open(file, "w") as archive:
        for path in sorted(layout.rglob("*")):
            archive.add(path, path.relative_to(layout), recursive=False)
    return file


@pytest.mark.parametrize(
    "source",
    ["oci:dist/my image", "oci:dist/my image:one", "./dist/my image", "oci-archive:app.tar", "app.tar"],
)
def test_files_of_the_workspace_are_published(
    run_plugin: PluginRunner, bench: Bench, plain: Place, layout: Path, workspace: Path, source: str
) -> None:
    archive_of(layout, workspace / "app.tar")
    target = f"{plain.repository()}:v1"
    result = run_plugin(FOLDER, {"source": source, "target": target, **plain.login}).passed()
    assert bench.digest(target) == digest_of(layout) == result.outputs["DIGEST"]
    assert len(bench.children(target)) == 2
    assert result.outputs["SOURCE"] == f"{source}@{digest_of(layout)}"
    assert result.changed == frozenset()


def test_an_archive_of_docker_save_is_published(
    run_plugin: PluginRunner, bench: Bench, plain: Place, workspace: Path
) -> None:
    staging, target = plain.repository(), f"{plain.repository()}:v1"
    bench.push(staging)
    bench.crane("pull", "--platform", "linux/arm64", f"{staging}:rc", str(workspace / "saved.tar"))
    inputs = {"source": "docker-archive:saved.tar", "target": target, **plain.login}
    run_plugin(FOLDER, inputs).passed()
    assert json.loads(bench.crane("config", target))["architecture"] == "arm64"
    assert "one for linux/arm64" in bench.crane("export", target, "-")


def test_an_image_of_the_daemon_is_published_with_all_its_platforms(
    run_plugin: PluginRunner, bench: Bench, plain: Place, layout: Path, tmp_path: Path, daemon: Any
) -> None:
    index = json.loads((layout / "index.json").read_text())
    name = f"push-{uuid4().hex[:8]}/built:here"
    index["manifests"][0]["annotations"] = {"io.containerd.image.name": f"docker.io/{name}"}
    (layout / "index.json").write_text(json.dumps(index))
    with archive_of(layout, tmp_path / "load.tar").open("rb") as stream:
        daemon.images.load(stream)
    try:
        inputs = {"source": name, "target": f"{plain.repository()}:v1", **plain.login}
        result = run_plugin(FOLDER, inputs, docker=True).passed()
        assert bench.digest(inputs["target"]) == digest_of(layout) == result.outputs["DIGEST"]
        assert len(bench.children(inputs["target"])) == 2
    finally:
        daemon.images.remove(name, force=True)


@pytest.mark.parametrize("transport", ["", "docker-daemon:"])
def test_a_name_without_a_tag_is_the_latest_of_several_in_the_daemon(
    run_plugin: PluginRunner, bench: Bench, plain: Place, tmp_path: Path, daemon: Any, transport: str
) -> None:
    """Asked for a bare name, an engine saves all its tags, and regctl takes the first."""
    name, target = f"push-{uuid4().hex[:8]}/built", f"{plain.repository()}:v1"
    digests = {}
    try:
        for tag in ("1", "latest"):
            folder = tmp_path / tag
            write_layout(folder, uuid4().hex)
            index = json.loads((folder / "index.json").read_text())
            index["manifests"][0]["annotations"] = {"io.containerd.image.name": f"docker.io/{name}:{tag}"}
            (folder / "index.json").write_text(json.dumps(index))
            digests[tag] = digest_of(folder)
            with archive_of(folder, tmp_path / f"{tag}.tar").open("rb") as stream:
                daemon.images.load(stream)
        inputs = {"source": f"{transport}{name}", "target": target, **plain.login}
        run_plugin(FOLDER, inputs, docker=True).passed()
        assert bench.digest(target) == digests["latest"]
    finally:
        for tag in digests:
            daemon.images.remove(f"{name}:{tag}", force=True)


def test_an_image_that_is_not_in_the_daemon_comes_from_the_registry_it_names(
    run_plugin: PluginRunner, bench: Bench, plain: Place
) -> None:
    staging, production = plain.repository(), plain.repository()
    digest = bench.push(staging)
    inputs = {"source": f"{staging}:rc", "target": production, **plain.login}
    result = run_plugin(FOLDER, inputs, docker=True).passed()
    assert bench.digest(f"{production}:latest") == digest
    assert f"{staging}:rc is not in the daemon" in result.log
    nowhere = run_plugin(FOLDER, inputs | {"source": f"push-{uuid4().hex[:8]}:here"}, docker=True).exited(3)
    assert "in the daemon; was it built there?" in nowhere.errors[0]


def test_one_platform_of_several_in_the_daemon_is_not_passed_off_as_the_image(
    run_plugin: PluginRunner, bench: Bench, plain: Place, daemon: Any
) -> None:
    staging, production = plain.repository(), plain.repository()
    digest = bench.push(staging, uuid4().hex)
    login = {"username": plain.username, "password": plain.password}
    daemon.images.pull(staging, "rc", auth_config=login)
    try:
        inputs = {"source": f"{staging}:rc", "target": production, **plain.login}
        result = run_plugin(FOLDER, inputs, docker=True).exited(3)
        assert 'pull: "true" copies all of it' in result.errors[0]
        assert bench.tags(production) == set()
        run_plugin(FOLDER, inputs | {"pull": "True"}, docker=True).passed()
        assert bench.digest(f"{production}:latest") == digest
    finally:
        daemon.images.remove(f"{staging}:rc", force=True)


@pytest.mark.parametrize("place", ["plain", "modern"])
def test_a_failed_tag_is_deleted_and_no_other(
    run_plugin: PluginRunner, bench: Bench, request: pytest.FixtureRequest, place: str
) -> None:
    where: Place = request.getfixturevalue(place)
    repository = where.repository()
    digest = bench.push(repository, tag="good")
    bench.crane("tag", f"{repository}:good", "failed")
    inputs = {"action": "delete-tag", "target": repository, "tags": "failed", **where.login}
    result = run_plugin(FOLDER, inputs).passed()
    assert bench.tags(repository) == {"good"}
    assert bench.digest(f"{repository}:good") == digest
    assert result.outputs["PREVIOUS"] == f"{repository}:failed={digest}"
    again = run_plugin(FOLDER, inputs).passed()
    assert f"{repository}:failed is not there" in again.log


def test_a_tag_that_has_moved_on_is_not_deleted(run_plugin: PluginRunner, bench: Bench, plain: Place) -> None:
    repository = plain.repository()
    failed, good = bench.push(repository, "failed", "latest"), bench.push(repository, "good", "latest")
    inputs = {"action": "delete-tag", "source": f"{repository}@{failed}", "target": f"{repository}:latest"}
    result = run_plugin(FOLDER, inputs | plain.login).passed()
    assert f"{repository}:latest is left alone: it is {good} by now" in result.log
    assert bench.digest(f"{repository}:latest") == good


def test_a_registry_that_cannot_delete_tags_keeps_them_where_they_are(
    run_plugin: PluginRunner, bench: Bench
) -> None:
    with olareg() as upstream, Gate(upstream, {"user": "user-password-1"}) as gate:
        digest = bench.push(f"{upstream}/team/app", tag="failed")
        inputs = {"action": "delete-tag", "target": f"{gate.address}/team/app:failed"}
        login = {"username": "user", "password": "user-password-1"}
        result = run_plugin(FOLDER, inputs | login).exited(3)
        assert "did not let" in result.errors[0]
        # Before it could be known, regctl had moved the tag to an empty manifest.
        assert bench.digest(f"{upstream}/team/app:failed") == digest


def test_every_flag_exists() -> None:
    """Of regctl; those of cosign are tested with its own plugin."""

    class Recorder:
        commands: list[list[str]] = []

        def run(self, *argv: object, ok: Any = (0,)) -> Any:
            self.commands.append(list(map(str, argv)))
            return Completed(0)

        @contextlib.contextmanager
        def running(self, *argv: object, ok: Any = (0,)) -> Iterator[None]:
            self.commands.append(list(map(str, argv)))
            yield

        def capture(self, *argv: object, assumed: bytes) -> Any:
            self.commands.append(list(map(str, argv)))
            return Completed(0, assumed)

    image = Reference.parse(f"localhost/team/app@sha256:{'0' * 64}")
    regctl = Regctl(Recorder())  # type: ignore[arg-type]
    with regctl.copying(str(image), image, digest_tags=True):
        pass
    regctl.mend(str(image), image, digest_tags=True)
    regctl.attached(str(image))
    regctl.delete_tag(image.with_tag("v1"))
    regctl.load(Path("app.tar"), "name", Path("layout"))
    regctl.compress(Path("layout"))
    public = {name for name in vars(Regctl) if not name.startswith("_") and callable(getattr(Regctl, name))}
    assert len(Recorder.commands) == len(public)
    for command in Recorder.commands:
        text = subprocess.run(
            ["regctl", *command[:2], "--help"], capture_output=True, text=True, check=True
        ).stdout
        known = set(re.findall(r"--[a-z-]+", text))
        assert {word for word in command if word.startswith("--")} <= known, command


def test_the_tags_of_several_images_move_together_with_their_signatures_or_not_at_all(
    run_plugin: PluginRunner, bench: Bench, plain: Place, modern: Place
) -> None:
    one, two = plain.repository("one"), plain.repository("two")
    digests = [bench.push(one, "one"), bench.push(two, "two")]
    bench.sign(one, digests[0])
    there = {one: modern.repository("one"), two: modern.repository("two")}
    inputs = {
        "source": f"{one}@{digests[0]}",
        "target": there[one],
        "also": f"{two}@{digests[1]}={there[two]}",
        "tags": "v1 latest",
        "verify-key": bench.public_key,
        "tlog": "false",
        **plain.source_login,
        **modern.login,
    }
    run_plugin(FOLDER, inputs).exited(1)  # the second is not signed
    assert bench.digest(f"{there[one]}@{digests[0]}") is None  # and nothing of the first is copied
    bench.sign(two, digests[1])
    result = run_plugin(FOLDER, inputs).passed()
    for source, digest in zip((one, two), digests, strict=True):
        assert {bench.digest(f"{there[source]}:{tag}") for tag in ("v1", "latest")} == {digest}
        assert bench.verify(f"{there[source]}@{digest}")
    assert set(result.outputs["PREVIOUS"].split(",")) == {
        f"{target}:{tag}=" for target in there.values() for tag in ("v1", "latest")
    }
