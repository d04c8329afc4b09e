"""The two documents of a Sigstore: which services sign (signing config), and what to trust (trusted root).

Source: sigstore/protobuf-specs `sigstore_trustroot.proto`; cosign's `signing-config create` writes the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from gocdnext_sdk.errors import Invalid, quoted

SIGNING_CONFIG = "application/vnd.dev.sigstore.signingconfig.v0.2+json"
"""Media type of a signing configuration."""

TRUSTED_ROOT = "application/vnd.dev.sigstore.trustedroot+json"
"""Media type of a trusted root, without its version."""

Document = Mapping[str, Any]
"""A signing configuration or a trusted root, as `normalised` leaves it; all else in it only cosign checks."""

NOBODY: Document = {"mediaType": f"{TRUSTED_ROOT};version=0.1"}
"""A trusted root that trusts nobody: enough for a signature by key, and it keeps cosign from fetching one."""

PUBLIC_LOG = "https://rekor.sigstore.dev"
"""The log of the public Sigstore."""

PUBLIC = ("https://fulcio.sigstore.dev", PUBLIC_LOG, "https://timestamp.sigstore.dev")
"""The services of the public Sigstore, by its signing config; its newer log changes its name each year."""

VERSIONS = {"caUrls": (1,), "rekorTlogUrls": (1, 2), "tsaUrls": (1,)}
"""The kinds of services, with the versions of their protocols that cosign speaks.

Source: sigstore-go 1.2 `pkg/sign/certificate.go`, `transparency.go`, `timestamping.go`.
"""

_HOST = re.compile(r"https?://(?:[^/@]*@)?([^/?#]+)")
_ANY = {"selector": "ANY"}
_BEGINNING = "1970-01-01T00:00:00Z"
_NUMBERS = ("majorApiVersion", "count")
_STANDARD = str.maketrans("-_", "+/")
_SNAKE = re.compile("[a-z]+(_[a-z]+)+")


def normalised(document: Document) -> dict[str, Any]:
    """Return a document as protojson writes it, which reads more: names in snake case, numbers as text, null.

    Source: protobuf-go 1.36 `encoding/protojson/decode.go` (`unmarshalMessage`, `unmarshalUint`).

    Raises:
        Invalid: a name is there in both spellings.
    """
    try:
        return _object(document)
    except RecursionError:
        raise Invalid("is nested too deeply") from None


def _object(message: Document) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in message.items():
        first, *rest = key.split("_") if _SNAKE.fullmatch(key) else [key]
        name = "".join((first, *map(str.capitalize, rest)))
        if name in found:
            raise Invalid(f"has {quoted(name)} in both spellings", "keep one")
        found[name] = _number(value) if name in _NUMBERS else _value(value)
    return {name: value for name, value in found.items() if value is not None}


def _value(value: Any) -> Any:
    if isinstance(value, Mapping):
        return _object(value)
    return [_value(each) for each in value] if isinstance(value, list) else value


def _number(value: Any) -> Any:
    with suppress(ValueError):
        number = float(value) if isinstance(value, str) else value
        return int(number) if isinstance(number, float) and number.is_integer() else value
    return value


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
        config: the signing config.
        keyless: whether a certificate is needed.
        tlog: whether it is written to a log.
    """
    needed = {"rekorTlogUrls": tlog, "caUrls": keyless, "tsaUrls": keyless and not tlog}
    return tuple(kind for kind, is_needed in needed.items() if is_needed and not config.get(kind))


def check_usable(config: Document, *, keyless: bool, tlog: bool) -> None:
    """Check that each kind of services that is named, and that signing asks, can be asked now.

    Args:
        config: the signing config.
        keyless: whether a certificate is needed.
        tlog: whether it is written to a log.

    Raises:
        Invalid: none of a kind can.
    """
    asked = {"rekorTlogUrls": tlog, "caUrls": keyless, "tsaUrls": True}
    for kind in (kind for kind, is_asked in asked.items() if is_asked):
        service_url(config, kind)


def service_url(config: Document, kind: str, versions: Sequence[int] = ()) -> str | None:
    """Return the URL of the service that cosign would ask; None: the signing config names none of this kind.

    Args:
        config: the signing config.
        kind: one of `VERSIONS`.
        versions: of the protocol; none: those that cosign speaks.

    Raises:
        Invalid: some are named, and none of them can be asked now.
    """
    if not config.get(kind):
        return None
    for url in _usable(config, kind, versions or VERSIONS[kind]):
        return url
    wanted = " or ".join(map(str, versions or VERSIONS[kind]))
    raise Invalid(
        f"names no service in {quoted(kind)} that is valid now and has version {wanted}",
        "see its url, validFor and majorApiVersion",
    )


def urls(config: Document | None) -> list[str]:
    """Return the URLs of the services in a signing config that can be asked now.

    Args:
        config: the signing config; None: the public Sigstore's.
    """
    if config is None:
        return list(PUBLIC)
    return [url for kind, versions in VERSIONS.items() for url in _usable(config, kind, versions)]


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
    """Return the certificates of each authority in a trusted root, as PEM, the one that signs now first.

    Args:
        root: the trusted root.
        kind: `certificateAuthorities` or `timestampAuthorities`.
    """
    chains = (
        _messages(_message(each, "certChain"), "certificates") for each in _newest(_messages(root, kind))
    )
    found = ("".join(_pem("CERTIFICATE", each) for each in chain) for chain in chains)
    return [each for each in found if each]


def log_keys(root: Document, kind: str) -> dict[str, str]:
    """Return the public keys of logs in a trusted root, as PEM, by the URLs of the logs.

    The one that signs now is first; of those with one URL, it is the only one.

    Args:
        root: the trusted root.
        kind: `tlogs` or `ctlogs`.
    """
    keys = ({**_message(each, "publicKey"), "url": each.get("baseUrl", "")} for each in _messages(root, kind))
    found: dict[str, str] = {}
    for key in _newest(keys):
        if pem := _pem("PUBLIC KEY", key):
            found.setdefault(str(key["url"]), pem)
    return found


def _usable(config: Document, kind: str, versions: Iterable[int]) -> list[str]:
    """Return the URLs of services that are valid now, in the order of cosign's choice.

    Source: sigstore-go 1.2 `pkg/root/signing_config.go`, `SelectService`.
    """
    services = [each for each in _newest(_messages(config, kind)) if _validity(each)[0] and each.get("url")]
    return [
        str(each["url"])
        for version in sorted(versions, reverse=True)
        for each in services
        if each.get("majorApiVersion") == version
    ]


def _newest(messages: Iterable[Document]) -> list[Document]:
    """Return what is valid now before what is not, the newest first."""
    return sorted(messages, key=_validity, reverse=True)


def _validity(message: Document) -> tuple[bool, datetime]:
    """Return whether `validFor` includes the time now, and its start; if it is malformed, it does not."""
    now, first = datetime.now(UTC), datetime.min.replace(tzinfo=UTC)
    period = _message(message, "validFor")
    try:
        start, end = (datetime.fromisoformat(str(period.get(each, now))) for each in ("start", "end"))
        return start <= now <= end, start if "start" in period else first
    except (TypeError, ValueError):  # the former of a time without a zone
        return False, first


def _messages(message: Document, name: str) -> list[Document]:
    found = message.get(name)
    return [each for each in found if isinstance(each, Mapping)] if isinstance(found, list) else []


def _message(message: Document, name: str) -> Document:
    found = message.get(name)
    return found if isinstance(found, Mapping) else {}


def _pem(what: str, message: Document) -> str:
    """Return the `rawBytes` of a message; "" for none.

    Source: `unmarshalBytes` of protojson, which takes base64 of both alphabets, padded or not.
    """
    content = "".join(str(message.get("rawBytes", "")).translate(_STANDARD).split()).rstrip("=")
    lines = re.findall(".{1,64}", content + "=" * (-len(content) % 4))
    return "\n".join((f"-----BEGIN {what}-----", *lines, f"-----END {what}-----", "")) if content else ""


def _service(url: str, version: int) -> Mapping[str, Any]:
    operator = url.split("://", 1)[-1].split("/", 1)[0]
    return {
        "url": url.rstrip("/"),
        "majorApiVersion": version,
        "validFor": {"start": _BEGINNING},
        "operator": operator,
    }
