"""BuildKit that runs already, on one or several machines, reached by TCP.

buildx waits 20 seconds for a node that it cannot use, and then says `context deadline exceeded`, whatever is
wrong. So each node is greeted first: the TLS handshake, and the first frame of HTTP/2, tell what it is.
"""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from gocdnext_sdk.errors import ToolError
from gocdnext_sdk.oci.platforms import normal
from gocdnext_sdk.runtime.job import Job
from gocdnext_sdk.runtime.tool import Tool
from gocdnext_sdk.tools.buildkit.builders import Builder, naming_lost
from gocdnext_sdk.tools.buildkit.nodes import CA, CERTIFICATE, KEY, Node
from gocdnext_sdk.tools.csv import comma_separated

_SECONDS = 10
"""Longest time for a greeting."""

_PATIENCE = 2
"""How long a server may take to speak first, in seconds."""

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + b"\x04" + bytes(5)
"""What an HTTP/2 client begins with: the preface, and an empty SETTINGS frame (RFC 9113, 3.4)."""

_SETTINGS = 4
"""The type of the frame with which a server answers; the fourth byte of it."""


def greet(node: Node, files: Path | None) -> None:
    """Check that a BuildKit answers.

    Args:
        node: where.
        files: has `CA`, `CERTIFICATE` and `KEY`; None for a BuildKit without TLS.

    Raises:
        ToolError: what answers is none, or does not let us in.
    """
    try:
        context = None if files is None else _client(files)
    except (ssl.SSLError, OSError) as error:
        reason = _reason(error) if isinstance(error, ssl.SSLError) else str(error.strerror)
        raise ToolError(
            f"builder-ca, builder-cert and builder-key are no TLS material: {reason}",
            "each is the text of a PEM file, and the key is that of the certificate",
        ) from None
    try:
        with socket.create_connection((node.host, node.port), _SECONDS) as connection:
            if context is None:
                answer = _first_bytes(connection)
            else:
                with context.wrap_socket(connection, server_hostname=node.host) as tls:
                    answer = _first_bytes(tls)
    except OSError as error:
        raise ToolError(*_words(node, error)) from None
    if answer[3:4] != bytes([_SETTINGS]):
        if context is None:
            raise ToolError(
                f"{node.address} does not talk to a client without TLS",
                "give builder-ca, builder-cert and builder-key",
            )
        raise ToolError(f"{node.address} speaks TLS, and is no BuildKit: it does not speak HTTP/2")


@contextmanager
def remote_builder(
    job: Job, buildx: Tool, nodes: Iterable[Node], platforms: Iterable[str], name: str, files: str | None
) -> Iterator[Builder]:
    """Use BuildKits that run already. buildx gives each platform to the node that has it.

    Args:
        job: greets them.
        buildx: the tool.
        nodes: where they are.
        platforms: what is built; a node that has none of them is left alone.
        name: what buildx calls them together.
        files: a directory with `CA`, `CERTIFICATE` and `KEY`, which buildx inherits; None without TLS.

    Raises:
        ToolError: one cannot be used.
    """
    wanted = tuple(platforms)
    asked = [node for node in nodes if node.builds(wanted)]

    def greet_all() -> Iterator[ToolError]:
        for node in asked:
            try:
                job.reach(node.address, partial(greet, node, Path(files) if files else None))
            except ToolError as error:
                yield error

    def find_lost() -> str:
        gone = dict.fromkeys(each.what for each in greet_all())
        # It may be there again by now.
        return f"a BuildKit ({'; '.join(gone) or ', '.join(node.address for node in asked)})"

    if faults := list(greet_all()):
        what = "; ".join(dict.fromkeys(each.what for each in faults))
        raise ToolError(what, faults[0].advice if len({each.advice for each in faults}) == 1 else "")
    for number, node in enumerate(asked):
        create = ["create", "--name", name, "--driver", "remote", "--node", f"{name}-{number}"]
        if number:
            create.append("--append")
        if node.platforms:
            create += ["--platform", ",".join(node.platforms)]
        if files:
            for option, file in (("cacert", CA), ("cert", CERTIFICATE), ("key", KEY)):
                create += ["--driver-opt", comma_separated([f"{option}={files}/{file}"])]
        buildx.capture(*create, node.address)
    known = frozenset(normal(each) for node in asked for each in (node.platforms or wanted))
    with naming_lost(find_lost, "does it still run, and has it memory enough?"):
        yield Builder(name, known, len(asked))


def _client(files: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(files / CA)
    # A key with a passphrase would be asked for at a terminal.
    context.load_cert_chain(files / CERTIFICATE, files / KEY, password="")
    context.set_alpn_protocols(["h2"])
    return context


def _first_bytes(connection: socket.socket) -> bytes:
    """Return the beginning of what the other side says; in TLS 1.3 it refuses a certificate only here."""
    connection.settimeout(_PATIENCE)
    with suppress(TimeoutError):  # BuildKit speaks first, and who writes to what was closed learns no reason
        return connection.recv(64)
    connection.settimeout(_SECONDS)
    connection.sendall(_PREFACE)
    with suppress(ConnectionResetError):
        return connection.recv(64)
    return b""


_ALERTS: Mapping[str, tuple[str, str]] = {
    "CERTIFICATE_REQUIRED": ("demands a client certificate", "give builder-cert and builder-key"),
    "UNKNOWN_CA": (
        "does not know the CA of builder-cert",
        "builder-cert must be signed by the CA that it was started with",
    ),
    "EXPIRED": ("refuses builder-cert, which has expired", "make a new one"),
}
"""What it means when a server ends the handshake, by words of OpenSSL's reason."""


def _words(node: Node, error: OSError) -> tuple[str, str]:
    """Say what is wrong with a node, and what to do."""
    place = node.address
    if isinstance(error, ssl.SSLCertVerificationError):
        why = error.verify_message.rstrip(".")
        return f"{place} has a certificate that is not trusted: {why}", "is builder-ca the CA that signed it?"
    if isinstance(error, ssl.SSLError):
        reason = error.reason or ""
        for word, (what, advice) in _ALERTS.items():
            if word in reason:
                return f"{place} {what}", advice
        if "ALERT" in reason:
            return f"{place} refuses builder-cert ({_reason(error)})", "is it meant for this BuildKit?"
        if re.search("WRONG_VERSION|HTTP_REQUEST|RECORD_LAYER|PACKET_LENGTH|UNKNOWN_PROTOCOL", reason):
            return f"{place} does not speak TLS", "leave builder-ca, builder-cert and builder-key out"
        return f"{place} ends the TLS handshake ({_reason(error)})", "does it run?"
    if isinstance(error, ConnectionRefusedError):
        return f"nothing listens at {place}", "does the BuildKit run?"
    if isinstance(error, socket.gaierror):
        return f"{place} cannot be found: {error.strerror}", "is the name right?"
    if isinstance(error, TimeoutError):
        return f"{place} does not answer within {_SECONDS} s", "does a firewall let the job through?"
    return f"{place} cannot be reached: {error.strerror or error}", "does the BuildKit run?"


def _reason(error: ssl.SSLError) -> str:
    return (error.reason or str(error)).replace("_", " ").lower()
