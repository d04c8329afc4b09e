"""The logins in a Docker `config.json` or a containers' `auth.json`: each is used, or named with the reason.

Source: docker/cli 29.7 `cli/config/configfile/file.go` (`ConfigFile`, `decodeAuth`),
`cli/config/types/authconfig.go`, `cli/config/credentials/file_store.go` (`ConvertToHostname`) and
`internal/oauth/manager/manager.go`; containers-auth.json(5). Docker reads keys in any case, null as empty.
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
from gocdnext_sdk.oci.credential import Credential, check_password, check_text, check_user_name
from gocdnext_sdk.oci.reference import HUB, Reference, Registry
from gocdnext_sdk.secret import Secret

_LOGIN_KEYS = frozenset({"auth", "username", "password", "identitytoken", "registrytoken"})

_ENTRY_KEYS = _LOGIN_KEYS | {"serveraddress", "email"}

_SECTIONS = ("auths", "credHelpers", "credsStore")

_SETTINGS = frozenset(
    each.casefold()
    for each in (
        *(*_SECTIONS, "HttpHeaders", "proxies", "plugins", "aliases", "features", "pruneFilters"),
        *("cliPluginsExtraDirs", "kubernetes"),
    )
)
"""Docker's own settings that are objects or lists, `kubernetes` until version 23. Its others are texts."""

_API = ("v1", "v2")
"""Paths of the registry's API and not of repositories: keys are often the URL of that API."""

_HOST_LIKE = re.compile(r"(https?://)?[\w .*-]{0,255}(:[0-9]{1,5})?(/[\w ./-]{0,255})?")

_BROWSER = tuple(f"https://index.docker.io/v1/{name}" for name in ("access-token", "refresh-token"))
"""What `docker login` by a browser stores beside the login that it got, for `docker logout`."""


@dataclass(frozen=True)
class Unusable:
    """An entry that cannot be used.

    Args:
        key: its key in the file.
        reason: why, without any part of its value.
        in_helper: whether a credential helper has the login, so that Docker itself can use it.
    """

    key: str
    reason: str
    in_helper: bool = False


def read(docker_config: Secret) -> tuple[tuple[Credential, ...], tuple[Unusable, ...]]:
    """Return the logins of a Docker configuration, and the entries that cannot be used.

    Raises:
        ValueError: it is not a Docker configuration; the message contains no part of it.
    """
    try:
        content = _folded(json.loads(docker_config.reveal(), object_pairs_hook=_once), _SECTIONS)
        auths = content.get("auths") or {}
        helpers = content.get("credHelpers") or {}
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
        if key in _BROWSER:
            continue
        try:
            login = _login(key, entry)
        except ValueError as error:
            unusable.append(Unusable(_shown(key), str(error)))
            continue
        if credentials.setdefault((login.registry, login.scope), login) != login:
            unusable.append(Unusable(_shown(key), f"a second entry for {login.registry}; keep one"))
    if (Registry(HUB), "") not in credentials:
        no_login = "a token of `docker login` by a browser, which no registry takes"
        unusable += [Unusable(key, no_login) for key in _BROWSER if auths.get(key)]
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
    usual = {name.casefold(): name for name in names}
    return _once([(usual.get(key.casefold(), key), value) for key, value in entry.items()])


def _helpers(content: Mapping[str, Any], helpers: Mapping[str, Any]) -> Iterator[Unusable]:
    advice = "which a plugin cannot run; put the credentials themselves under `auths`"
    if store := content.get("credsStore"):
        yield Unusable("credsStore", f"the credentials are in the helper {_word(store)}, {advice}", True)
    for key, helper in helpers.items():
        yield Unusable(_shown(key), f"its credentials are in the helper {_word(helper)}, {advice}", True)


def _misplaced(content: Mapping[str, Any]) -> Iterator[Unusable]:
    """Yield what may be a login and is not where Docker reads it: `.dockercfg` had its entries at the top."""
    for key, value in content.items():
        name = key.casefold()
        if name in _LOGIN_KEYS or (
            name not in _SETTINGS and (isinstance(value, dict | list) or re.search(r"[.:/]", key))
        ):
            yield Unusable(
                _shown(key),
                "beside `auths`, and not a setting of Docker's; put credentials under it, by host",
            )


def _login(key: str, entry: object) -> Credential:
    """Read one entry.

    Raises:
        ValueError: it cannot be used; the message contains no part of it.
    """
    registry, scope = _place(key)
    if entry is not None and not isinstance(entry, dict):
        raise ValueError("is not an object")
    given = _folded(entry or {}, _ENTRY_KEYS)
    if given.keys() - _ENTRY_KEYS:
        raise ValueError(
            f"has a field that Docker does not know; a login has {', '.join(sorted(_LOGIN_KEYS))}"
        )
    entry = {name: value for name, value in given.items() if value is not None}
    for name in _LOGIN_KEYS & entry.keys():
        if not isinstance(entry[name], str):
            raise ValueError(f"`{name}` is not a text")
    username, password = entry.get("username", ""), entry.get("password", "")
    if entry.get("auth"):
        username, password = _decode(entry["auth"])
    identity, bearer = entry.get("identitytoken", ""), entry.get("registrytoken", "")
    if "username" in entry and not (entry.keys() & {"auth", "password"} or identity or bearer):
        raise ValueError("a user name without a password")
    check_password(password)
    for value in (username, identity, bearer):
        check_text(value)
    if not (username or identity or bearer):
        raise ValueError("a password without a user name" if password else "has no credentials")
    check_user_name(username)
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
        if not path or path in _API or "://" in key:
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


def _shown(key: str) -> str:
    """Return a key for messages; what may contain a password, such as `user:password`, is not quoted."""
    return (key or '""') if _HOST_LIKE.fullmatch(key) else "a key of auths"


def _word(value: object) -> str:
    return value if isinstance(value, str) and re.fullmatch(r"[\w.-]{1,100}", value) else "named there"
