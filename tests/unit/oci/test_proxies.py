"""Proxies as Go's tools choose them: the cases of x/net `http/httpproxy/proxy_test.go`, and more."""

from __future__ import annotations

import pytest

from gocdnext_sdk.oci.proxies import proxy_for

PROXY = "http://proxy:3128"


def is_direct(url: str, no_proxy: str) -> bool:
    environ = {"HTTP_PROXY": PROXY, "HTTPS_PROXY": PROXY, "NO_PROXY": no_proxy}
    return proxy_for(url, environ) is None


NO_PROXY = (
    "foobar.com, .barbaz.net, *.bazqux.org, 192.168.1.1, 192.168.1.2:81, 192.168.1.3:80, 10.0.0.0/30, "
    "2001:db8::52:0:1, [2001:db8::52:0:2]:443, [2001:db8::52:0:3]:80, 2002:db8:a::45/64"
)


@pytest.mark.parametrize(
    ("host", "direct"),
    [
        # As in Go's TestUseProxy.
        *(("localhost", True), ("127.0.0.1", True), ("127.0.0.2", True), ("[::1]", True)),
        *(("[::2]", False), ("192.168.1.1", True), ("192.168.1.2", False), ("192.168.1.3", True)),
        *(("192.168.1.4", False), ("10.0.0.2", True), ("[2001:db8::52:0:1]", True)),
        *(("[2001:db8::52:0:2]", False), ("[2001:db8::52:0:3]", True), ("[2002:db8:a::123]", True)),
        *(("[fe80::424b:c8be:1643:a1b6]", False), ("barbaz.net", False), ("www.barbaz.net", True)),
        *(("foobar.com", True), ("www.foobar.com", True), ("foofoobar.com", False), ("baz.com", False)),
        *(("localhost.net", False), ("local.localhost", False), ("barbarbaz.net", False)),
        *(("wwwfoobar.com", False), ("bazqux.org", False), ("www.bazqux.org", True)),
        *(("[::ffff:192.168.1.1]", True), ("FOOBAR.com", True)),
    ],
)
def test_who_is_asked_without_it(host: str, direct: bool) -> None:
    assert is_direct(f"http://{host}/v2/", NO_PROXY) is direct


@pytest.mark.parametrize(
    ("url", "no_proxy", "direct"),
    [
        ("http://10.1.2.3:5000/v2/", "localhost,10.0.0.0/8,.svc", True),
        ("https://harbor.corp.example/v2/", "*.corp.example", True),
        ("https://corp.example/v2/", "*.corp.example", False),
        ("https://example.com:5000/v2/", "example.com:5000", True),
        ("https://example.com/v2/", "example.com:5000", False),
        ("https://example.com/v2/", "example.com:443", True),
        ("http://example.com/v2/", "*", True),
        ("http://example.com/v2/", "x,*", True),
        ("http://example.com/v2/", "", False),
        ("http://example.com/v2/", ":80,/8,10.0.0.0/99,[", False),
        ("http://10.1.2.3/v2/", "10.0.0.0/255.0.0.0", False),
        ("http://example.com/v2/", "*example.com", False),
        ("http://example.com/v2/", "*com", False),
        ("http://10.1.2.3/v2/", "2.3", False),
        ("http://10.1.2.3/v2/", "10.1.2.3/32", True),
        ("https://registry-1.docker.io/v2/", "docker.io", True),
    ],
)
def test_more_of_it(url: str, no_proxy: str, direct: bool) -> None:
    assert is_direct(url, no_proxy) is direct


@pytest.mark.parametrize("spell", [str.lower, str.upper])
def test_each_scheme_has_its_own(spell: type[str]) -> None:
    environ = {spell("http_proxy"): "http://plain:1", spell("https_proxy"): "http://secure:2"}
    assert proxy_for("http://example.com/", environ) == "http://plain:1"
    assert proxy_for("https://example.com/", environ) == "http://secure:2"


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_upper_case_counts_first_and_the_empty_one_for_none(scheme: str) -> None:
    upper, lower, url = f"{scheme.upper()}_PROXY", f"{scheme}_proxy", f"{scheme}://example.com/"
    environ = {lower: "http://lower:1", upper: "http://upper:1"}
    assert proxy_for(url, environ) == "http://upper:1"
    assert proxy_for(url, environ | {upper: ""}) == "http://lower:1"
    assert proxy_for(url, {upper: ""}) is None


def test_of_no_proxy_too() -> None:
    environ = {"HTTPS_PROXY": PROXY, "NO_PROXY": "example.com", "no_proxy": "localhost"}
    assert proxy_for("https://example.com/", environ) is None
    environ = {"HTTPS_PROXY": PROXY, "NO_PROXY": "localhost", "no_proxy": "example.com"}
    assert proxy_for("https://example.com/", environ) == PROXY


@pytest.mark.parametrize(
    ("value", "proxy"),
    [
        *(("proxy.corp:3128", "http://proxy.corp:3128"), ("proxy", "http://proxy")),
        ("https://proxy:1", "https://proxy:1"),
        ("http://u:p@proxy:1", "http://u:p@proxy:1"),
        ("u:p@proxy:1", "http://u:p@proxy:1"),
    ],
)
def test_it_may_stand_without_a_scheme(value: str, proxy: str) -> None:
    assert proxy_for("https://example.com/", {"https_proxy": value}) == proxy


def test_a_cgi_programs_callers_choose_no_proxy() -> None:
    environ = {"HTTP_PROXY": PROXY, "HTTPS_PROXY": PROXY, "REQUEST_METHOD": "GET"}
    assert proxy_for("http://example.com/", environ) is None
    assert proxy_for("https://example.com/", environ) == PROXY
