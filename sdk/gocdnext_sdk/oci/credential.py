"""One login."""

from __future__ import annotations

import base64
from dataclasses import dataclass

from gocdnext_sdk.oci.reference import Registry
from gocdnext_sdk.secret import Secret

_NONE = Secret("")


@dataclass(frozen=True)
class Credential:
    """A login that is valid for one registry and is never sent to another.

    Args:
        registry: the host it belongs to.
        username: the user name; empty if there is only a token.
        password: a password or token.
        identity_token: an OAuth2 refresh token, which is exchanged at the registry's token server; what
            `az acr login` leaves.
        registry_token: a bearer token that the registry takes as it is.
        scope: the repositories it is for, as a path, such as `team` for `team/app`; empty: all.
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
        """Whether the pair is one to log in with. Beside an identity token an empty password is none."""
        return bool(self.username) and bool(self.password or not self.identity_token)

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """All of it that must not be printed."""
        pair = (self.password, self.basic) if self.has_password else ()
        return tuple(each for each in (*pair, self.identity_token, self.registry_token) if each)

    def fits(self, repository: str) -> bool:
        """Tell whether it is for `repository`, a path at its registry."""
        return f"{repository}/".startswith(f"{self.scope}/") if self.scope else True
