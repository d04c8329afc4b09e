"""Whether an identity token is one of the issuer's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jwt

ALGORITHM = "RS256"


class Refused(Exception):
    """A request that must not be granted. The message holds no part of a token."""


@dataclass(frozen=True)
class Issuer:
    """Whose tokens are accepted.

    Args:
        url: its `iss`.
        jwks: its public keys (RFC 7517).
        audience: the audience that a token must have.
    """

    url: str
    jwks: Mapping[str, Any]
    audience: str = "sigstore"

    def discovery(self) -> dict[str, Any]:
        """Return the document at ``/.well-known/openid-configuration``, as the platform's says it."""
        return {
            "issuer": self.url,
            "jwks_uri": f"{self.url}/.well-known/jwks.json",
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": [ALGORITHM],
        }

    def verify(self, token: str) -> dict[str, Any]:
        """Return what `token` states, once its signature, issuer, audience and time are in order.

        Raises:
            Refused: they are not.
        """
        try:
            key = jwt.PyJWKSet.from_dict(dict(self.jwks))[jwt.get_unverified_header(token)["kid"]]
            claims: dict[str, Any] = jwt.decode(
                token,
                key.key,
                algorithms=[ALGORITHM],
                audience=self.audience,
                issuer=self.url,
                options={"require": ["exp", "iss", "aud"]},
            )
        except KeyError:
            raise Refused("the token is signed with a key that the issuer does not publish") from None
        except jwt.InvalidAlgorithmError:
            raise Refused(f"the token's alg is not {ALGORITHM}") from None
        except jwt.InvalidSignatureError:
            raise Refused("the token's signature is not the issuer's") from None
        except jwt.InvalidIssuerError:
            raise Refused("the token's iss is another issuer") from None
        except jwt.InvalidAudienceError:
            raise Refused(f"the token's aud is not {self.audience}") from None
        except (jwt.ExpiredSignatureError, jwt.ImmatureSignatureError):
            raise Refused("the token has expired, or is not valid yet") from None
        except jwt.MissingRequiredClaimError as error:
            raise Refused(f"the token has no {error.claim}") from None
        except jwt.PyJWTError:
            raise Refused("the token is not a signed JWT") from None
        return claims
