"""Who takes which host for plain http; tests/e2e/test_plain_http.py asks the tools."""

from __future__ import annotations

import pytest

from gocdnext_sdk.oci.plain_http import Scheme, Schemes, schemes
from gocdnext_sdk.oci.reference import Registry

TLS, PLAIN, EITHER = Scheme.HTTPS, Scheme.HTTP, Scheme.EITHER


@pytest.mark.parametrize(
    ("host", "row"),
    [
        *(("localhost:5000", (EITHER, EITHER, PLAIN)), ("localhost", (EITHER, TLS, PLAIN))),
        *(("127.0.0.1", (EITHER, EITHER, PLAIN)), ("127.0.0.1:5000", (EITHER, EITHER, PLAIN))),
        *(("127.1.2.3:5000", (EITHER, TLS, PLAIN)), ("[::1]:5000", (EITHER, EITHER, PLAIN))),
        *(("[::1]", (EITHER, EITHER, PLAIN)), ("registry.localhost", (EITHER, EITHER, TLS))),
        *(("registry.localhost:5000", (EITHER, EITHER, TLS)), ("10.1.2.3", (EITHER, EITHER, TLS))),
        *(("172.16.0.1:5000", (EITHER, EITHER, TLS)), ("192.168.0.1", (EITHER, EITHER, TLS))),
        *((host, (TLS, TLS, TLS)) for host in ("docker.io", "ghcr.io", "registry:5000", "harbor.corp.local")),
        *((host, (TLS, TLS, TLS)) for host in ("harbor.local:5000", "172.32.0.1", "8.8.8.8", "[fd00::1]")),
        *((host, (TLS, TLS, TLS)) for host in ("localhost.example.com", "mylocalhost:5000", "169.254.1.1")),
        *((host, (TLS, TLS, TLS)) for host in ("127.0.0.1.example.com", "10.0.0.1.nip.io", "100.64.0.1")),
    ],
)
def test_the_table(host: str, row: tuple[Scheme, Scheme, Scheme]) -> None:
    assert schemes(host) == Schemes(*row)
    assert Registry.parse(host).plain_http is (row[0] is EITHER)


def test_our_client_tries_plain_http_wherever_a_tool_does() -> None:
    """So that what a tool pushed is found, and what we resolved can be pulled."""
    for host in (
        "localhost",
        "localhost:1",
        "127.0.0.1",
        "127.9.9.9:1",
        "[::1]:1",
        "a.localhost",
        "10.0.0.1",
    ):
        row = schemes(host)
        assert row.client is EITHER
        assert {row.ggcr, row.buildkit} != {TLS}
