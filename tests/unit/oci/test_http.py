"""What needs a socket: what urllib3 does, and the bounds that hold whatever trickles in."""

from __future__ import annotations

import base64
import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from gocdnext_sdk.errors import RegistryError
from gocdnext_sdk.oci import http as http_module
from gocdnext_sdk.oci.client import RegistryClient
from gocdnext_sdk.oci.http import HttpTransport
from gocdnext_sdk.oci.reference import Reference, Registry
from gocdnext_sdk.oci.transport import Fault, Request, Response, TransportError

PASSWORD = "hunter2-hunter2"


@dataclass(frozen=True)
class Answer:
    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)


class Server:
    """Answers each request as the test's function says, and keeps what was asked."""

    def __init__(self) -> None:
        self.targets: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.connections = 0
        self.answer = Answer()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                server.connections += 1
                super().setup()

            def do_GET(self) -> None:
                server.targets.append(self.path)
                server.headers.append({k.title(): v for k, v in self.headers.items()})
                self.send_response(server.answer.status)
                length = {"Content-Length": str(len(server.answer.body))}
                for name, value in (length | server.answer.headers).items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(server.answer.body)

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


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.stop()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@contextlib.contextmanager
def raw(talk: Callable[[socket.socket], None]) -> Iterator[int]:
    """Run a server that says whatever `talk` does, to one connection after the other; yields its port."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while not over.is_set():
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection, contextlib.suppress(OSError):
                    connection.recv(65536)
                    talk(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        over.set()
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
    thread.join(5)


def get(
    port: int, seconds: float = 30, scheme: str = "http", transport: HttpTransport | None = None
) -> Response:
    request = Request("GET", f"{scheme}://127.0.0.1:{port}/v2/")
    return (transport or HttpTransport()).send(request, time.monotonic() + seconds)


def fault(port: int, seconds: float = 30, scheme: str = "http") -> Fault:
    with pytest.raises(TransportError) as caught:
        get(port, seconds, scheme)
    return caught.value.fault


class TestOneRequest:
    def test_an_answer_is_what_was_sent(self, server: Server) -> None:
        server.answer = Answer(418, b"teapot", {"X-A": "1", "WWW-Authenticate": "Negotiate"})
        found = get(server.port)
        assert (found.status, found.body, found.headers["x-a"]) == (418, b"teapot", "1")

    def test_a_header_may_come_several_times(self) -> None:
        fields = b"WWW-Authenticate: Negotiate\r\nwww-authenticate: Basic realm=x\r\n"
        with raw(lambda c: c.sendall(b"HTTP/1.1 401 No\r\n" + fields + b"Content-Length: 0\r\n\r\n")) as port:
            assert get(port).headers.get_all("WWW-Authenticate") == ("Negotiate", "Basic realm=x")

    @pytest.mark.parametrize("status", [301, 307, 429, 503])
    def test_nothing_is_followed_or_repeated(self, server: Server, status: int) -> None:
        server.answer = Answer(status, b"", {"Location": "/x", "Retry-After": "0"})
        assert get(server.port).status == status
        assert server.targets == ["/v2/"]

    def test_one_connection_serves_all_requests(self, server: Server) -> None:
        transport = HttpTransport()
        for _ in range(3):
            get(server.port, transport=transport)
        assert server.connections == 1

    def test_nobody_there(self, server: Server) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        assert fault(port) is Fault.REFUSED

    def test_a_name_nobody_has(self) -> None:
        with pytest.raises(RegistryError, match=r"registry.invalid cannot be reached: "):
            RegistryClient().resolve(Reference.parse("registry.invalid/app"))

    @pytest.mark.parametrize("start", ["", "//", "ftp://"])
    def test_what_is_no_url_of_the_web_is_not_tried_in_plain_http(self, server: Server, start: str) -> None:
        """A secret webhook whose `https://` was forgotten."""
        with pytest.raises(TransportError, match="begins with https://") as caught:
            HttpTransport().send(
                Request("GET", f"{start}127.0.0.1:{server.port}/hooks/{PASSWORD}"), time.monotonic() + 5
            )
        assert caught.value.fault is Fault.INVALID
        assert server.targets == []

    def test_an_answer_that_breaks_off(self, server: Server) -> None:
        server.answer = Answer(200, b"{", {"Content-Length": "100", "Connection": "close"})
        assert fault(server.port) is Fault.BROKEN

    def test_an_answer_that_breaks_off_between_chunks_is_told_in_words(self) -> None:
        said = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"
        with (
            raw(lambda connection: connection.sendall(said)) as port,
            pytest.raises(TransportError, match="IncompleteRead"),
        ):
            HttpTransport().send(Request("GET", f"http://127.0.0.1:{port}/"), time.monotonic() + 5)

    @pytest.mark.parametrize("said", [b"", b"\x00" * 100, b"SSH-2.0-x\r\n", b"HTTP/1.1 abc\r\n\r\n"])
    def test_what_is_not_http(self, said: bytes) -> None:
        with raw(lambda connection: connection.sendall(said)) as port:
            assert fault(port) is Fault.BROKEN


def repeat(*pieces: bytes, pause: float = 0) -> Callable[[socket.socket], None]:
    """Say the first piece, and the second without an end."""

    def talk(connection: socket.socket) -> None:
        first, again = pieces
        connection.sendall(first)
        while True:
            connection.sendall(again)
            time.sleep(pause)

    return talk


ENDLESS = {
    "body": (b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 65536),
    "error body": (b"HTTP/1.1 500 No\r\n\r\n", b"x" * 65536),
    "body of a redirect": (b"HTTP/1.1 307 Go\r\nLocation: /x\r\n\r\n", b"x" * 65536),
    "header": (b"HTTP/1.1 200 OK\r\nX-A: ", b"x" * 65536),
    "headers": (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n" * 2000),
    "informational answers": (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 2000),
    "chunk extension": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"1;" + b"x" * 60000 + b"\r\ny\r\n",
    ),
}
TRICKLING = {
    "status line": (b"HTTP/1.1 200 O", b"K"),
    "header": (b"HTTP/1.1 200 OK\r\nX-A: ", b"x"),
    "headers": (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
    "body": (b"HTTP/1.1 200 OK\r\n\r\n", b"x"),
    "body of a redirect": (b"HTTP/1.1 307 Go\r\nLocation: /x\r\n\r\n", b"x"),
    "chunk size": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", b"x"),
    "informational answers": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
}


class TestBounds:
    @pytest.mark.parametrize("pieces", ENDLESS.values(), ids=ENDLESS)
    def test_what_has_no_end_is_not_read_to_it(
        self, pieces: tuple[bytes, bytes], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(http_module, "MAX_BYTES", 1024 * 1024)
        began = time.monotonic()
        with raw(repeat(*pieces)) as port:
            assert fault(port) is Fault.LIMIT
        assert time.monotonic() - began < 20

    @pytest.mark.parametrize("pieces", TRICKLING.values(), ids=TRICKLING)
    def test_what_trickles_in_is_given_up(self, pieces: tuple[bytes, bytes]) -> None:
        began = time.monotonic()
        with raw(repeat(*pieces, pause=0.02)) as port:
            assert fault(port, seconds=0.5) in (Fault.LIMIT, Fault.BROKEN)
        assert time.monotonic() - began < 3

    def test_silence_is_given_up(self) -> None:
        began = time.monotonic()
        with raw(lambda connection: time.sleep(2)) as port:
            assert fault(port, seconds=0.3) in (Fault.LIMIT, Fault.BROKEN)
        assert time.monotonic() - began < 5

    def test_what_is_packed_may_not_unpack_to_more(
        self, server: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        import gzip

        monkeypatch.setattr(http_module, "MAX_BYTES", 1024 * 1024)
        server.answer = Answer(200, gzip.compress(bytes(64 * 1024 * 1024)), {"Content-Encoding": "gzip"})
        assert fault(server.port) is Fault.LIMIT

    def test_a_budget_is_one_requests(self, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(http_module, "MAX_BYTES", 1024 * 1024)
        server.answer = Answer(200, bytes(700 * 1024))
        transport = HttpTransport()
        for _ in range(4):
            assert len(get(server.port, transport=transport).body) == 700 * 1024


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of 127.0.0.1 and localhost, with its key, in one file."""
    from datetime import UTC, datetime, timedelta
    from ipaddress import ip_address

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "x")])
    names = [x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    encoding = serialization.Encoding.PEM
    private = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(made.public_bytes(encoding) + private)
    return path


class TestTls:
    @pytest.fixture
    def secure(self, server: Server, certificate: Path) -> Server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server._http.socket = context.wrap_socket(
            server._http.socket, server_side=True, do_handshake_on_connect=False
        )
        return server

    def test_a_certificate_counts_if_ssl_cert_file_names_it(
        self, secure: Server, certificate: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert fault(secure.port, scheme="https") is Fault.TLS
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert get(secure.port, scheme="https").status == 200
        assert RegistryClient().speaks_tls(Registry(f"127.0.0.1:{secure.port}"))

    def test_a_certificate_counts_beside_those_of_the_system(self, secure: Server, certificate: Path) -> None:
        transport = HttpTransport(roots=certificate.read_text().partition("-----BEGIN PRIVATE")[0])
        request = Request("GET", f"https://127.0.0.1:{secure.port}/")
        assert transport.send(request, time.monotonic() + 10).status == 200
        assert transport._tls.cert_store_stats()["x509_ca"] > 1

    def test_one_that_is_not_trusted_is_tls_too(self, secure: Server) -> None:
        assert RegistryClient().speaks_tls(Registry(f"127.0.0.1:{secure.port}"))

    def test_the_bounds_hold_below_tls(self, certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        monkeypatch.setattr(http_module, "MAX_BYTES", 1024 * 1024)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)

        def serve(listener: socket.socket, pieces: tuple[bytes, bytes], pause: float) -> None:
            with contextlib.suppress(OSError):
                connection, _ = listener.accept()
                with context.wrap_socket(connection, server_side=True) as stream:
                    stream.recv(65536)
                    repeat(*pieces, pause=pause)(stream)

        for pieces, pause, seconds in ((ENDLESS["body"], 0.0, 30.0), (TRICKLING["header"], 0.02, 0.5)):
            with socket.create_server(("127.0.0.1", 0)) as listener:
                thread = threading.Thread(target=serve, args=(listener, pieces, pause))
                thread.start()
                began = time.monotonic()
                assert fault(listener.getsockname()[1], seconds, "https") in (Fault.LIMIT, Fault.BROKEN)
                assert time.monotonic() - began < 10
                thread.join(10)

    def test_a_server_without_it_is_known_as_such(self, server: Server) -> None:
        assert fault(server.port, scheme="https") is Fault.NO_TLS
        assert not RegistryClient().speaks_tls(Registry(f"localhost:{server.port}"))

    def test_one_that_says_nothing_speaks_none(self) -> None:
        began = time.monotonic()
        with raw(lambda connection: time.sleep(1)) as port:
            assert not HttpTransport().speaks_tls(f"127.0.0.1:{port}", began + 0.3)
            assert time.monotonic() - began < 0.9

    def test_one_that_hangs_up_speaks_none(self) -> None:
        with raw(lambda connection: None) as port:
            assert fault(port, scheme="https") is Fault.BROKEN
            assert not RegistryClient().speaks_tls(Registry(f"localhost:{port}"))


class TestProxy:
    def test_through_it_with_its_login(self, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("http_proxy", f"http://me:{PASSWORD}@127.0.0.1:{server.port}")
        url = "http://registry.corp.example:5000/v2/"
        HttpTransport().send(Request("GET", url), time.monotonic() + 10)
        assert server.targets == [url]
        expected = base64.b64encode(f"me:{PASSWORD}".encode()).decode()
        assert server.headers[0]["Proxy-Authorization"] == f"Basic {expected}"

    def test_no_proxy_has_networks(self, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{server.port}")
        monkeypatch.setenv("no_proxy", "localhost,10.0.0.0/8")
        with contextlib.suppress(TransportError):  # whoever is there
            HttpTransport().send(Request("GET", "http://10.255.255.1:1/v2/"), time.monotonic() + 0.5)
        assert server.targets == []

    def test_one_of_another_kind_is_told(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("https_proxy", "socks5://proxy:1")
        with pytest.raises(RegistryError, match="a proxy at socks5:// is not supported"):
            RegistryClient().resolve(Reference.parse("registry.example/app"))

    @pytest.mark.parametrize("value", ["socks5://proxy:1", "http://["])
    def test_one_that_is_none_is_told(self, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
        monkeypatch.setenv("https_proxy", value)
        with pytest.raises(RegistryError, match=r"registry\.example cannot be reached"):
            RegistryClient().resolve(Reference.parse("registry.example/app"))
