"""The registry's login, as the API of the service that runs the registry takes it."""

from __future__ import annotations

from base64 import b64encode

from gocdnext_sdk import Credential, Error, Reference, Secret


def password(login: Credential | None, image: Reference) -> Secret:
    """Return the password, or token.

    Args:
        login: at the registry.
        image: what the service is asked about.

    Raises:
        Error: there is none.
    """
    if login is None:
        raise Error(
            f"the API of {image.registry} needs credentials for {image}", "give username and password"
        )
    return login.password


def basic(login: Credential | None, image: Reference) -> Secret:
    """Return the `Authorization` of a login by name and password; the rest is as for `password`."""
    word = password(login, image).reveal()
    pair = b64encode(f"{login.username if login else ''}:{word}".encode()).decode()
    return Secret(f"Basic {pair}")
