"""The two documents of a Sigstore: which services sign (signing config), and what to trust (trusted root).

Source: sigstore/protobuf-specs `sigstore_trustroot.proto`; cosign's `signing-config create` writes the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

SIGNING_CONFIG = "application/vnd.dev.sigstore.signingconfig.v0.2+json"
"""Media type of a signing configuration."""

TRUSTED_ROOT = "application/vnd.dev.sigstore.trustedroot+json"
"""Media type of a trusted root, without its version."""

Document = Mapping[str, Any]
"""A signing configuration or a trusted root, as its JSON has it."""

NOBODY: Document = {"mediaType": f"{TRUSTED_ROOT};version=0.1"}
"""A trusted root that trusts nobody: enough for a signature by key, and it keeps cosign from fetching one."""

PUBLIC_LOG = "https://rekor.sigstore.dev"
"""The log of the public Sigstore."""

PUBLIC = ("https://fulcio.sigstore.dev", PUBLIC_LOG, "https://timestamp.sigstore.dev")
"""The services of the public Sigstore, by its signing config; its newer log changes its name each year."""

_HOST = re.compile(r"https?://(?:[^/@]*@)?([^/?#]+)")
_ANY = {"selector": "ANY"}
_BEGINNING = "1970-01-01T00:00:00Z"


def signing_config(
    *,
    fulcio: str | None = None,
    oidc: str | None = None,
    rekor: str | None = None,
    rekor_version: int = 1,
    tsa: str | None = None,
) -> Document:
    """Return a signing config with exactly the services that are given.

    Args:
        fulcio: base URL of the certificate authority.
        oidc: URL of the OpenID Connect issuer.
        rekor: base URL of the transparency log.
        rekor_version: its major version; 2 is what rekor-tiles serves.
        tsa: URL of the timestamp authority, with its path.
    """
    # The two selectors are required even if there is nothing to select from.
    config: dict[str, Any] = {"mediaType": SIGNING_CONFIG, "rekorTlogConfig": {}, "tsaConfig": {}}
    if fulcio is not None:
        config["caUrls"] = [_service(fulcio, 1)]
    if oidc is not None:
        config["oidcUrls"] = [_service(oidc, 1)]
    if rekor is not None:
        config |= {"rekorTlogUrls": [_service(rekor, rekor_version)], "rekorTlogConfig": _ANY}
    if tsa is not None:
        config |= {"tsaUrls": [_service(tsa, 1)], "tsaConfig": _ANY}
    return config


def without_log(config: Document) -> Document:
    """Return `config` without its transparency logs."""
    return {**config, "rekorTlogUrls": [], "rekorTlogConfig": {}}


def lacking(config: Document, *, keyless: bool, tlog: bool) -> tuple[str, ...]:
    """Return the kinds of services that signing needs and a signing config does not name.

    A certificate lives ten minutes: without a log or a timestamp nobody can verify later that it was in time.

    Args:
        config: maybe of the user's own, whose form only cosign knows.
        keyless: whether a certificate is needed.
        tlog: whether it is written to a log.
    """
    needed = {"rekorTlogUrls": tlog, "caUrls": keyless, "tsaUrls": keyless and not tlog}
    return tuple(kind for kind, is_needed in needed.items() if is_needed and not config.get(kind))


def service_url(config: Document, kind: str) -> str | None:
    """Return the URL of the first service of a kind that speaks the first version of its protocol.

    Args:
        config: maybe of the user's own, whose form only cosign knows.
        kind: `caUrls`, `rekorTlogUrls` or `tsaUrls`.
    """
    services = config.get(kind)
    for service in services if isinstance(services, Sequence) else ():
        if isinstance(service, Mapping) and service.get("majorApiVersion") == 1 and service.get("url"):
            return str(service["url"])
    return None


def urls(config: Document | None) -> list[str]:
    """Return the URLs of the services in a signing config.

    Args:
        config: maybe of the user's own, whose form only cosign knows; None: the public Sigstore's.
    """
    if config is None:
        return list(PUBLIC)
    kinds = (config.get(kind) for kind in ("caUrls", "rekorTlogUrls", "tsaUrls"))
    services = (service for kind in kinds if isinstance(kind, Sequence) for service in kind)
    return [str(service.get("url")) for service in services if isinstance(service, Mapping)]


def hosts(config: Document) -> list[str]:
    """Return the hosts of the services in a signing config, such as ``localhost:3000``."""
    return list(dict.fromkeys(found[1] for found in map(_HOST.match, urls(config)) if found))


def logs_certificates(root: Document | None) -> bool:
    """Tell whether a root names a log that certificates are in, as the public one does.

    Args:
        root: the trusted root; None: the public Sigstore's.
    """
    return root is None or bool(root.get("ctlogs"))


def certificates(root: Document, kind: str) -> list[str]:
    """Return the certificates of each authority in a trusted root, as PEM.

    Args:
        root: maybe of the user's own, whose form only cosign knows.
        kind: `certificateAuthorities` or `timestampAuthorities`.
    """
    chains = ((each.get("certChain") or {}).get("certificates") or () for each in _each(root, kind))
    found = ("".join(_pem("CERTIFICATE", each["rawBytes"]) for each in chain) for chain in chains)
    return [each for each in found if each]


def log_keys(root: Document, kind: str) -> dict[str, str]:
    """Return the public keys of logs in a trusted root, as PEM, by the URLs of the logs.

    Args:
        root: as for `certificates`.
        kind: `tlogs` or `ctlogs`.
    """
    logs = ((str(each.get("baseUrl", "")), each.get("publicKey") or {}) for each in _each(root, kind))
    return {url: _pem("PUBLIC KEY", key["rawBytes"]) for url, key in logs if key.get("rawBytes")}


def _each(root: Document, kind: str) -> Iterator[Document]:
    found = root.get(kind)
    yield from (each for each in (found if isinstance(found, Sequence) else ()) if isinstance(each, Mapping))


def _pem(what: str, content: object) -> str:
    lines = re.findall(".{1,64}", str(content))
    return "\n".join((f"-----BEGIN {what}-----", *lines, f"-----END {what}-----", ""))


def _service(url: str, version: int) -> Mapping[str, Any]:
    operator = url.split("://", 1)[-1].split("/", 1)[0]
    return {
        "url": url.rstrip("/"),
        "majorApiVersion": version,
        "validFor": {"start": _BEGINNING},
        "operator": operator,
    }
