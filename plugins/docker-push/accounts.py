"""The registry's login, as the API of the service that runs the registry takes it."""

from __future__ import annotations

from gocdnext_sdk import Credential, Error, Reference, Secret


def password(login: Credential | None, image: Reference) -> Secret:
    """Return the password, or token.

    Args:
        login: at the registry.
        image: what the service is asked about.

    Raises:
        Error: there is none.
    """
    return _needed(login, image).password


def basic(login: Credential | None, image: Reference) -> Secret:
    """Return the `Authorization` of a login by name and password; the rest is as for `password`."""
    return Secret(f"Basic {_needed(login, image).basic.reveal()}")


def _needed(login: Credential | None, image: Reference) -> Credential:
    if login is None:
        raise Error(
            f"the API of {image.registry} needs credentials for {image}", "give username and password"
        )
    return login
