"""Which proxy leads to a host, by the rules of Go's tools, which read the same variables.

Python's own rules (`urllib.request.proxy_bypass`) support neither CIDR nor `*.domain` nor ports, and use the
proxy for this machine too.

Source: `http/httpproxy/proxy.go` of golang.org/x/net, in the copy of Go 1.26.8 (`src/vendor`), which is what
tools use. There, the variables in upper case win.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import urlsplit

_Address = IPv4Address | IPv6Address

_PORTS = {"http": 80, "https": 443}


def proxy_for(url: str, environ: Mapping[str, str]) -> str | None:
    """Return the URL of the proxy for `url`; None if no proxy is used.

    Args:
        url: absolute.
        environ: has `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`, which win, or the same in lower case.
    """
    parts = urlsplit(url)
    proxy = _variable(environ, f"{parts.scheme}_proxy")
    # REQUEST_METHOD: in a CGI program, HTTP_PROXY is a header of the client (httpoxy.org).
    if proxy is None or (parts.scheme == "http" and environ.get("REQUEST_METHOD")):
        return None
    host, port = (parts.hostname or "").strip(), parts.port or _PORTS.get(parts.scheme, 0)
    if _is_direct(host, port, _variable(environ, "no_proxy") or ""):
        return None
    return proxy if re.match(r"[A-Za-z][A-Za-z0-9+.-]*://.", proxy) else f"http://{proxy}"


def _variable(environ: Mapping[str, str], name: str) -> str | None:
    return environ.get(name.upper()) or environ.get(name) or None


def _is_direct(host: str, port: int, no_proxy: str) -> bool:
    address = _address(host)
    if host == "localhost" or (address is not None and address.is_loopback):
        return True
    return any(_matches(each.strip().lower(), host, port, address) for each in no_proxy.split(","))


def _matches(pattern: str, host: str, port: int, address: _Address | None) -> bool:
    """Tell whether one entry of `NO_PROXY` matches a host name or an address."""
    if pattern in ("", "*"):
        return pattern == "*"
    if "/" in pattern:
        try:
            bits = pattern.partition("/")[2].isdecimal()  # Python takes a mask as well
            return bits and address is not None and address in ip_network(pattern, strict=False)
        except ValueError:
            return False
    name, wanted_port = _split(pattern)
    if not name or (wanted_port and wanted_port != str(port)):
        return False
    named = _address(name)
    if named is not None or address is not None:
        return named == address
    name = name[1:] if name.startswith("*.") else name
    return host.endswith(name) if name.startswith(".") else host == name or host.endswith(f".{name}")


def _split(pattern: str) -> tuple[str, str]:
    """Return host and port; only a bracketed IPv6 address can have a port."""
    if bracketed := re.fullmatch(r"\[([^\]]*)\](?::(.*))?", pattern):
        return bracketed[1], bracketed[2] or ""
    if pattern.count(":") == 1:
        name, _, port = pattern.partition(":")
        return name, port
    return pattern, ""


def _address(host: str) -> _Address | None:
    try:
        address = ip_address(host)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
