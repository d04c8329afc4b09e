"""Which registries may speak plain http, and how each of the pinned tools treats them.

Registries speak https. Plain http is tried only where the tools themselves try it too, and only after TLS:

| host                               | go-containerregistry  | BuildKit   | dockerd          | regctl  |
|------------------------------------|-----------------------|------------|------------------|---------|
| `localhost:PORT`                   | https, then http      | http       | https, then http | as told |
| `localhost`                        | https                 | http       | https, then http | as told |
| `127.0.0.1`, `[::1]`               | https, then http      | http       | https, then http | as told |
| the rest of `127.0.0.0/8`          | https                 | http       | https, then http | as told |
| `*.localhost`                      | https, then http      | https      | https            | as told |
| 10/8, 172.16/12, 192.168/16        | https, then http      | https      | https            | as told |
| all others, `*.local` among them   | https                 | https      | https            | as told |

go-containerregistry is the library of trivy, cosign and kaniko. "As told": regctl expects https
everywhere unless its configuration says `tls: disabled`; `RegistryClient.speaks_tls` finds out which it is.
`tests/e2e/test_plain_http.py` compares the table with the tools.

Source: go-containerregistry 0.21.7 `pkg/name/registry.go` `Scheme`, and `pkg/v1/remote/transport/ping.go`;
containerd 2.3 `core/remotes/docker/registry.go` `MatchLocalhost`, as BuildKit 0.33 uses it in
`util/resolver/resolver.go`; moby 28 `daemon/pkg/registry/config.go` (`127.0.0.0/8` and `::1/128` are insecure
registries); regclient 0.11 `config/host.go`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

_PRIVATE = tuple(map(ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")))


class Scheme(Enum):
    """The protocol between a client and a registry."""

    HTTPS = "https"
    HTTP = "http"
    EITHER = "https, then http"
    """TLS first, then plain http if the registry does not speak TLS."""


@dataclass(frozen=True)
class Schemes:
    """What each client speaks to one registry by default.

    Args:
        client: our own; regctl is configured alike.
        ggcr: trivy, cosign and kaniko.
        buildkit: a BuildKit builder.
    """

    client: Scheme
    ggcr: Scheme
    buildkit: Scheme


def schemes(host: str) -> Schemes:
    """Return the row of the table for `host`, a `host[:port]`."""
    name = hostname(host)
    address = _address(name)
    below_localhost = name.endswith(".localhost")
    loopback = is_loopback(host) and not below_localhost
    private = isinstance(address, IPv4Address) and any(address in each for each in _PRIVATE)
    ggcr = below_localhost or private or name in ("127.0.0.1", "::1") or host.startswith("localhost:")
    return Schemes(
        client=Scheme.EITHER if loopback or below_localhost or private else Scheme.HTTPS,
        ggcr=Scheme.EITHER if ggcr else Scheme.HTTPS,
        buildkit=Scheme.HTTP if loopback else Scheme.HTTPS,
    )


def may_be_plain(host: str) -> bool:
    """Tell whether plain http is tried where `host` does not speak TLS."""
    return schemes(host).client is not Scheme.HTTPS


def is_loopback(host: str) -> bool:
    """Tell whether `host`, a `host[:port]`, is this machine and no other."""
    name = hostname(host)
    address = _address(name)
    return name == "localhost" or name.endswith(".localhost") or (address is not None and address.is_loopback)


def hostname(host: str) -> str:
    """Return `host` without its port, an IPv6 address without its brackets."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def _address(name: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(name)
    except ValueError:
        return None
