"""The credentials of one registry."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, replace

from gocdnext_sdk.oci.reference import Registry
from gocdnext_sdk.secret import Secret

_NONE = Secret("")


@dataclass(frozen=True)
class Credential:
    """A login that is valid for one registry and is never sent to another.

    Args:
        registry: its host.
        username: the user name; empty if there is only a token.
        password: a password or token.
        identity_token: an OAuth2 refresh token, which is exchanged at the registry's token server, such as
            `az acr login` stores.
        registry_token: a bearer token that the registry accepts as it is.
        scope: a path that limits it to some repositories, such as `team` for `team/app`; empty for all.
    """

    registry: Registry
    username: str = ""
    password: Secret = _NONE
    identity_token: Secret | None = None
    registry_token: Secret | None = None
    scope: str = ""

    @property
    def basic(self) -> Secret:
        """The `user:password` pair in base64, as Basic authentication and Docker's `auth` want it."""
        pair = f"{self.username}:{self.password.reveal()}"
        return Secret(base64.b64encode(pair.encode()).decode())

    @property
    def has_password(self) -> bool:
        """Whether it has user name and password; an empty password counts only without an identity token."""
        return bool(self.username) and bool(self.password or not self.identity_token)

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """All parts of it that must not be printed."""
        pair = (self.password, self.basic) if self.has_password else ()
        return tuple(each for each in (*pair, self.identity_token, self.registry_token) if each)

    def for_host(self) -> Credential:
        """Return the login without a scope: for all repositories of its registry."""
        return replace(self, scope="")

    def fits(self, repository: str) -> bool:
        """Tell whether it is valid for `repository`, a path at its registry."""
        return f"{repository}/".startswith(f"{self.scope}/") if self.scope else True


def check_text(value: str) -> None:
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


def check_password(value: str) -> None:
    """Check that a password can be sent.

    One of several lines can, against RFC 7617: that of `_json_key` at Google is a file of JSON.

    Raises:
        ValueError: it cannot; the message contains no part of it.
    """
    if value.splitlines() == [value.rstrip("\r\n")] != [value]:
        raise ValueError("ends with a line break")
    check_text(re.sub(r"[\t\r\n]", "", value))


def check_user_name(value: str) -> None:
    """Check that a user name can be sent (RFC 7617 §2: no colon either).

    Raises:
        ValueError: it cannot; the message contains no part of it.
    """
    check_text(value)
    if ":" in value:
        raise ValueError("a user name with a colon, which Basic authentication cannot send")
