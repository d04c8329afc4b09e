"""The logins in a Docker `config.json` or a containers' `auth.json`: each is used, or named with the reason.

Source: docker/cli 29.7 `cli/config/configfile/file.go` (`decodeAuth`), `cli/config/types/authconfig.go` and
`cli/config/credentials/file_store.go` (`ConvertToHostname`); containers-auth.json(5).
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gocdnext_sdk.errors import Invalid
from gocdnext_sdk.oci.credential import Credential
from gocdnext_sdk.oci.reference import HUB, Reference, Registry
from gocdnext_sdk.secret import Secret

_LOGIN_KEYS = frozenset({"auth", "username", "password", "identitytoken", "registrytoken"})

_SECTIONS = ("auths", "credHelpers", "credsStore")

_API = re.compile(r"v[12](?:/|$)")
"""A path of the registry's API and not a repository: keys are often the URL of that API."""


@dataclass(frozen=True)
class Unusable:
    """An entry that cannot be used.

    Args:
        key: its key in the file.
        reason: why, without any part of its value.
    """

    key: str
    reason: str


def read(docker_config: Secret) -> tuple[tuple[Credential, ...], tuple[Unusable, ...]]:
    """Return the logins of a Docker configuration, and the entries that cannot be used.

    Raises:
        ValueError: it is not a Docker configuration; the message contains no part of it.
    """
    try:
        content = _folded(json.loads(docker_config.reveal(), object_pairs_hook=_once), _SECTIONS)
        auths = content.get("auths", {})
        helpers = content.get("credHelpers", {})
        if not isinstance(auths, dict) or not isinstance(helpers, dict):
            raise ValueError("no maps")
    except Invalid:
        raise
    except (ValueError, AttributeError, RecursionError):
        raise Invalid("is not a Docker config.json", 'it looks like {"auths": {"HOST": …}}') from None
    credentials: dict[tuple[Registry, str], Credential] = {}
    unusable = [*_helpers(content, helpers), *_misplaced(content)]
    for key, entry in auths.items():
        if not entry and (key in helpers or content.get("credsStore")):
            continue  # `docker login` leaves these beside a helper, which is named already
        try:
            login = _login(key, entry)
        except ValueError as error:
            unusable.append(Unusable(_shown(key), str(error)))
            continue
        if credentials.setdefault((login.registry, login.scope), login) != login:
            unusable.append(Unusable(_shown(key), f"a second entry for {login.registry}; keep one"))
    return tuple(credentials.values()), tuple(unusable)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object.

    Raises:
        Invalid: a key is there twice, so that one value would be lost.
    """
    found = dict(pairs)
    if len(found) < len(pairs):
        ((twice, _),) = Counter(name for name, _ in pairs).most_common(1)
        raise Invalid(f"has {_shown(twice)} twice in one object", "keep one")
    return found


def _folded(entry: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Return an object whose fields are called as in `names`, in whatever case they were written.

    Source: Go's encoding/json, which docker/cli reads with: "preferring exact matches but also accepting
    case-insensitive matches".
    """
    usual = {name.lower(): name for name in names}
    return _once([(usual.get(key.lower(), key), value) for key, value in entry.items()])


def _helpers(content: Mapping[str, Any], helpers: Mapping[str, Any]) -> Iterator[Unusable]:
    advice = "which a plugin cannot run; put the credentials themselves under `auths`"
    if store := content.get("credsStore"):
        yield Unusable("credsStore", f"the credentials are in the helper {_word(store)}, {advice}")
    for key, helper in helpers.items():
        yield Unusable(_shown(key), f"its credentials are in the helper {_word(helper)}, {advice}")


def _misplaced(content: Mapping[str, Any]) -> Iterator[Unusable]:
    """Yield entries at the top level, where `.dockercfg`, the format before config.json, had them."""
    for key, entry in content.items():
        if isinstance(entry, dict) and key not in ("auths", "credHelpers") and _LOGIN_KEYS & entry.keys():
            yield Unusable(_shown(key), "credentials beside `auths`; put them under it")


def _login(key: str, entry: object) -> Credential:
    """Read one entry.

    Raises:
        ValueError: it cannot be used; the message contains no part of it.
    """
    registry, scope = _place(key)
    if not isinstance(entry, dict):
        raise ValueError("is not an object")
    entry = _folded(entry, _LOGIN_KEYS)
    for name in _LOGIN_KEYS & entry.keys():
        if not isinstance(entry[name], str):
            raise ValueError(f"`{name}` is not a text")
    username, password = entry.get("username", ""), entry.get("password", "")
    if entry.get("auth"):
        username, password = _decode(entry["auth"])
    identity, bearer = entry.get("identitytoken", ""), entry.get("registrytoken", "")
    for value in (username, password, identity, bearer):
        _check_text(value)
    if not (username or identity or bearer):
        raise ValueError("a password without a user name" if password else "has no credentials")
    if ":" in username:
        raise ValueError("a user name with a colon, which Basic authentication cannot send")
    return Credential(
        registry,
        username,
        Secret(password),
        Secret(identity) if identity else None,
        Secret(bearer) if bearer else None,
        scope,
    )


def _place(key: str) -> tuple[Registry, str]:
    """Return the registry and the scope that a key names.

    Raises:
        ValueError: it names no registry.
    """
    rest = re.sub(r"^https?://", "", key.strip())
    host, _, path = rest.partition("/")
    path = path.strip("/")
    if "@" in host:
        raise ValueError("a key has no user in it")
    try:
        registry = Registry.parse(host)
        if not path or _API.match(path) or "://" in key:
            return registry, ""  # of a URL the host counts, as docker/cli has it
        Reference.parse(f"{HUB}/library/{path}")  # whether it is a path
    except ValueError:
        raise ValueError("is not a registry host") from None
    return registry, path


def _decode(auth: str) -> tuple[str, str]:
    try:
        pair = base64.b64decode(auth.replace("\r", "").replace("\n", ""), validate=True).decode()
    except (ValueError, binascii.Error):
        raise ValueError("`auth` is not base64 of USER:PASSWORD") from None
    username, colon, password = pair.partition(":")
    if not colon or not username:
        raise ValueError("`auth` is not base64 of USER:PASSWORD")
    return username, password.strip("\0")


def _check_text(value: str) -> None:
    """Check that a part of a login can be sent (RFC 7617 §2: no control characters).

    Raises:
        ValueError: it cannot; the message contains no part of it.
    """
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError("contains half a character") from None
    if re.search(r"[\x00-\x1f\x7f]", value):
        raise ValueError("contains a control character, such as a line break")


def _shown(key: str) -> str:
    """Return a key for messages; one that may contain a password is not quoted."""
    return "a key of auths" if "@" in key or not key.isprintable() or len(key) > 255 else key or '""'


def _word(value: object) -> str:
    return value if isinstance(value, str) and re.fullmatch(r"[\w.-]{1,100}", value) else "named there"
