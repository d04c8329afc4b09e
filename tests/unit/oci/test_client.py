"""The registry client against registries in memory; test_http has sockets, tests/e2e real registries."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gocdnext_sdk.errors import RegistryError, TimedOut
from gocdnext_sdk.host.testing.fake_registry import FakeNetwork, FakeRegistry, refuse, respond
from gocdnext_sdk.oci import client as client_module
from gocdnext_sdk.oci.client import RegistryClient
from gocdnext_sdk.oci.credentials import Credential, Credentials
from gocdnext_sdk.oci.descriptor import (
    DOCKER_INDEX,
    DOCKER_MANIFEST,
    MAX_MANIFEST,
    OCI_INDEX,
    OCI_MANIFEST,
    Descriptor,
    digest_of,
)
from gocdnext_sdk.oci.reference import Reference, Registry
from gocdnext_sdk.oci.transport import Fault, Request, Response, Transport, TransportError
from gocdnext_sdk.runtime.signals import Signals
from gocdnext_sdk.secret import Secret

PASSWORD = "hunter2-hunter2"
HOST = "registry.example.com"
CONFIG = "application/vnd.oci.image.config.v1+json"


class Clock:
    now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def registry() -> FakeRegistry:
    return FakeRegistry(HOST)


def client_of(transport: Transport, username: str = "") -> RegistryClient:
    logins = [Credential(Registry(HOST), username, Secret(PASSWORD))] if username else []
    return RegistryClient(Credentials(logins), transport=transport, clock=Clock())


def answering(answer: Callable[[Request], Response]) -> FakeNetwork:
    return FakeNetwork({HOST: answer})


def image(name: str = "team/app:1") -> Reference:
    return Reference.parse(f"{HOST}/{name}")


def entry(descriptor: Descriptor, **fields: object) -> dict[str, object]:
    return {
        "digest": descriptor.digest,
        "mediaType": descriptor.media_type,
        "size": descriptor.size,
        **fields,
    }


def child(name: str, media_type: str = OCI_MANIFEST, **fields: object) -> dict[str, object]:
    return {"digest": f"sha256:{name * 64}", "mediaType": media_type, "size": 7, **fields}


def methods(registry: FakeRegistry | FakeNetwork) -> list[str]:
    return [each.method for each in registry.requests]


class TestResolve:
    def test_one_request_tells_digest_type_and_size(self, registry: FakeRegistry) -> None:
        pushed = registry.push("team/app:1", {"manifests": []})
        found = client_of(registry).resolve(image())
        assert found == pushed
        assert found.is_index
        (request,) = registry.requests
        assert (request.method, urlsplit(request.url).path) == ("HEAD", "/v2/team/app/manifests/1")
        assert set(request.headers["Accept"].split(", ")) == {
            *(OCI_INDEX, OCI_MANIFEST, DOCKER_INDEX, DOCKER_MANIFEST)
        }

    @pytest.mark.parametrize(
        "headers",
        [
            {},
            {"Content-Type": OCI_INDEX},
            {"Content-Type": OCI_INDEX, "Docker-Content-Digest": "sha256:short"},
            {"Content-Type": OCI_INDEX, "Docker-Content-Digest": "--flag"},
            {"Content-Type": "application/json", "Docker-Content-Digest": "sha256:" + "0" * 64},
            {"Content-Type": "text/html", "Docker-Content-Digest": "sha256:" + "0" * 64},
        ],
    )
    def test_where_the_headers_do_not_tell_the_bytes_do(self, headers: dict[str, str]) -> None:
        body = json.dumps({"mediaType": OCI_INDEX, "manifests": []}).encode()
        network = answering(lambda request: respond(200, body, headers))
        found = client_of(network).resolve(image())
        assert (found.digest, found.media_type) == (digest_of(body), OCI_INDEX)
        assert methods(network) == ["HEAD", "GET"]

    @pytest.mark.parametrize("length", ["9" * 5000, "\u0663", "-1", "1_0", "7, 7"])
    def test_where_the_length_is_none_the_bytes_have_one(self, length: str) -> None:
        class Odd(Transport):
            def send(self, request: Request, deadline: float) -> Response:
                headers = {"Content-Type": OCI_INDEX, "Docker-Content-Digest": "sha256:" + "0" * 64}
                body = b"" if request.method == "HEAD" else b'{"manifests": []}'
                return respond(200, body, headers | {"Content-Length": length})

        assert client_of(Odd()).resolve(image()).size == len(b'{"manifests": []}')

    @pytest.mark.parametrize("status", [400, 405, 406, 500, 501])
    def test_where_there_is_no_head_there_is_get(self, status: int) -> None:
        body = b'{"layers": []}'
        network = answering(
            lambda request: respond(status) if request.method == "HEAD" else respond(200, body)
        )
        assert client_of(network).resolve(image()).digest == digest_of(body)

    def test_the_digest_that_was_asked_for_is_the_one_that_counts(self) -> None:
        asked, other = "sha256:" + "0" * 64, "sha256:" + "1" * 64
        headers = {"Content-Type": OCI_MANIFEST, "Docker-Content-Digest": other}
        network = answering(lambda request: respond(200, b"{}", headers))
        assert client_of(network).resolve(image(f"team/app@{asked}")).digest == asked

    def test_what_is_not_there(self, registry: FakeRegistry) -> None:
        with pytest.raises(RegistryError, match="team/app:1: not found; is it pushed"):
            client_of(registry).resolve(image())
        assert client_of(registry).find(image()) is None


class TestMediaType:
    """What the body says decides: registries and mirrors send manifests under any type."""

    INDEX = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}

    @pytest.mark.parametrize(
        "header", ["application/json", "text/plain", "", "text/html", f"{OCI_INDEX}; charset=utf-8"]
    )
    @pytest.mark.parametrize("content", [INDEX, {"manifests": []}, INDEX | {"mediaType": DOCKER_INDEX}])
    def test_an_index_is_one(self, registry: FakeRegistry, header: str, content: dict[str, object]) -> None:
        registry.push("team/app:1", content, header or "application/octet-stream")
        descriptor, _ = client_of(registry).manifest(image())
        assert descriptor.media_type == content.get("mediaType", OCI_INDEX)

    def test_a_tag_gets_the_right_type(self, registry: FakeRegistry) -> None:
        pushed = registry.push("team/app", self.INDEX, "application/json")
        client_of(registry).tag(image(f"team/app@{pushed.digest}"), "v1")
        assert registry.requests[-1].headers["Content-Type"] == OCI_INDEX

    @pytest.mark.parametrize(
        ("content", "header"),
        [
            ({"manifests": [], "layers": []}, OCI_INDEX),
            ({"manifests": []}, OCI_MANIFEST),
            ({"mediaType": OCI_MANIFEST, "manifests": []}, OCI_INDEX),
            ({"mediaType": OCI_INDEX, "config": {}}, OCI_INDEX),
        ],
    )
    def test_what_clients_read_differently_is_refused(
        self, registry: FakeRegistry, content: dict[str, object], header: str
    ) -> None:
        registry.push("team/app:1", content, header)
        with pytest.raises(RegistryError, match="the registry sent no manifest"):
            client_of(registry).manifest(image())


class TestWhatProgramsReadDifferently:
    """Go takes a key in any case, and the last of several; an image must not hide behind the other."""

    ARM = child("a", platform={"os": "linux", "architecture": "arm64"})
    AMD = child("b", platform={"os": "linux", "architecture": "amd64"})

    @pytest.mark.parametrize("second", ["manifests", "Manifests", "MANIFESTS", "manife\u017fts"])
    def test_a_second_list_of_images(self, second: str) -> None:
        body = f'{{"mediaType": "{OCI_INDEX}", "manifests": [{json.dumps(self.ARM)}], '
        body += f'"{second}": [{json.dumps(self.AMD)}]}}'
        self.refused(body.encode())

    @pytest.mark.parametrize(
        "fields",
        [
            {"Digest": "sha256:" + "b" * 64},
            {"mediatype": OCI_INDEX},
            {"Platform": {"os": "linux", "architecture": "amd64"}},
            {"platform": {"os": "linux", "architecture": "arm64", "Architecture": "amd64"}},
            {"platform": {"OS": "linux", "architecture": "arm64"}},
        ],
    )
    def test_a_second_field_of_an_entry(self, fields: dict[str, object]) -> None:
        self.refused(json.dumps({"mediaType": OCI_INDEX, "manifests": [self.ARM | fields]}).encode())

    @pytest.mark.parametrize(
        "content",
        [
            {"mediaType": OCI_INDEX, "manifests": [], "Layers": [], "Config": {}},
            {"MediaType": OCI_INDEX, "manifests": []},
            {"mediaType": OCI_MANIFEST, "layers": [{"Digest": "sha256:" + "b" * 64}]},
            {"mediaType": OCI_MANIFEST, "layers": [], "config": {"Digest": "sha256:" + "b" * 64}},
            {"mediaType": 7, "manifests": []},
            {"mediaType": "a\nb", "manifests": []},
        ],
    )
    def test_an_index_that_is_an_image_too(self, content: dict[str, object]) -> None:
        self.refused(json.dumps(content).encode())

    @pytest.mark.parametrize("encoding", ["utf-16", "utf-32-le", "utf-8-sig"])
    def test_another_encoding(self, encoding: str) -> None:
        self.refused(json.dumps({"mediaType": OCI_INDEX, "manifests": []}).encode(encoding))

    def test_case_counts_in_annotations(self) -> None:
        """They are a map, and no program folds its keys."""
        content = {"manifests": [self.ARM | {"annotations": {"Digest": "x", "digest": "y"}}]}
        network = answering(lambda request: respond(200, json.dumps(content)))
        (found,) = client_of(network).platforms(image())
        assert found.annotations == {"Digest": "x", "digest": "y"}

    def test_a_configuration_for_two_platforms(self, registry: FakeRegistry) -> None:
        config = registry.blob(b'{"os": "linux", "architecture": "arm64", "Architecture": "amd64"}')
        single = registry.push(
            "team/app", {"config": {"mediaType": CONFIG, "digest": config, "size": 1}, "layers": []}
        )
        registry.push("team/app:1", {"manifests": [entry(single)]})
        with pytest.raises(RegistryError, match="invalid image configuration"):
            client_of(registry).platforms(image())

    def refused(self, body: bytes) -> None:
        network = answering(lambda request: respond(200, body, {"Content-Type": OCI_INDEX}))
        with pytest.raises(RegistryError, match="the registry sent no manifest"):
            client_of(network).manifest(image())


class TestManifest:
    def test_other_bytes_than_the_digest_names_are_refused(self) -> None:
        network = answering(lambda request: respond(200, b'{"swapped": true}'))
        with pytest.raises(RegistryError, match="the registry sent other content, with digest sha256:"):
            client_of(network).manifest(image("team/app@sha256:" + "0" * 64))

    def test_sha512_is_checked_as_well(self) -> None:
        network = answering(lambda request: respond(200, b"{}", {"Content-Type": OCI_MANIFEST}))
        right = digest_of(b"{}", "sha512")
        assert client_of(network).manifest(image(f"app@{right}"))[0].digest == right
        with pytest.raises(RegistryError, match="other content"):
            client_of(network).manifest(image("app@sha512:" + "0" * 128))

    @pytest.mark.parametrize(
        "body", [b"", b"<html>login</html>", b"[]", b"7", b"null", b"[" * 200_000, b"\xff"]
    )
    def test_no_json_is_an_error(self, body: bytes) -> None:
        with pytest.raises(RegistryError, match="the registry sent no manifest"):
            client_of(answering(lambda request: respond(200, body))).manifest(image())

    def test_more_than_a_manifest_may_be_is_refused(self) -> None:
        network = answering(lambda request: respond(200, b" " * (MAX_MANIFEST + 1)))
        with pytest.raises(RegistryError, match=f"sent more than {MAX_MANIFEST} bytes"):
            client_of(network).manifest(image("app@sha256:" + "0" * 64))


class TestPlatforms:
    def test_those_of_an_index_without_its_attestations(self, registry: FakeRegistry) -> None:
        attestation = {"vnd.docker.reference.type": "attestation-manifest"}
        children = [
            child("a", platform={"os": "linux", "architecture": "amd64"}),
            child("b", platform={"os": "linux", "architecture": "arm", "variant": "v7"}),
            child("c", platform={"os": "unknown", "architecture": "unknown"}, annotations=attestation),
            entry(self.single(registry, {}, "application/spdx+json"), artifactType="application/spdx+json"),
        ]
        registry.push("team/app:1", {"manifests": children})
        found = client_of(registry).platforms(image())
        assert [(each.platform, each.digest[-1]) for each in found] == [
            ("linux/amd64", "a"),
            ("linux/arm/v7", "b"),
        ]
        everything = client_of(registry).children(image())
        assert [each.digest[-1] for each in everything[:3]] == ["a", "b", "c"]
        assert [each.is_attestation for each in everything] == [False, False, True, False]
        assert everything[3].artifact_type == "application/spdx+json"

    @pytest.mark.parametrize(
        "guise",
        [
            {"annotations": {"vnd.docker.reference.type": "anything"}},
            {"annotations": {"vnd.docker.reference.type": ""}},
            {"annotations": {"vnd.docker.reference.type": "attestation-manifest"}},
            {"artifactType": "application/x"},
        ],
    )
    def test_what_clients_would_pull_cannot_hide(
        self, registry: FakeRegistry, guise: dict[str, object]
    ) -> None:
        """They look at the platform alone, or at the configuration where an entry names none."""
        amd = {"os": "linux", "architecture": "amd64"}
        image_ = self.single(registry, amd)
        inner = registry.push("team/app", {"manifests": [child("b", platform=amd)]})
        unknown = {"os": "unknown", "architecture": "amd64"}
        children = [
            child("a", platform=amd, **guise),
            entry(inner, **guise),
            entry(image_, **guise),
            entry(self.single(registry, amd | {"created": "x"}), platform=unknown, **guise),
            child("c", platform=amd | {"architecture": "arm64"}),
        ]
        registry.push("team/app:1", {"manifests": children})
        found = client_of(registry).platforms(image())
        assert sorted(str(each.platform) for each in found) == ["linux/amd64"] * 4 + ["linux/arm64"]

    @pytest.mark.parametrize("platform", [None, {}, {"architecture": "amd64"}, {"os": "linux"}])
    def test_an_image_for_nobody_knows_what_is_an_error(
        self, registry: FakeRegistry, platform: dict[str, str] | None
    ) -> None:
        """An empty system is the host's own for containerd; go-containerregistry takes it for linux/amd64."""
        single = self.single(registry, platform or {})
        registry.push("team/app:1", {"manifests": [entry(single, platform=platform)]})
        with pytest.raises(RegistryError, match="which platform"):
            client_of(registry).platforms(image())

    def test_an_image_whose_entry_has_its_configurations_type_is_an_image(
        self, registry: FakeRegistry
    ) -> None:
        """As go-containerregistry writes the index of `crane index append`."""
        platform = {"os": "linux", "architecture": "amd64"}
        kinds = ("application/vnd.docker.container.image.v1+json", CONFIG)
        children = [
            child(name, platform=platform, artifactType=kind) for name, kind in zip("ab", kinds, strict=True)
        ]
        registry.push("team/app:1", {"manifests": children})
        assert [each.digest[-1] for each in client_of(registry).platforms(image())] == ["a", "b"]

    def single(self, registry: FakeRegistry, config: dict[str, object], kind: str = CONFIG) -> Descriptor:
        digest = registry.blob(json.dumps(config).encode())
        return registry.push(
            "team/app", {"config": {"mediaType": kind, "digest": digest, "size": 1}, "layers": []}
        )

    def test_where_the_index_has_none_the_configuration_tells(self, registry: FakeRegistry) -> None:
        amd = self.single(registry, {"os": "linux", "architecture": "amd64"})
        arm = self.single(registry, {"os": "linux", "architecture": "arm", "variant": "v7"})
        windows = {"os": "windows", "architecture": "amd64", "os.version": "10.0.1"}
        win = self.single(registry, windows, "application/vnd.docker.container.image.v1+json")
        helm = self.single(registry, {}, "application/vnd.cncf.helm.config.v1+json")
        odd = {"os": "unknown", "architecture": "unknown"}
        children = [entry(amd), entry(arm, platform={}), entry(win, platform=odd), entry(helm)]
        registry.push("team/app:1", {"manifests": children})
        found = client_of(registry).platforms(image())
        assert [(each.digest, each.platform, each.os_version) for each in found] == [
            (amd.digest, "linux/amd64", None),
            (arm.digest, "linux/arm/v7", None),
            (win.digest, "windows/amd64", "10.0.1"),
        ]

    def test_several_of_one_platform_are_all_there(self, registry: FakeRegistry) -> None:
        def windows(name: str, version: str) -> dict[str, object]:
            return child(name, platform={"os": "windows", "architecture": "amd64", "os.version": version})

        linux = {"os": "linux", "architecture": "amd64"}
        children = [
            windows("a", "10.0.1"),
            windows("b", "10.0.2"),
            child("c", platform=linux),
            child("d", platform=linux),
        ]
        registry.push("team/app:1", {"manifests": children})
        found = client_of(registry).platforms(image())
        assert [(each.digest[-1], each.os_version) for each in found] == [
            *(("a", "10.0.1"), ("b", "10.0.2"), ("c", None), ("d", None))
        ]

    def test_an_index_in_an_index_has_its_own(self, registry: FakeRegistry) -> None:
        linux, windows = ({"os": os, "architecture": "amd64"} for os in ("linux", "windows"))
        inner = registry.push(
            "team/app", {"manifests": [child("a", platform=windows), child("b", platform=linux)]}
        )
        registry.push("team/app:1", {"manifests": [child("b", platform=linux), entry(inner)]})
        found = client_of(registry).platforms(image())
        assert [(each.platform, each.digest[-1]) for each in found] == [
            ("linux/amd64", "b"),
            ("windows/amd64", "a"),
        ]

    def test_a_single_image_has_none_to_choose_from(self, registry: FakeRegistry) -> None:
        pushed = self.single(registry, {"os": "linux", "architecture": "amd64"})
        reference = image(f"team/app@{pushed.digest}")
        assert client_of(registry).platforms(reference) == ()
        found = client_of(registry).with_platform(reference, pushed)
        assert found is not None
        assert found.platform == "linux/amd64"

    @pytest.mark.parametrize(
        "content",
        [
            {"mediaType": OCI_INDEX},
            *({"manifests": each} for each in (1, [1], [{"size": 1}], None, "x")),
            {"manifests": [child("a") | {"digest": "../../other/manifests/1"}]},
            *({"manifests": [child("a") | each]} for each in ({"size": "7"}, {"size": -1}, {"mediaType": 7})),
            *(
                {"manifests": [child("a", platform=each)]}
                for each in ("linux", [1], {"os": "a\nb", "architecture": "x"})
            ),
        ],
    )
    def test_an_invalid_index_is_told(self, registry: FakeRegistry, content: dict[str, object]) -> None:
        registry.push("team/app:1", content, OCI_INDEX)
        with pytest.raises(RegistryError, match="invalid index"):
            client_of(registry).platforms(image())


class TestAbsent:
    """An index that is there may name what is not, at any depth."""

    def test_what_is_not_there_is_named_once(self, registry: FakeRegistry) -> None:
        here = registry.push("team/app", {"layers": ["here"]})
        gone = registry.push("team/app", {"layers": ["gone"]})
        inner = registry.push("team/app", {"manifests": [entry(gone), entry(here)]})
        outer = registry.push("team/app", {"manifests": [entry(inner), entry(here), entry(gone)]})
        del registry.manifests["team/app", gone.digest]
        index = image(f"team/app@{outer.digest}")
        assert client_of(registry).absent(index) == (gone.digest,)
        assert client_of(registry).absent(image(f"team/app@{here.digest}")) == ()

    def test_they_are_looked_for_in_parallel_and_a_cycle_ends(self, registry: FakeRegistry) -> None:
        pushed = [registry.push("team/app", {"layers": [number]}) for number in range(8)]
        index = registry.push("team/app", {"manifests": [entry(each) for each in pushed]})
        meet = threading.Barrier(8, timeout=10)

        def answer(request: Request) -> Response:
            if request.method == "HEAD":
                meet.wait()  # none is answered before all have asked
            return registry(request)

        assert client_of(answering(answer)).absent(image(f"team/app@{index.digest}")) == ()

    def test_the_first_refusal_ends_it(self, registry: FakeRegistry) -> None:
        children = [entry(registry.push("team/app", {"layers": [number]})) for number in range(200)]
        index = registry.push("team/app", {"manifests": children})
        asked = []

        def answer(request: Request) -> Response:
            asked.append(request)
            return registry(request) if request.method == "GET" else refuse(403, "DENIED")

        with pytest.raises(RegistryError, match="requires credentials"):
            client_of(answering(answer)).absent(image(f"team/app@{index.digest}"))
        assert len(asked) < 100

    def test_an_index_without_an_end_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(client_module, "MAX_CHILDREN", 100)
        many = [child("a", OCI_INDEX) | {"digest": digest_of(str(number).encode())} for number in range(101)]
        body = json.dumps({"manifests": many}).encode()
        network = answering(lambda request: respond(200, body, {"Content-Type": OCI_INDEX}))
        for act in (RegistryClient.absent, RegistryClient.platforms):
            with pytest.raises(RegistryError, match="names more than 100 manifests"):
                act(client_of(network), image(f"team/app@{digest_of(body)}"))


class TestTag:
    """One more name for what is there: its very bytes, under their type."""

    def test_the_same_bytes_are_put_under_the_tag(self, registry: FakeRegistry) -> None:
        pushed = registry.push("team/app", b'{"manifests":  []}', OCI_INDEX)
        client = client_of(registry)
        for tag in ("v1", "v2"):
            client.tag(image(f"team/app@{pushed.digest}"), tag)
        assert {tag: registry.tags["team/app", tag] for tag in ("v1", "v2")} == dict.fromkeys(
            ("v1", "v2"), pushed.digest
        )
        assert methods(registry) == ["GET", "PUT", "PUT"]  # the bytes are read once
        assert registry.requests[1].headers["Content-Type"] == OCI_INDEX

    def test_other_bytes_than_the_digest_names_get_no_tag(self) -> None:
        network = answering(lambda request: respond(200, b'{"swapped": true}'))
        with pytest.raises(RegistryError, match="the registry sent other content"):
            client_of(network).tag(image("team/app@sha256:" + "0" * 64), "v1")
        assert methods(network) == ["GET"]

    def test_the_right_to_write_is_asked_for_that_alone(self) -> None:
        registry = FakeRegistry(HOST, users={"me": PASSWORD})
        pushed = image(f"team/app@{registry.push('team/app', {'layers': []}).digest}")
        client = client_of(registry, "me")
        for tag in ("v1", "v2"):
            client.tag(pushed, tag)
        client.resolve(pushed)
        scopes = [
            parse_qs(urlsplit(each.url).query)["scope"]
            for each in registry.requests
            if urlsplit(each.url).netloc == registry.token_host
        ]
        assert scopes == [["repository:team/app:pull"], ["repository:team/app:pull,push"]]

    def test_a_password_that_read_is_sent_at_once(self) -> None:
        registry = FakeRegistry(HOST, users={"me": PASSWORD}, challenges=("Basic",), wants_token=False)
        pushed = registry.push("team/app", {"layers": []})
        client_of(registry, "me").tag(image(f"team/app@{pushed.digest}"), "v1")
        assert methods(registry) == ["GET", "GET", "PUT"]

    @pytest.mark.parametrize(
        ("answer", "expected"),
        [
            (
                respond(403),
                'refused the credentials "me" (403); is the password right, and may this user write there?',
            ),
            (
                refuse(401, "UNAUTHORIZED", "no", ["Basic"]),
                (
                    'refused the credentials "me" (401: "no"); '
                    "is the password right, and may this user write there?"
                ),
            ),
            (
                respond(400, b'{"errors": [{"message": "v1 is\\n immutable\\u001b[0m"}]}'),
                'answered 400 Bad Request: "v1 is immutable[0m"',
            ),
            (refuse(400, "TAG_INVALID"), 'answered 400 Bad Request: "TAG_INVALID"'),
            (
                respond(412, b"<html>"),
                (
                    "refused (412); is the tag immutable by a rule of the project? Push another one, or let "
                    "the rule leave it out"
                ),
            ),
            (respond(405, b'{"errors": []}'), "answered 405 Method Not Allowed"),
            (respond(405, b'{"errors": [7]}'), "answered 405 Method Not Allowed"),
            (respond(202), "answered 202 Accepted"),
        ],
    )
    def test_what_the_registry_says_against_it_is_told(
        self, registry: FakeRegistry, answer: Response, expected: str
    ) -> None:
        pushed = registry.push("team/app", {"layers": []})
        network = answering(lambda request: answer if request.method == "PUT" else registry(request))
        with pytest.raises(RegistryError) as caught:
            client_of(network, "me").tag(image(f"team/app@{pushed.digest}"), "v1")
        told, _, hint = str(caught.value).partition("; a tag that is there may be immutable")
        assert told == f"{HOST}/team/app:v1: {HOST} {expected}"
        assert bool(hint) is (answer.status in (400, 403, 405))


class TestLogin:
    def test_who_has_none_is_told(self) -> None:
        registry = FakeRegistry(HOST, users={"me": PASSWORD})
        for each in (
            registry,
            FakeRegistry(HOST, users={"me": PASSWORD}, challenges=("Basic",), wants_token=False),
        ):
            with pytest.raises(RegistryError, match="requires credentials; give `username` and `password`"):
                client_of(each).resolve(image())

    @pytest.mark.parametrize("wants_token", [True, False])
    def test_a_refused_login_is_told_without_the_password(self, wants_token: bool) -> None:
        challenges = ('Bearer realm="{realm}"',) if wants_token else ("Basic",)
        registry = FakeRegistry(HOST, users={"me": "other"}, challenges=challenges, wants_token=wants_token)
        with pytest.raises(
            RegistryError, match=r'refused the credentials "me" \(401.*\); is the password'
        ) as caught:
            client_of(registry, "me").resolve(image())
        assert PASSWORD not in str(caught.value)

    def test_where_nothing_is_understood_what_is_offered_is_told(self) -> None:
        registry = FakeRegistry(
            HOST, users={"me": PASSWORD}, challenges=("Negotiate", "NTLM"), wants_token=False
        )
        with pytest.raises(
            RegistryError, match="offers Negotiate, Ntlm, which these credentials cannot answer"
        ) as caught:
            client_of(registry, "me").resolve(image())
        assert "is the password right" not in str(caught.value)

    @pytest.mark.parametrize("status", [500, 503, 429])
    def test_a_token_server_that_fails_is_named(self, status: int) -> None:
        registry = FakeRegistry(HOST, users={"me": PASSWORD})
        network = FakeNetwork({HOST: registry, registry.token_host: lambda request: respond(status)})
        with pytest.raises(
            RegistryError, match=rf"auth\.{HOST}, the token server of {HOST}, answered {status}"
        ):
            client_of(network, "me").resolve(image())

    def test_an_identity_token_is_enough(self) -> None:
        registry = FakeRegistry(HOST, refresh_tokens=frozenset({"r3fr3sh"}), token_field="access_token")
        pushed = registry.push("team/app:1", {"layers": []})
        login = Credential(Registry(HOST), "0000", Secret(""), Secret("r3fr3sh"))
        client = RegistryClient(Credentials([login]), transport=registry)
        assert client.resolve(image()).digest == pushed.digest
        registry.expire_tokens()
        assert client.resolve(image()).digest == pushed.digest

    def test_each_repository_has_its_own(self) -> None:
        registry = FakeRegistry(HOST, users={"a": "1", "b": "2"}, challenges=("Basic",), wants_token=False)
        pushed = registry.push("team/app:1", {"layers": []})
        logins = [
            Credential(Registry(HOST), "a", Secret("wrong")),
            Credential(Registry(HOST), "b", Secret("2"), scope="team"),
        ]
        client = RegistryClient(Credentials(logins), transport=registry)
        assert client.resolve(image()).digest == pushed.digest
        with pytest.raises(RegistryError, match='refused the credentials "a"'):
            client.resolve(image("other/app"))

    @pytest.mark.parametrize("status", [401, 403, 404])
    def test_who_forgot_the_registry_is_told_where_the_name_leads(self, status: int) -> None:
        network = FakeNetwork({"registry-1.docker.io": lambda request: respond(status)})
        with pytest.raises(RegistryError, match=r'; "app" names no registry, so it is on Docker Hub$'):
            client_of(network).resolve(Reference.parse("app:1"))
        with pytest.raises(RegistryError) as caught:
            client_of(network).resolve(Reference.parse("org/app:1"))
        assert "Docker Hub" not in str(caught.value)


class TestTls:
    LOCAL = "localhost:5000"

    def client(self, *, tls: bool | None, host: str = LOCAL) -> tuple[RegistryClient, FakeNetwork]:
        registry = FakeRegistry(host)
        registry.push("app:1", {"layers": []})
        network = FakeNetwork({host: registry}, {} if tls is None else {host: tls})
        return RegistryClient(transport=network, clock=Clock()), network

    @pytest.mark.parametrize(("tls", "scheme"), [(True, "https"), (False, "http"), (None, "https")])
    @pytest.mark.parametrize("host", [LOCAL, "10.1.2.3", "127.0.0.1:5000", "reg.localhost"])
    def test_where_a_host_may_be_plain_tls_is_tried_first(
        self, host: str, tls: bool | None, scheme: str
    ) -> None:
        client, network = self.client(tls=tls, host=host)
        for _ in range(2):
            client.resolve(Reference.parse(f"{host}/app:1"))
        assert {urlsplit(each.url).scheme for each in network.requests} == {scheme}
        assert client.speaks_tls(Registry(host)) is (scheme == "https")

    @pytest.mark.parametrize("host", ["registry:5000", "harbor.corp.local", "ghcr.io", "172.32.0.1"])
    def test_elsewhere_plain_http_is_an_error_that_says_so(self, host: str) -> None:
        client, network = self.client(tls=False, host=host)
        with pytest.raises(RegistryError, match=rf"{host} does not speak TLS; .*`insecure-registries`"):
            client.resolve(Reference.parse(f"{host}/app:1"))
        assert network.requests == []
        assert client.speaks_tls(Registry(host))

    @pytest.mark.parametrize(("tls", "scheme"), [(True, "https"), (False, "http")])
    def test_by_the_users_word_plain_http_is_tried_after_tls(self, tls: bool, scheme: str) -> None:
        host = "registry:5000"
        _, network = self.client(tls=tls, host=host)
        client = RegistryClient(transport=network, clock=Clock(), insecure=[Registry(host)])
        client.resolve(Reference.parse(f"{host}/app:1"))
        assert {urlsplit(each.url).scheme for each in network.requests} == {scheme}
        assert client.speaks_tls(Registry("other:5000"))

    def test_a_certificate_that_is_not_trusted_is_no_reason_for_plain_http(self) -> None:
        class Untrusted(Transport):
            def send(self, request: Request, deadline: float) -> Response:
                assert request.url.startswith("https:")
                raise TransportError(Fault.TLS, "self-signed certificate")

        with pytest.raises(RegistryError, match="TLS failed: self-signed certificate"):
            RegistryClient(transport=Untrusted()).resolve(Reference.parse(f"{self.LOCAL}/app"))

    @pytest.mark.parametrize(
        ("fault", "message"),
        [
            (Fault.LIMIT, r"registry\.example\.com sent too much"),
            (Fault.NO_NAME, r"registry\.example\.com cannot be reached: sent too much"),
        ],
    )
    def test_why_nobody_answers(self, fault: Fault, message: str) -> None:
        class Silent(Transport):
            def send(self, request: Request, deadline: float) -> Response:
                raise TransportError(fault, "sent too much")

        with pytest.raises(RegistryError, match=message):
            client_of(Silent()).resolve(image())


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "manifests",
                    "layers",
                    "config",
                    "mediaType",
                    "digest",
                    "size",
                    "platform",
                    "os",
                    "architecture",
                ]
            )
            | st.sampled_from(
                ["annotations", "artifactType", "errors", "message", "token", "expires_in", "os.version"]
            ),
            inner | st.sampled_from([OCI_INDEX, OCI_MANIFEST, CONFIG, "sha256:" + "a" * 64]),
            max_size=6,
        )
    ),
    max_leaves=10,
)
_BODIES = st.one_of(_JSON.map(lambda content: json.dumps(content).encode()), st.binary(max_size=40))
_HEADERS = st.lists(
    st.tuples(
        st.sampled_from(
            ["Content-Type", "WWW-Authenticate", "Docker-Content-Digest", "Location", "Retry-After"]
        ),
        st.text(max_size=30)
        | st.sampled_from(
            [OCI_INDEX, OCI_MANIFEST, "Basic", 'Bearer realm="https://registry.example.com/t"', "/x", "3"]
        ),
    ),
    max_size=4,
)
_ANSWERS = st.builds(
    respond,
    st.sampled_from([200, 200, 200, 201, 301, 307, 400, 401, 403, 404, 429, 500, 503]),
    _BODIES,
    _HEADERS,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(_ANSWERS, min_size=1, max_size=12), st.sampled_from(["", "me"]))
def test_whatever_a_registry_answers_it_is_an_answer_or_a_registry_error(
    answers: list[Response], username: str
) -> None:
    for act in (
        *(RegistryClient.resolve, RegistryClient.platforms, RegistryClient.absent, RegistryClient.manifest),
        lambda client, reference: client.tag(reference, "v1"),
    ):
        script: Iterator[Response] = iter(answers * 50)
        client = client_of(answering(lambda request, script=script: next(script, answers[-1])), username)
        with contextlib.suppress(RegistryError):
            act(client, image())


@dataclass
class Stalling(Transport):
    """A registry that does not answer HEAD."""

    registry: FakeRegistry

    def send(self, request: Request, deadline: float) -> Response:
        if request.method == "HEAD":
            threading.Event().wait(20)
        return self.registry.send(request, deadline)


@pytest.mark.parametrize("count", [1, 2])
def test_who_did_not_answer_within_the_jobs_time_is_named_once(count: int) -> None:
    registry = FakeRegistry(HOST)
    children = [registry.push("app", {"number": number}) for number in range(count)]
    manifests = [
        {"mediaType": each.media_type, "digest": each.digest, "size": each.size} for each in children
    ]
    index = registry.reference("app").with_digest(registry.push("app", {"manifests": manifests}).digest)
    client = RegistryClient(Credentials([]), transport=Stalling(registry))
    named = pytest.raises(TimedOut)
    with Signals() as signals, named as caught, signals.cancelling(), signals.limited(0.3):
        client.absent(index)
    assert caught.value.what.count(f"waiting for {HOST}") == 1


POLICY = b'{"errors":[{"code":"PROJECTPOLICYVIOLATION","message":"The image is not signed by cosign."}]}'
"""What Harbor 2.16 was seen to answer."""


def harbor(request: Request) -> Response:
    """Let only what calls itself cosign read what is not signed, and move no tag."""
    if request.method == "PUT":
        return refuse(412, "PRECONDITION", "'app:v1' configured as immutable")
    if "cosign" not in request.headers.get("User-Agent", ""):
        return respond(412, POLICY)
    body = b'{"schemaVersion": 2, "layers": []}'
    return respond(200, body, {"Content-Type": OCI_MANIFEST, "Docker-Content-Digest": digest_of(body)})


def test_a_project_that_demands_signatures_says_so() -> None:
    client = RegistryClient(transport=FakeNetwork({"harbor.example": harbor}))
    with pytest.raises(RegistryError, match=r'412: "The image is not signed by cosign\."\); the project'):
        client.resolve(Reference.parse("harbor.example/p/app:v1"))


def test_what_looks_things_up_for_cosign_says_so() -> None:
    client = RegistryClient(
        transport=FakeNetwork({"harbor.example": harbor}), agent="gocdnext-plugin-sdk (cosign)"
    )
    client.resolve(Reference.parse("harbor.example/p/app:v1"))


def test_an_immutable_tag_is_named_as_the_registry_does() -> None:
    client = RegistryClient(transport=FakeNetwork({"harbor.example": harbor}), agent="cosign")
    image = Reference.parse("harbor.example/p/app:v1")
    with pytest.raises(RegistryError, match=r"configured as immutable.*is the tag immutable by a rule"):
        client.tag(image.with_digest(client.resolve(image).digest), "v1")
