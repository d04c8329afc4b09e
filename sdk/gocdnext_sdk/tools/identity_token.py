"""OpenID Connect identity tokens, inspected before they are sent anywhere.

Nothing is verified here: that takes the issuer's keys and is up to the relying party. What is visible without
them is reported at once, with the name of the claim, instead of as a refusal by a distant server.

Source: RFC 7519 (JWT), RFC 7515 (JWS), OpenID Connect Core 1.0 §2.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

from gocdnext_sdk.errors import Invalid
from gocdnext_sdk.secret import Secret

SKEW = 60.0
"""Seconds by which two clocks may differ."""

ALGORITHMS = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
)
"""Signature algorithms that a verifier can check with an issuer's public keys."""


@dataclass(frozen=True)
class IdentityToken:
    """A decoded token. It does not hold the token itself, so it may be printed.

    Args:
        header: the JOSE header.
        claims: the payload.
    """

    header: Mapping[str, Any]
    claims: Mapping[str, Any]

    @classmethod
    def decode(cls, token: Secret) -> Self:
        """Decode `token` without verifying it.

        Raises:
            ValueError: it is not a signed JWT; the message does not hold any part of it.
        """
        parts = token.reveal().split(".")
        if len(parts) != 3 or not all(parts):
            dots = "one dot" if len(parts) == 2 else f"{len(parts) - 1} dots"
            raise Invalid(f"is not a signed JWT: it has {dots}, a JWT has two")
        return cls(_decode(parts[0], "header"), _decode(parts[1], "payload"))

    @property
    def issuer(self) -> str:
        """The issuer that a certificate made from this token names.

        A federating issuer (Dex) puts the original one into `federated_claims`, and Fulcio takes that.
        """
        federated = self.claims.get("federated_claims")
        origin = federated.get("connector_id") if isinstance(federated, dict) else None
        return str(origin or self.claims.get("iss", ""))

    def problems(
        self, *, audience: str, issuers: tuple[str, ...] = (), now: float | None = None
    ) -> Iterator[tuple[str, str]]:
        """Yield the reasons for which a relying party would refuse the token: what is wrong, and what to do.

        Args:
            audience: the audience that the token must have.
            issuers: each must be the token's issuer.
            now: seconds since the epoch; the clock's if not given.
        """
        now = time.time() if now is None else now
        algorithm = self.header.get("alg")
        if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
            yield (
                f"alg: the token is signed with {json.dumps(algorithm)}, which nobody else can check",
                f"the issuer must sign with one of {', '.join(sorted(ALGORITHMS))}",
            )
        yield from self._times(now)
        audiences = self.claims.get("aud")
        audiences = audiences if isinstance(audiences, list) else [audiences]
        if audience not in audiences:
            found = ", ".join(json.dumps(each) for each in audiences)
            yield (
                f'aud: the token is for {found}, not for "{audience}"',
                f'declare it with aud: "{audience}"',
            )
        for expected in issuers:
            if expected not in (self.issuer, self.claims.get("iss")):
                yield (
                    f'iss: the token comes from "{self.issuer}", and the pipeline states "{expected}"',
                    "correct the statement, or take the token of that issuer",
                )
        if not self.claims.get("sub"):
            yield ("sub: the token names no subject", "the issuer must set one")

    def _times(self, now: float) -> Iterator[tuple[str, str]]:
        skew = f"a difference of {SKEW:.0f} s between clocks is allowed"
        expires, starts = (_number(self.claims.get(name)) for name in ("exp", "nbf"))
        if expires is None:
            yield ("exp: the token does not say when it expires", "the issuer must set it")
        elif now > expires + SKEW:
            yield (
                f"exp: the token expired {_duration(now - expires)} ago, at {_instant(expires)}; {skew}",
                "a token is made at the start of its job: shorten what runs before, or let it live longer",
            )
        if starts is not None and now < starts - SKEW:
            yield (
                f"nbf: the token is valid from {_instant(starts)}, in {_duration(starts - now)}; {skew}",
                "set the clock of this host or of the issuer",
            )


def _decode(part: str, name: str) -> Mapping[str, Any]:
    try:
        # RFC 7515 §2: base64url without padding; anything else in it is an error.
        raw = base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
        value = json.loads(raw)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise Invalid(f"is not a JWT: its {name} is not a JSON object in base64url")
    return value


def _number(value: object) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _instant(seconds: float) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (OverflowError, ValueError, OSError):
        return str(seconds)


def _duration(seconds: float) -> str:
    for unit, name in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds:.0f} seconds"
