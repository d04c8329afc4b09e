"""The registry logins that every plugin takes the same way."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

from pydantic import AfterValidator, BeforeValidator, ValidationInfo, WithJsonSchema

from gocdnext_sdk.errors import Invalid, Problem, quoted
from gocdnext_sdk.inputs.constraints import Always, Constraint, OnlyWith, RequiredTogether
from gocdnext_sdk.inputs.model import Input, PluginInputs
from gocdnext_sdk.inputs.parsers import parse_lines
from gocdnext_sdk.inputs.types import Certificates, RegistryHost, RegistryHosts
from gocdnext_sdk.oci.credential import check_password, check_user_name
from gocdnext_sdk.oci.credentials import Credential, Credentials
from gocdnext_sdk.oci.reference import HUB, Registry
from gocdnext_sdk.secret import Secret

if TYPE_CHECKING:
    from pathlib import Path

    from gocdnext_sdk.inputs.clouds.identity import RegistryIdentity
    from gocdnext_sdk.runtime.job import Job

CLOUD_VARIABLES = ("AWS_", "AZURE_", "GOOGLE_")
"""Beginnings of the names of the job's variables by which it logs in at clouds' registries."""

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def _parse_logins(value: Any, info: ValidationInfo) -> Any:
    if not isinstance(value, str):
        return value
    lines = parse_lines(value)
    found = {each.registry: each for each in map(_parse_login, range(1, len(lines) + 1), lines)}
    if len(found) < len(lines):
        raise Invalid("has two logins for one host", "tools take one login per host")
    environ: Mapping[str, str] | None = (info.context or {}).get("environ", {})
    if environ is None:
        return tuple(found.values())
    return tuple(_with_password(each, number, environ) for number, each in enumerate(found.values(), start=1))


def _parse_login(number: int, line: str) -> Credential:
    """Return a login whose password is the name of the variable that holds it.

    Nothing is quoted: somebody will write the password itself.
    """
    words = line.split()
    if len(words) != 3 or not _VARIABLE.fullmatch(words[2]) or ":" in words[1]:
        raise Invalid(f"item {number} is not HOST USER SECRET", "the third word is the name of a secret")
    try:
        registry = Registry.parse(words[0])
    except ValueError:
        raise Invalid(f"item {number} does not begin with a registry host", 'such as "ghcr.io"') from None
    return Credential(registry, words[1], Secret(words[2]))


def _with_password(login: Credential, number: int, environ: Mapping[str, str]) -> Credential:
    password = environ.get(login.password.reveal(), "").rstrip("\r\n")
    if not password:
        what = f"the secret of item {number} is not in the job's environment"
        raise Invalid(what, "write its name only, and list it under the job's `secrets:`")
    try:
        check_password(password)
    except ValueError as error:
        raise Invalid(f"the secret of item {number} {error}", "no registry takes such a password") from None
    return Credential(login.registry, login.username, Secret(password))


def _user_name(value: str) -> str:
    check_user_name(value)
    return value


def _password(value: Secret) -> Secret:
    check_password(value.reveal())
    return value


def _parse_identities(value: Any, info: ValidationInfo) -> Any:
    if not isinstance(value, str):
        return value
    if not value.strip():
        return ()
    from gocdnext_sdk.contract.dialects import hands_out_tokens
    from gocdnext_sdk.inputs.clouds.table import parse_identity

    found: dict[Registry, RegistryIdentity] = {}
    for number, line in enumerate(parse_lines(value), start=1):
        try:
            each = parse_identity(line)
        except Invalid as error:
            raise Invalid(f"item {number} {error.what}", error.advice) from None
        if each.registry in found:
            raise Invalid("has two logins for one host", "tools take one login per host")
        found[each.registry] = each
    environ: Mapping[str, str] | None = (info.context or {}).get("environ", {})
    if environ is None:
        return tuple(found.values())
    for number, each in enumerate(found.values(), start=1):
        lacking = [key for key in each.cloud.keys if not each.needs_token and not environ.get(key)]
        if lacking:
            what = f"item {number} has no ROLE, and the job has no {lacking[0]}"
            raise Invalid(what, "give the role to take by the job's identity, or list the keys as secrets")
    name = info.data.get("registry_token_name") or ""
    wanting = [each for each in found.values() if each.needs_token]
    if wanting and not environ.get(name, "").strip() and not hands_out_tokens(environ):
        audience = wanting[0].audience
        raise Invalid(
            "needs an identity token, and the job has none",
            f"add `id_tokens: {{{name}: {{aud: {audience}}}}}` to the job",
        )
    return tuple(found.values())


def _is_docker_config(value: Secret) -> Secret:
    Credentials.parse(value)
    return value


def _without_hub(registries: tuple[Registry, ...]) -> tuple[Registry, ...]:
    if Registry(HUB) in registries:
        raise Invalid("Docker Hub speaks TLS", "leave it out")
    return registries


def _over(first: Iterable[Credential], others: Iterable[Credential]) -> Credentials:
    """Return all of `first`, and those of `others` that are for other registries."""
    taken = {each.registry: each for each in first}
    return Credentials([*taken.values(), *(each for each in others if each.registry not in taken)])


UserName = Annotated[str, AfterValidator(_user_name)]
"""A user name as a login can send it."""

Password = Annotated[Secret, AfterValidator(_password)]
"""A password or token as a login can send it."""

Logins = Annotated[
    tuple[Credential, ...],
    BeforeValidator(_parse_logins),
    WithJsonSchema({"type": "string", "format": "logins"}),
]
"""Logins, one a line: a host, a user, and the name of the job's secret with the password."""


RegistryIdentities = Annotated[
    tuple[Any, ...],
    BeforeValidator(_parse_identities),
    WithJsonSchema({"type": "string", "format": "lines"}),
]
"""Logins by the job's identity token, one a line: a host of a cloud, and what that cloud has to know."""


class RegistryLoginInputs(PluginInputs):
    """What it takes to log in: a password, several, or the job's identity; and whom to trust."""

    registry: RegistryHost | None = Input(
        None,
        description='Registry host to log in to, e.g. "ghcr.io". The image\'s own registry if not given.',
    )
    username: UserName | None = Input(
        None,
        description="User name at the registry. Empty: no credentials. It is sent to that registry only.",
        login=True,
    )
    password: Password | None = Input(
        None, description="Password or token for `username`. Give it through the job's `secrets:`."
    )
    logins: Logins = Input(
        "",
        description="Further logins, one `HOST USER SECRET` per line: SECRET is the name of the job's secret "
        "that holds the password. Each is sent to its own host only.",
        login=True,
    )
    docker_config: Annotated[Secret, AfterValidator(_is_docker_config)] | None = Input(
        None,
        description="Further logins, as the text of a Docker config.json. Each is sent to its own host only.",
        examples=[""],  # a plan, which does not know them, goes on without
        login=True,
    )
    registry_token_name: str = Input(
        "REGISTRY_ID_TOKEN",
        description="The name under which the job's `id_tokens:` declares the token for `registry-identity`.",
        pattern="^[A-Za-z_][A-Za-z0-9_]*$",
    )
    registry_identity: RegistryIdentities = Input(
        "",
        description="Logins by the job's identity token instead of a password, one per line: for ECR `HOST "
        "[ROLE]` (without a role by the job's `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`), for "
        "Artifact Registry `HOST PROVIDER [SERVICE_ACCOUNT]`, for ACR `HOST TENANT CLIENT`, for Docker Hub "
        "`docker.io ORGANISATION CONNECTION`.",
        login=True,
    )
    ca_file: Certificates | None = Input(
        None,
        description="Certificates of authorities to trust beside the public ones, as PEM: a file of the "
        "workspace, or the text. For registries whose certificates come from an authority of your own.",
    )
    insecure_registries: Annotated[RegistryHosts, AfterValidator(_without_hub)] = Input(
        "",
        description='Registries that may speak plain http, such as "registry:5000", a service of the job: '
        "images and logins are readable on the way there. No other host is spoken to without TLS.",
    )

    listed_last: ClassVar[bool] = True
    constraints: ClassVar[tuple[Constraint, ...]] = (
        RequiredTogether("username", "password"),
        OnlyWith("registry-token-name", "registry-identity"),
        Always("username", "password", "logins", "docker-config", "registry-identity", "ca-file"),
        # A job of a fork gets no secrets: its `username` is empty beside a `registry` in clear.
        Always("insecure-registries", "registry"),
    )

    def prepared(self, job: Job) -> Self:
        """Return the inputs with the logins that the job's identity token gives, among `logins`.

        Raises:
            HttpError: a cloud refuses, or cannot be reached.
        """
        identities = (*self.registry_identity, *self._by_keys(job))
        if not identities:
            return self
        from gocdnext_sdk.inputs.clouds.table import log_in

        given = job.environ.get(self.registry_token_name, "").strip()
        found = []
        for each in identities:
            token = each.token or Secret(given)
            if not token and each.needs_token:
                token = job.identity_token(each.audience) or token
            found.append(log_in(each, token, job))
        return self.model_copy(update={"logins": (*self.logins, *found), "registry_identity": ()})

    def image_registries(self, environ: Mapping[str, str], workspace: Path) -> tuple[Registry, ...]:
        """Return the registries of the job's images; `username` is for the first if `registry` is not given.

        At those of clouds the job's own variables log in, where nothing else does.

        Args:
            environ: the job's environment.
            workspace: the checkout.
        """
        return ()

    def _by_keys(self, job: Job) -> Iterator[RegistryIdentity]:
        """Yield who logs in by the job's own variables, where no input and no `DOCKER_CONFIG` does."""
        if "DOCKER_CONFIG" in job.environ or not any(
            each.startswith(CLOUD_VARIABLES) for each in job.environ
        ):
            return
        from gocdnext_sdk.inputs.clouds.table import by_keys

        registries = dict.fromkeys(self.image_registries(job.environ, job.workspace))
        if registries:
            taken = {
                each.registry
                for each in (*self.scoped_credentials(next(iter(registries))), *self.registry_identity)
            }
            yield from by_keys((each for each in registries if each not in taken), job)

    @property
    def further_credentials(self) -> Credentials:
        """Those of `docker-config` and of `logins`, which count where both have one for a host."""
        return _over(self.logins, Credentials.parse(self.docker_config) if self.docker_config else ())

    def scoped_credentials(self, default: Registry) -> Credentials:
        """Return all logins, each bound to one host or to some of its repositories; `username` counts first.

        Args:
            default: the host that `username` belongs to if `registry` is not given.
        """
        if self.username is None or self.password is None:
            return self.further_credentials
        own = Credential(self.registry or default, self.username, self.password)
        return _over([own], self.further_credentials)

    def credentials(self, default: Registry) -> Credentials:
        """Return all logins, each bound to one host, as tools take them.

        Args:
            default: the host that `username` belongs to if `registry` is not given.
        """
        return self.scoped_credentials(default).for_hosts()

    def is_insecure(self, registry: Registry) -> bool:
        """Tell whether the user lets `registry` speak plain http."""
        return registry in self.insecure_registries

    def check_registry(self, registries: Iterable[Registry]) -> Iterator[Problem]:
        """Check that each login is one for the job: that an image is at its registry.

        Args:
            registries: where the job's images are; `username` is for the first, if `registry` is not given.
        """
        known = tuple(dict.fromkeys(registries))
        hosts = ", ".join(map(str, known))
        if self.username is not None and self.registry is not None and self.registry not in known:
            # The registry is not quoted: it may be a token in the wrong field.
            yield Problem("registry", "no image of the job is there", f"the images are at {hosts}")
        own = (self.registry or next(iter(known), None)) if self.username is not None else None
        for number, login in enumerate(self.logins, start=1):
            if login.registry == own:
                yield Problem("logins", f"item {number} is for the registry of `username` too", "keep one")
        yield from self.check_further(known)

    def check_further(self, registries: Sequence[Registry]) -> Iterator[Problem]:
        """As `check_registry`, of `logins` and `docker-config`.

        Args:
            registries: where the job's images are.
        """
        hosts = ", ".join(map(str, registries)) or "no registry"
        for number, login in enumerate(self.logins, start=1):
            if login.registry not in registries:
                what = f"no image of the job is at the host of item {number}"
                yield Problem("logins", what, f"the images are at {hosts}")
        yield from self._check_identities(registries, hosts)
        if self.docker_config is None:
            return
        given = Credentials.parse(self.docker_config)
        for login in given:
            if login.registry not in registries:
                what = f"no image of the job is at {quoted(login.registry)}"
                yield Problem("docker-config", what, f"the images are at {hosts}; remove the credentials")
        try:
            given.for_hosts()
        except ValueError as error:
            yield Problem.of("docker-config", error)

    def _check_identities(self, registries: Sequence[Registry], hosts: str) -> Iterator[Problem]:
        others = {each.registry for each in self.logins}
        if self.username is not None:
            others.update(filter(None, [self.registry or next(iter(registries), None)]))
        for number, each in enumerate(self.registry_identity, start=1):
            if each.registry not in registries:
                what = f"no image of the job is at the host of item {number}"
                yield Problem("registry-identity", what, f"the images are at {hosts}")
            if each.registry in others:
                what = f"item {number} is for a host that has a login with a password too"
                yield Problem("registry-identity", what, "keep one")

    def check_insecure_registries(self, registries: Iterable[Registry]) -> Iterator[Problem]:
        """Check that what may speak plain http is spoken to at all.

        Args:
            registries: where the job's images are.
        """
        known = dict.fromkeys(registries)
        for number, each in enumerate(self.insecure_registries, start=1):
            if each not in known:
                what = f"has no effect for item {number}: no image of the job is there"
                hosts = ", ".join(map(str, known)) or "no registry"
                yield Problem("insecure-registries", what, f"the images are at {hosts}")

    def check_whose(self, registries: Sequence[Registry]) -> Iterator[Problem]:
        """Check that it is clear which of several registries `username` is for.

        Args:
            registries: those that the images go to, each once.
        """
        if self.username is not None and self.registry is None and len(registries) > 1:
            yield Problem(
                "registry",
                f"is required, since the images go to {', '.join(map(str, registries))} and one password "
                "cannot be for all of them",
                "name the one that `username` is for, and give the others in `logins`",
            )
