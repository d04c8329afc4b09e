"""The network: one request over urllib3, bounded in time and size.

A socket's timeout applies to one read. A registry that sends a byte now and then, in a header, in a chunk's
extension or in one informational response after the other, could hold a job for hours. Here every read of a
connection draws on one budget of the request: a number of bytes and a deadline.
"""

from __future__ import annotations

import os
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from gocdnext_sdk.oci.proxies import proxy_for
from gocdnext_sdk.oci.transport import (
    MAX_BYTES,
    Fault,
    Headers,
    Request,
    Response,
    Transport,
    TransportError,
)

if TYPE_CHECKING:
    import urllib3

_CONNECT_SECONDS = 10
_IDLE_SECONDS = 60
"""Longest time without a byte."""

_CHUNK = 65536
_CONNECTIONS = 16
"""Connections to one host that are kept open."""

_NO_TLS = frozenset(
    {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL", "UNSUPPORTED_PROTOCOL_VERSION"}
    | {"RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG", "BAD_RECORD_TYPE", "INVALID_RECORD_TYPE"}
)
"""OpenSSL's reasons when the other side does not speak TLS."""


class _Exhausted(OSError):
    """The request's budget is used up."""


class _Budget(threading.local):
    """What this thread's request may still read."""

    deadline: float = float("inf")
    left: float = float("inf")

    def begin(self, deadline: float) -> None:
        """Start a new request."""
        self.deadline, self.left = deadline, MAX_BYTES

    def timeout(self) -> float:
        """Return the seconds that the next read may take.

        Raises:
            _Exhausted: nothing is left.
        """
        if self.left <= 0:
            raise _Exhausted(f"sent more than {MAX_BYTES} bytes")
        seconds = self.deadline - time.monotonic()
        if seconds <= 0:
            raise _Exhausted("takes too long for an answer")
        return min(seconds, _IDLE_SECONDS)


_budget = _Budget()


class _Socket(socket.socket):
    """Reads within the budget."""

    def recv_into(self, *args: Any) -> int:
        self.settimeout(_budget.timeout())
        count = super().recv_into(*args)
        _budget.left -= count
        return count


class _TlsSocket(_Socket, ssl.SSLSocket):
    """The same in TLS."""


class HttpTransport(Transport):
    """Sends requests over the network, through the proxies that the usual variables name.

    Args:
        roots: certificates of authorities to trust beside the public ones, as PEM.
    """

    def __init__(self, roots: str | None = None) -> None:
        self._roots = roots
        self._pools: dict[str | None, urllib3.PoolManager] = {}

    def send(self, request: Request, deadline: float) -> Response:
        """Send `request`; see `Transport`.

        Raises:
            TransportError: there is no answer, or it is too large.
        """
        import urllib3

        if not request.url.lower().startswith(("https://", "http://")):  # urllib3 would take http for it
            raise TransportError(
                Fault.INVALID, "no address of the web, which begins with https:// or http://"
            )
        _budget.begin(deadline)
        try:
            pool = self._pool(proxy_for(request.url, os.environ))
            connect = min(_CONNECT_SECONDS, max(0.001, deadline - time.monotonic()))
            with _content(request) as (body, headers):
                response = pool.request(
                    request.method,
                    request.url,
                    headers=headers,
                    body=body,
                    timeout=urllib3.Timeout(connect=connect, read=_budget.timeout()),
                    preload_content=False,
                    redirect=False,
                    retries=False,
                )
            try:
                content = _read(response)
            except BaseException:
                response.close()  # do not wait for the rest
                raise
            response.release_conn()
        except (urllib3.exceptions.HTTPError, OSError, ValueError, OverflowError) as error:
            raise _failure(error, request) from None
        answered = Headers([(name, value) for name, value in response.headers.iteritems()])
        return Response(response.status, answered, content, response.reason or "")

    def speaks_tls(self, host: str, deadline: float) -> bool:
        """See `Transport`. A handshake tells it, without what a request needs: urllib3, and all the CAs."""
        parts = urlsplit(f"https://{host}")
        if proxy_for(parts.geturl(), os.environ):
            return super().speaks_tls(host, deadline)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # nothing is sent
        seconds = max(0.001, deadline - time.monotonic())
        try:
            with (
                socket.create_connection((parts.hostname, parts.port or 443), seconds) as connection,
                context.wrap_socket(connection, server_hostname=parts.hostname),
            ):
                return True
        except ssl.SSLError as error:
            return _tls_failure(error).fault is Fault.TLS
        except (OSError, ValueError):
            return False

    def _pool(self, proxy: str | None) -> urllib3.PoolManager:
        if proxy not in self._pools:
            self._pools[proxy] = self._new_pool(proxy)
        return self._pools[proxy]

    def _new_pool(self, proxy: str | None) -> urllib3.PoolManager:
        import urllib3

        options: dict[str, Any] = {"maxsize": _CONNECTIONS, "ssl_context": self._tls}
        if proxy is None:
            pool = urllib3.PoolManager(**options)
        else:
            login = _proxy_login(proxy)
            headers = urllib3.make_headers(proxy_basic_auth=unquote(login)) if login else None
            pool = urllib3.ProxyManager(proxy, proxy_headers=headers, proxy_ssl_context=self._tls, **options)
        pool.pool_classes_by_scheme = _pool_classes()
        return pool

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        from urllib3.util.ssl_ import create_urllib3_context

        context = create_urllib3_context()
        context.load_default_certs()
        if self._roots:
            context.load_verify_locations(cadata=self._roots)
            # From Python 3.13 on, certificates without an Authority Key Identifier are refused, which
            # authorities of one's own often leave out; the tools, in Go, take them.
            context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        context.sslsocket_class = _TlsSocket
        return context


def _proxy_login(proxy: str) -> str | None:
    """Return `user:password` of a proxy's address, as it is written there; None without one.

    Raises:
        TransportError: it is no address, or one of another kind. What the parser says of it shows the
            password's beginning.
    """
    import urllib3

    invalid = TransportError(Fault.INVALID, "the proxy's address is not a URL; escape / # ? in its password")
    try:
        parsed = urllib3.util.parse_url(proxy)
    except urllib3.exceptions.LocationParseError:
        raise invalid from None
    # Behind a `/` in the password, all is a path, and what stands before it a host and a port.
    if "@" in f"{parsed.path}{parsed.query}{parsed.fragment}":
        raise invalid
    if parsed.scheme not in ("http", "https"):
        raise TransportError(
            Fault.INVALID, f"a proxy at {parsed.scheme}:// is not supported; name one at http:// or https://"
        )
    return parsed.auth


def _pool_classes() -> dict[str, Any]:
    """Return urllib3's pools, with connections that read within the budget."""
    from urllib3.connection import HTTPConnection, HTTPSConnection
    from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

    class Plain(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            return _budgeted(super()._new_conn())

    class Tls(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            return _budgeted(super()._new_conn())

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class TlsPool(HTTPSConnectionPool):
        ConnectionCls = Tls

    return {"http": PlainPool, "https": TlsPool}


def _budgeted(connection: socket.socket) -> socket.socket:
    timeout = connection.gettimeout()
    budgeted = _Socket(connection.family, connection.type, connection.proto, connection.detach())
    budgeted.settimeout(timeout)
    return budgeted


@contextmanager
def _content(request: Request) -> Iterator[tuple[bytes | IO[bytes] | None, dict[str, str]]]:
    """Give what is sent: the body, a file piece by piece, and the header fields."""
    headers = dict(request.headers)
    if not isinstance(request.body, Path):
        yield request.body, headers
        return
    with request.body.open("rb") as stream:
        yield stream, {**headers, "Content-Length": str(os.fstat(stream.fileno()).st_size)}


def _read(response: urllib3.BaseHTTPResponse) -> bytes:
    """Read the whole body, decompressed."""
    content = bytearray()
    while piece := response.read1(_CHUNK):
        content += piece
        if len(content) > MAX_BYTES:  # a compressed body may unpack to more than was sent
            raise _Exhausted(f"sent more than {MAX_BYTES} bytes")
    return bytes(content)


def _failure(error: Exception, request: Request) -> TransportError:
    """Return the transport error for an exception of urllib3 or the socket."""
    from http.client import HTTPException

    import urllib3

    chain = _chain(error)
    root = chain[-1]
    for each in chain:
        if isinstance(each, _Exhausted):
            return TransportError(Fault.LIMIT, str(each))
    if isinstance(root, HTTPException) and str(root).startswith("got more than"):
        # A bound of http.client's own: of a line, of headers, and in newer Pythons of interim responses.
        return TransportError(Fault.LIMIT, str(root).replace("got", "sent", 1))
    if any(isinstance(each, ssl.SSLError) for each in chain):
        return _tls_failure(next(each for each in chain if isinstance(each, ssl.SSLError)))
    if any(isinstance(each, urllib3.exceptions.NameResolutionError | socket.gaierror) for each in chain):
        again = isinstance(root, socket.gaierror) and root.errno == socket.EAI_AGAIN
        return TransportError(Fault.BROKEN if again else Fault.NO_NAME, _words(root))
    if any(isinstance(each, ConnectionRefusedError) for each in chain):
        return TransportError(Fault.REFUSED, _words(root))
    if isinstance(error, urllib3.exceptions.LocationValueError | ValueError | OverflowError):
        # Its own words quote what is wrong: a password in the address, a token in a header field.
        return TransportError(Fault.INVALID, "its address, or a field of the request's header, is malformed")
    if any(isinstance(each, TimeoutError | urllib3.exceptions.TimeoutError) for each in chain):
        return TransportError(Fault.BROKEN, "no answer in time")
    return TransportError(Fault.BROKEN, _words(root))


def _tls_failure(error: ssl.SSLError) -> TransportError:
    if error.reason in _NO_TLS:
        return TransportError(Fault.NO_TLS, "it does not speak TLS")
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return TransportError(Fault.BROKEN, "the connection was closed at the start of TLS")
    if isinstance(error, ssl.SSLCertVerificationError):
        return TransportError(Fault.TLS, f"{error.verify_message}; `ca-file` names authorities to trust")
    return TransportError(Fault.TLS, (error.reason or str(error)).replace("_", " ").lower())


def _chain(error: BaseException) -> list[BaseException]:
    """Return an error and everything it wraps, down to the root cause, which has the clearest message."""
    found: list[BaseException] = []
    following: object = error
    while isinstance(following, BaseException) and following not in found:
        found.append(following)
        inner = (getattr(following, "reason", None), *following.args)
        nested = next((each for each in inner if isinstance(each, BaseException)), None)
        following = nested or following.__cause__
    return found


def _words(error: BaseException) -> str:
    return str(getattr(error, "strerror", None) or error)
