"""The registry client against a server that answers what a test wants; real registries come in tests/e2e."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from gocdnext_sdk.errors import RegistryError
from gocdnext_sdk.oci import client as client_module
from gocdnext_sdk.oci.client import RegistryClient
from gocdnext_sdk.oci.credentials import Credential, Credentials
from gocdnext_sdk.oci.reference import Reference, Registry
from gocdnext_sdk.secret import Secret

PASSWORD = "hunter2-hunter2"
INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


@dataclass(frozen=True)
class Request:
    method: str
    target: str
    headers: dict[str, str]
    body: bytes = b""

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def authorization(self) -> str | None:
        return self.headers.get("Authorization")


@dataclass(frozen=True)
class Answer:
    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)
    pieces: Iterable[bytes] | None = None
    """Sent instead of the body, without saying how long it is."""


class Server:
    """Answers each request as the test's function says, and keeps what was asked."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.connections = 0
        self.answer: Callable[[Request], Answer] = lambda request: Answer(404)
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                server.connections += 1
                super().setup()

            def do_GET(self) -> None:
                headers = {k.title(): v for k, v in self.headers.items()}
                body = self.rfile.read(int(headers.get("Content-Length", 0)))
                request = Request(self.command, self.path, headers, body)
                server.requests.append(request)
                answer = server.answer(request)
                self.send_response(answer.status)
                length = (
                    {"Content-Length": str(len(answer.body))}
                    if answer.pieces is None
                    else {"Connection": "close"}
                )
                for name, value in (length | answer.headers).items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command != "HEAD":
                    with contextlib.suppress(OSError):  # the client has had enough
                        for piece in [answer.body] if answer.pieces is None else answer.pieces:
                            self.wfile.write(piece)

            do_HEAD = do_PUT = do_GET  # noqa: N815 - the base class calls it so

            def log_message(self, *args: object) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True  # connections stay open
        self.port = self._http.server_address[1]
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def stop(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def reference(self, name: str = "team/app:1") -> Reference:
        return Reference.parse(f"localhost:{self.port}/{name}")

    def client(self, username: str = "") -> RegistryClient:
        if not username:
            return RegistryClient()
        registry = Registry(f"localhost:{self.port}")
        return RegistryClient(Credentials([Credential(registry, username, Secret(PASSWORD))]))


def serve() -> Iterator[Server]:
    server = Server()
    yield server
    server.stop()


registry = pytest.fixture(serve, name="registry")
other = pytest.fixture(serve, name="other")


@pytest.fixture(autouse=True)
def no_proxy_and_no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setattr("urllib3.util.retry.Retry.get_backoff_time", lambda self: 0)


def manifest(content: object, media_type: str = MANIFEST, **headers: str) -> Answer:
    body = json.dumps(content).encode()
    digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(200, body, {"Content-Type": media_type, "Docker-Content-Digest": digest} | named)


def digest_of(answer: Answer) -> str:
    return f"sha256:{hashlib.sha256(answer.body).hexdigest()}"


def basic(username: str) -> str:
    return "Basic " + base64.b64encode(f"{username}:{PASSWORD}".encode()).decode()


class TestResolve:
    def test_one_request_tells_digest_type_and_size(self, registry: Server) -> None:
        image = manifest({"schemaVersion": 2}, f"{INDEX}; charset=utf-8")
        registry.answer = lambda request: image
        found = registry.client().resolve(registry.reference())
        assert (found.digest, found.media_type, found.size) == (digest_of(image), INDEX, len(image.body))
        assert found.is_index
        (request,) = registry.requests
        assert (request.method, request.path) == ("HEAD", "/v2/team/app/manifests/1")
        assert {INDEX, MANIFEST} <= set(request.headers["Accept"].split(", "))

    @pytest.mark.parametrize("header", ["", "sha256:short", "--flag"])
    def test_without_a_digest_in_the_answer_it_is_that_of_the_bytes(
        self, registry: Server, header: str
    ) -> None:
        image = manifest({"schemaVersion": 2}, Docker_Content_Digest=header)
        registry.answer = lambda request: image
        assert registry.client().resolve(registry.reference()).digest == digest_of(image)
        assert [each.method for each in registry.requests] == ["HEAD", "GET"]

    def test_the_digest_that_was_asked_for_is_the_one_that_counts(self, registry: Server) -> None:
        asked = "sha256:" + "0" * 64
        registry.answer = lambda request: manifest({})
        assert registry.client().resolve(registry.reference(f"team/app@{asked}")).digest == asked

    def test_what_is_not_there(self, registry: Server) -> None:
        with pytest.raises(RegistryError, match="team/app:1: not found; is it pushed"):
            registry.client().resolve(registry.reference())


class TestManifest:
    def test_other_bytes_than_the_digest_names_are_refused(self, registry: Server) -> None:
        registry.answer = lambda request: manifest({"swapped": True})
        with pytest.raises(RegistryError, match="the registry sent other content, with digest sha256:"):
            registry.client().manifest(registry.reference("team/app@sha256:" + "0" * 64))

    def test_no_json_is_an_error(self, registry: Server) -> None:
        registry.answer = lambda request: Answer(200, b"<html>login</html>")
        with pytest.raises(RegistryError, match="the registry sent no JSON"):
            registry.client().manifest(registry.reference())

    @pytest.mark.parametrize(
        "content",
        [
            {},
            {"manifests": 1},
            {"manifests": [1]},
            {"manifests": [{"size": 1}]},
            {"manifests": [{"digest": "../../other/manifests/1", "mediaType": MANIFEST, "size": 1}]},
        ],
    )
    def test_an_index_that_is_none_is_told(self, registry: Server, content: object) -> None:
        body = json.dumps(content).encode()
        registry.answer = lambda request: Answer(200, body, {"Content-Type": INDEX})
        with pytest.raises(RegistryError, match="an index that is none"):
            registry.client().platforms(registry.reference())

    def test_the_platforms_of_an_index_without_its_attestations(self, registry: Server) -> None:
        def child(name: str, **platform: str) -> dict[str, object]:
            return {"digest": digest(name), "mediaType": MANIFEST, "size": 7, "platform": platform}

        def digest(name: str) -> str:
            return f"sha256:{name * 64}"

        index = {
            "manifests": [
                child("a", os="linux", architecture="amd64"),
                child("b", os="linux", architecture="arm", variant="v7"),
                child("c", os="unknown", architecture="unknown"),
                {"digest": digest("d"), "mediaType": MANIFEST, "size": 7},
            ]
        }
        registry.answer = lambda request: manifest(index, INDEX)
        found = registry.client().platforms(registry.reference())
        assert [(each.platform, each.digest) for each in found] == [
            ("linux/amd64", digest("a")),
            ("linux/arm/v7", digest("b")),
        ]
        everything = registry.client().children(registry.reference())
        assert [each.digest for each in everything] == [digest(name) for name in "abcd"]

    def test_a_single_image_has_no_platforms_to_choose_from(self, registry: Server) -> None:
        registry.answer = lambda request: manifest({"config": {}})
        assert registry.client().platforms(registry.reference()) == ()


class TestAbsent:
    """An index that is there may name what is not, at any depth."""

    def test_what_is_not_there_is_named_once(self, registry: Server) -> None:
        def entry(answer: Answer, media_type: str) -> dict[str, object]:
            return {"digest": digest_of(answer), "mediaType": media_type, "size": len(answer.body)}

        here, gone = manifest({"os": "here"}), manifest({"os": "gone"})
        inner = manifest({"manifests": [entry(gone, MANIFEST), entry(here, MANIFEST)]}, INDEX)
        outer = manifest(
            {"manifests": [entry(inner, INDEX), entry(here, MANIFEST), entry(gone, MANIFEST)]}, INDEX
        )
        there = {f"/v2/team/app/manifests/{digest_of(each)}": each for each in (here, inner, outer)}
        registry.answer = lambda request: there.get(request.path, Answer(404))
        image = registry.reference(f"team/app@{digest_of(outer)}")
        assert registry.client().absent(image) == (digest_of(gone),)
        assert registry.client().absent(registry.reference(f"team/app@{digest_of(here)}")) == ()
        assert len({(each.method, each.path) for each in registry.requests}) == len(registry.requests)


class TestTag:
    """One more name for what is there: its very bytes, under their type."""

    INDEX = manifest({"schemaVersion": 2, "manifests": []}, f"{INDEX}; charset=utf-8")

    def image(self, registry: Server) -> Reference:
        return registry.reference(f"team/app@{digest_of(self.INDEX)}")

    def test_the_same_bytes_are_put_under_the_tag(self, registry: Server) -> None:
        registry.answer = lambda request: self.INDEX if request.method == "GET" else Answer(201)
        registry.client().tag(self.image(registry), "v1")
        read, written = registry.requests
        assert (read.method, read.path) == ("GET", f"/v2/team/app/manifests/{digest_of(self.INDEX)}")
        assert (written.method, written.path) == ("PUT", "/v2/team/app/manifests/v1")
        assert (written.body, written.headers["Content-Type"]) == (self.INDEX.body, INDEX)

    def test_the_bytes_are_read_once_for_several_tags(self, registry: Server) -> None:
        registry.answer = lambda request: self.INDEX if request.method == "GET" else Answer(201)
        client = registry.client()
        for tag in ("v1", "v2"):
            client.tag(self.image(registry), tag)
        assert [each.method for each in registry.requests] == ["GET", "PUT", "PUT"]

    def test_other_bytes_than_the_digest_names_get_no_tag(self, registry: Server) -> None:
        registry.answer = lambda request: manifest({"swapped": True})
        with pytest.raises(RegistryError, match="the registry sent other content"):
            registry.client().tag(self.image(registry), "v1")
        assert [each.method for each in registry.requests] == ["GET"]

    def test_the_right_to_write_is_asked_for_that_alone(self, registry: Server) -> None:
        scopes = []

        def answer(request: Request) -> Answer:
            if request.path == "/token":
                scopes.append(parse_qs(urlsplit(request.target).query)["scope"][0])
                return Answer(200, json.dumps({"token": scopes[-1]}).encode())
            wanted = "pull" if request.method in ("GET", "HEAD") else "pull,push"
            if request.authorization == f"Bearer repository:team/app:{wanted}":
                return Answer(201) if request.method == "PUT" else self.INDEX
            realm = f'Bearer realm="http://localhost:{registry.port}/token"'
            return Answer(401, headers={"WWW-Authenticate": realm})

        registry.answer = answer
        client = registry.client("me")
        for tag in ("v1", "v2"):
            client.tag(self.image(registry), tag)
        client.resolve(self.image(registry))
        assert scopes == ["repository:team/app:pull", "repository:team/app:pull,push"]

    def test_a_password_that_read_is_sent_at_once(self, registry: Server) -> None:
        def answer(request: Request) -> Answer:
            if request.authorization != basic("me"):
                return Answer(401, headers={"WWW-Authenticate": 'Basic realm="registry"'})
            return self.INDEX if request.method == "GET" else Answer(201)

        registry.answer = answer
        registry.client("me").tag(self.image(registry), "v1")
        assert [each.method for each in registry.requests] == ["GET", "GET", "PUT"]

    @pytest.mark.parametrize(
        ("answer", "expected"),
        [
            (
                Answer(403),
                'refused the login "me" (403); is the password right, and may this user write there?',
            ),
            (
                Answer(401, b'{"errors": [{"message": "no"}]}'),
                'refused the login "me" (401: "no"); is the password right, and may this user write there?',
            ),
            (
                Answer(400, b'{"errors": [{"message": "v1 is\\n immutable\\u001b[0m"}]}'),
                'answered 400 Bad Request: "v1 is immutable[0m"',
            ),
            (Answer(412, b"<html>"), "answered 412 Precondition Failed"),
            (Answer(405, b'{"errors": []}'), "answered 405 Method Not Allowed"),
        ],
    )
    def test_what_the_registry_says_against_it_is_told(
        self, registry: Server, answer: Answer, expected: str
    ) -> None:
        registry.answer = lambda request: self.INDEX if request.method == "GET" else answer
        with pytest.raises(RegistryError) as caught:
            registry.client("me").tag(self.image(registry), "v1")
        host = f"localhost:{registry.port}"
        assert str(caught.value) == f"{host}/team/app:v1: {host} {expected}"

    def test_a_busy_registry_is_asked_again(self, registry: Server) -> None:
        busy = iter([Answer(503), Answer(429, headers={"Retry-After": "0"})])
        registry.answer = lambda request: self.INDEX if request.method == "GET" else next(busy, Answer(201))
        registry.client().tag(self.image(registry), "v1")
        assert [each.body for each in registry.requests[1:]] == [self.INDEX.body] * 3


class TestLogin:
    def test_basic(self, registry: Server) -> None:
        def answer(request: Request) -> Answer:
            if request.authorization == basic("me"):
                return manifest({})
            return Answer(401, headers={"WWW-Authenticate": 'Basic realm="registry"'})

        registry.answer = answer
        client = registry.client("me")
        client.resolve(registry.reference())
        client.resolve(registry.reference("team/app:2"))
        assert [each.authorization for each in registry.requests] == [None, basic("me"), basic("me")]

    def token_dance(self, registry: Server, realm: str, answer: bytes = b'{"token": "t0k3n"}') -> None:
        """Make `registry` want a token; `answer` is what its token server says to the right password."""
        challenge = f'Bearer realm="{realm}",service="reg",scope="repository:team/app:pull"'

        def reply(request: Request) -> Answer:
            if request.path == "/token":
                return Answer(200, answer) if request.authorization in (basic("me"), None) else Answer(401)
            if request.authorization == "Bearer t0k3n":
                return manifest({})
            return Answer(401, headers={"WWW-Authenticate": challenge})

        registry.answer = reply

    @pytest.mark.parametrize(
        "answer", [b'{"token": "t0k3n"}', b'{"access_token": "t0k3n", "expires_in": 60}']
    )
    def test_a_token_is_asked_for_once_a_repository(self, registry: Server, answer: bytes) -> None:
        self.token_dance(registry, f"http://localhost:{registry.port}/token", answer)
        client = registry.client("me")
        for tag in ("1", "2"):
            client.resolve(registry.reference(f"team/app:{tag}"))
        client.resolve(registry.reference("team/other:1"))
        tokens = [each for each in registry.requests if each.path == "/token"]
        assert [parse_qs(urlsplit(each.target).query) for each in tokens] == [
            {"service": ["reg"], "scope": [f"repository:team/{name}:pull"]} for name in ("app", "other")
        ]
        assert {each.authorization for each in tokens} == {basic("me")}

    def test_without_a_login_the_token_is_asked_for_anonymously(self, registry: Server) -> None:
        self.token_dance(registry, f"http://localhost:{registry.port}/token")
        registry.client().resolve(registry.reference())
        assert [each.authorization for each in registry.requests] == [None, None, "Bearer t0k3n"]

    def test_an_expired_token_is_renewed(self, registry: Server) -> None:
        self.token_dance(registry, f"http://localhost:{registry.port}/token")
        client, dance = registry.client("me"), registry.answer
        client.resolve(registry.reference())
        expired = iter([True])

        def answer(request: Request) -> Answer:
            if request.authorization == "Bearer t0k3n" and next(expired, False):
                return dance(Request("HEAD", request.target, {}))
            return dance(request)

        registry.answer = answer
        client.resolve(registry.reference())
        assert sum(each.path == "/token" for each in registry.requests) == 2

    @pytest.mark.parametrize("answer", [b"<html>", b"[]"])
    def test_a_token_server_that_is_none(self, registry: Server, answer: bytes) -> None:
        self.token_dance(registry, f"http://localhost:{registry.port}/token", answer)
        with pytest.raises(RegistryError, match=r"is named as localhost:[0-9]+'s token server; it is none"):
            registry.client("me").resolve(registry.reference())

    def test_no_password_for_a_token_server_of_another_kind(self, registry: Server) -> None:
        self.token_dance(registry, "ftp://elsewhere/token")
        with pytest.raises(RegistryError, match="refused the login"):
            registry.client("me").resolve(registry.reference())
        assert {each.authorization for each in registry.requests} == {None}

    def test_the_password_is_for_its_registry_only(self, registry: Server, other: Server) -> None:
        other.answer = lambda request: Answer(401, headers={"WWW-Authenticate": "Basic"})
        with pytest.raises(RegistryError, match="wants a login; give `username` and `password`"):
            registry.client("me").resolve(other.reference())
        assert {each.authorization for each in other.requests} == {None}

    @pytest.mark.parametrize("status", [401, 403])
    def test_a_refused_login_is_told_without_the_password(self, registry: Server, status: int) -> None:
        registry.answer = lambda request: Answer(status, headers={"WWW-Authenticate": "Basic"})
        with pytest.raises(RegistryError, match=rf'refused the login "me" \({status}\)') as caught:
            registry.client("me").resolve(registry.reference())
        assert PASSWORD not in str(caught.value)
        assert len(registry.requests) <= 2


@pytest.mark.parametrize("status", [401, 403, 404])
def test_who_forgot_the_registry_is_told_where_the_name_leads(
    registry: Server, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    client = registry.client()
    monkeypatch.setattr(client, "_send", lambda *args: client_module._Answer(False, status, "", {}, b""))
    with pytest.raises(RegistryError, match=r'; "app" names no registry, so it is on Docker Hub$'):
        client.resolve(Reference.parse("app:1"))
    with pytest.raises(RegistryError) as caught:
        client.resolve(Reference.parse("org/app:1"))
    assert "Docker Hub" not in str(caught.value)


class TestTheWayThere:
    def test_a_redirect_within_the_host_keeps_the_login_and_one_away_does_not(
        self, registry: Server, other: Server
    ) -> None:
        image = manifest({})
        other.answer = lambda request: image

        def answer(request: Request) -> Answer:
            if request.authorization is None:
                return Answer(401, headers={"WWW-Authenticate": "Basic"})
            if request.path.startswith("/v2/"):
                return Answer(307, headers={"Location": "/inside"})
            return Answer(307, headers={"Location": f"http://127.0.0.1:{other.port}/away"})

        registry.answer = answer
        assert registry.client("me").resolve(registry.reference()).digest == digest_of(image)
        assert [each.authorization for each in registry.requests] == [None, basic("me"), basic("me")]
        assert [(each.path, each.authorization) for each in other.requests] == [("/away", None)]

    @pytest.mark.parametrize(
        "answer",
        [
            Answer(200, b"[" * 200_000),
            Answer(500, b"[" * 200_000),
        ],
        ids=["manifest", "error"],
    )
    def test_json_without_a_bottom_is_an_error_of_the_registry(
        self, registry: Server, answer: Answer
    ) -> None:
        registry.answer = lambda request: answer
        with pytest.raises(RegistryError):
            registry.client().manifest(registry.reference())

    @pytest.mark.parametrize("token", ["t0k3n\n", "t\u00f6ken", "", 7, ["t0k3n"]])
    def test_a_token_that_is_none_is_not_sent_nor_told(self, registry: Server, token: object) -> None:
        def answer(request: Request) -> Answer:
            if request.path == "/token":
                return Answer(200, json.dumps({"token": token}).encode())
            realm = f'Bearer realm="http://localhost:{registry.port}/token"'
            return Answer(401, headers={"WWW-Authenticate": realm})

        registry.answer = answer
        with pytest.raises(RegistryError) as caught:
            registry.client("me").resolve(registry.reference())
        assert "k3n" not in str(caught.value)

    @pytest.mark.parametrize("value", ["socks5://proxy:1", "http://["])
    def test_a_proxy_that_is_none_is_told(self, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
        monkeypatch.setenv("http_proxy", value)
        with pytest.raises(RegistryError, match=r"10\.255\.255\.1:5000 cannot be reached"):
            RegistryClient().resolve(Reference.parse("10.255.255.1:5000/app"))

    def test_a_proxy_may_stand_without_a_scheme(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("https_proxy", "proxy.corp:3128")
        assert client_module._proxy("https://ghcr.io/v2/") == "http://proxy.corp:3128"

    def test_whoever_a_redirect_leads_to_cannot_ask_for_the_login(
        self, registry: Server, other: Server
    ) -> None:
        registry.answer = lambda request: Answer(
            307, headers={"Location": f"http://127.0.0.1:{other.port}/away"}
        )
        realm = f'Bearer realm="http://localhost:{other.port}/token",service="s"'
        other.answer = lambda request: Answer(401, headers={"WWW-Authenticate": realm})
        with pytest.raises(RegistryError, match="401"):
            registry.client("me").resolve(registry.reference())
        assert [(each.path, each.authorization) for each in other.requests] == [("/away", None)]

    @pytest.mark.parametrize("status", [429, 502, 503, 504])
    def test_a_busy_registry_is_asked_again(self, registry: Server, status: int) -> None:
        busy = iter([Answer(status, headers={"Retry-After": "0"}), Answer(status)])
        registry.answer = lambda request: next(busy, manifest({}))
        registry.client().resolve(registry.reference())
        assert len(registry.requests) == 3

    def test_one_that_stays_busy_is_an_error_after_some_tries(self, registry: Server) -> None:
        registry.answer = lambda request: Answer(429)
        with pytest.raises(RegistryError, match="answered 429 Too Many Requests"):
            registry.client().resolve(registry.reference())
        assert len(registry.requests) == 5

    def test_it_waits_as_long_as_it_is_asked_to_but_not_for_hours(
        self, registry: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        waited: list[float] = []
        monkeypatch.setattr("urllib3.util.retry.time.sleep", waited.append)
        asked = iter(["7", "36000"])

        def answer(request: Request) -> Answer:
            seconds = next(asked, None)
            return Answer(429, headers={"Retry-After": seconds}) if seconds else manifest({})

        registry.answer = answer
        registry.client().resolve(registry.reference())
        assert waited == [7, client_module._MAX_RETRY_AFTER]

    @pytest.mark.parametrize("status", [200, 401, 500])
    def test_an_answer_without_an_end_is_not_read_to_it(
        self, registry: Server, monkeypatch: pytest.MonkeyPatch, status: int
    ) -> None:
        monkeypatch.setattr(client_module, "_MAX_MANIFEST", 1024 * 1024)
        sent = 0

        def endless() -> Iterator[bytes]:
            nonlocal sent
            while True:
                sent += 65536
                yield b"x" * 65536

        registry.answer = lambda request: Answer(status, pieces=endless())
        with pytest.raises(RegistryError, match=r"localhost:\d+ sent more than 1048576 bytes"):
            registry.client().manifest(registry.reference())
        assert sent < 64 * 1024 * 1024  # what the connection's own buffers took

    def test_an_answer_that_trickles_in_is_given_up(
        self, registry: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(client_module, "_MAX_SECONDS", 0.2)
        over = threading.Event()

        def trickle() -> Iterator[bytes]:
            while not over.is_set():
                time.sleep(0.01)
                yield b"x"

        registry.answer = lambda request: Answer(200, pieces=trickle())
        try:
            with pytest.raises(RegistryError, match=r"localhost:\d+ takes longer than 0.2 s for an answer"):
                registry.client().manifest(registry.reference())
        finally:
            over.set()

    def test_an_answer_that_breaks_off_is_an_error(self, registry: Server) -> None:
        registry.answer = lambda request: Answer(200, b"{", {"Content-Length": "100", "Connection": "close"})
        with pytest.raises(RegistryError, match=r"localhost:\d+ cannot be reached: .*1 bytes read, 99 more"):
            registry.client().manifest(registry.reference())

    def test_one_connection_serves_all_requests(self, registry: Server) -> None:
        registry.answer = lambda request: manifest({})
        client = registry.client()
        for _ in range(3):
            client.resolve(registry.reference())
            client.manifest(registry.reference())
        assert registry.connections == 1

    def test_another_failure_is_not_repeated(self, registry: Server) -> None:
        registry.answer = lambda request: Answer(500)
        with pytest.raises(RegistryError, match="answered 500 Internal Server Error"):
            registry.client().resolve(registry.reference())
        assert len(registry.requests) == 1

    def test_nobody_there(self) -> None:
        server = Server()
        server.stop()
        with pytest.raises(
            RegistryError, match=rf"^localhost:{server.port} cannot be reached: Connection refused"
        ):
            server.client().resolve(server.reference())

    def test_a_name_nobody_has(self) -> None:
        with pytest.raises(RegistryError, match=r"registry.invalid cannot be reached: "):
            RegistryClient().resolve(Reference.parse("registry.invalid/app"))

    def test_through_the_proxy_with_its_login(
        self, registry: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """10.255.255.1 is a private address, spoken to in plain http, that nobody has here."""
        registry.answer = lambda request: manifest({})
        monkeypatch.setenv("http_proxy", f"http://me:{PASSWORD}@127.0.0.1:{registry.port}")
        RegistryClient().resolve(Reference.parse("10.255.255.1:5000/app"))
        (request,) = registry.requests
        assert request.target == "http://10.255.255.1:5000/v2/app/manifests/latest"
        assert request.headers["Proxy-Authorization"] == basic("me")

    @pytest.mark.parametrize(
        ("url", "proxy"),
        [
            ("https://ghcr.io/v2/", "http://secure:3128"),
            ("http://10.0.0.1:5000/v2/", "http://plain:3128"),
            ("https://registry.example.com/v2/", None),
            ("https://registry.example.com:5000/v2/", None),
            ("http://localhost:5000/v2/", None),
            ("http://127.0.0.1:5000/v2/", None),
            ("http://[::1]:5000/v2/", None),
        ],
    )
    @pytest.mark.parametrize("spell", [str.lower, str.upper])
    def test_which_proxy(self, monkeypatch: pytest.MonkeyPatch, url: str, proxy: str | None, spell) -> None:
        monkeypatch.setenv(spell("http_proxy"), "http://plain:3128")
        monkeypatch.setenv(spell("https_proxy"), "http://secure:3128")
        monkeypatch.setenv(spell("no_proxy"), "example.com")
        assert client_module._proxy(url) == proxy
