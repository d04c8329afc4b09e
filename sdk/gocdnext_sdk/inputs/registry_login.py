"""The registry login that every plugin takes the same way."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, ClassVar

from pydantic import AfterValidator

from gocdnext_sdk.errors import Invalid, Problem
from gocdnext_sdk.inputs.constraints import Constraint, RequiredTogether
from gocdnext_sdk.inputs.model import Input, PluginInputs
from gocdnext_sdk.inputs.types import RegistryHost, RegistryHosts
from gocdnext_sdk.oci.credentials import Credential, Credentials
from gocdnext_sdk.oci.reference import HUB, Registry
from gocdnext_sdk.secret import Secret


def _without_hub(registries: tuple[Registry, ...]) -> tuple[Registry, ...]:
    if Registry(HUB) in registries:
        raise Invalid("Docker Hub speaks TLS", "leave it out")
    return registries


class RegistryLoginInputs(PluginInputs):
    """`registry`, `username`, `password`, and `insecure-registries`."""

    registry: RegistryHost | None = Input(
        None,
        description='Registry host to log in to, e.g. "ghcr.io". The image\'s own registry if not given.',
    )
    username: str | None = Input(
        None,
        description="User name at the registry. Empty: no credentials. It is sent to that registry only.",
        login=True,
    )
    password: Secret | None = Input(
        None, description="Password or token for `username`. Give it through the job's `secrets:`."
    )

    insecure_registries: Annotated[RegistryHosts, AfterValidator(_without_hub)] = Input(
        "",
        description='Registries that may speak plain http, such as "registry:5000", a service of the job: '
        "images and logins are readable on the way there. No other host is spoken to without TLS.",
    )

    listed_last: ClassVar[bool] = True
    constraints: ClassVar[tuple[Constraint, ...]] = (RequiredTogether("username", "password"),)

    def credentials(self, default: Registry) -> Credentials:
        """Return the login, bound to one host.

        Args:
            default: the host it belongs to if `registry` is not given.
        """
        if self.username is None or self.password is None:
            return Credentials()
        return Credentials([Credential(self.registry or default, self.username, self.password)])

    def is_insecure(self, registry: Registry) -> bool:
        """Tell whether the user lets `registry` speak plain http."""
        return registry in self.insecure_registries

    def check_registry(self, registries: Iterable[Registry]) -> Iterator[Problem]:
        """Check that the login is one for the job: that an image is at its registry.

        Args:
            registries: where the job's images are.
        """
        known = tuple(dict.fromkeys(registries))
        if self.username is not None and self.registry is not None and self.registry not in known:
            hosts = ", ".join(map(str, known))
            # The registry is not quoted: it may be a token in the wrong field.
            yield Problem("registry", "no image of the job is there", f"the images are at {hosts}")
