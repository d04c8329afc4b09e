"""A throw-away registry in place of hosts that a pipeline names.

What the run itself publishes goes there, and is read from there: the references in the inputs of its
plugins, and their logins. Images that others published stay where they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial

from gocdnext_sdk.contract import keys
from gocdnext_sdk.host.harness.given import REGISTRY_SECRETS
from gocdnext_sdk.host.lint.view import Use
from gocdnext_sdk.host.pipeline.model import Job, Plugin
from gocdnext_sdk.host.pipeline.modes import Mode
from gocdnext_sdk.oci.reference import Reference, Registry

ALL = "all"
"""Stands for every host."""

_PASSWORD = REGISTRY_SECRETS[1]
_TOKEN = re.compile(r"(?<![\w./-])[A-Za-z0-9][\w.:/-]*")
_SECRET = re.compile(r"\$\{\{\s*(\w+)\s*\}\}")


@dataclass(frozen=True)
class StandIn:
    """The registry, and what it stands in for.

    Args:
        address: its host.
        username: of its account.
        password: of its account.
        repositories: those that it has in place of their own registries, as `Reference.name` gives them.
    """

    address: str
    username: str = field(repr=False)
    password: str = field(repr=False)
    repositories: frozenset[str] = frozenset()

    def applied(self, environ: Mapping[str, str], use: Use, mode: Mode) -> dict[str, str]:
        """Return a job's variables with the registry in place of what it stands in for.

        Args:
            environ: as they are resolved.
            use: how the job uses its plugin, with the same inputs.
            mode: names the variables of inputs.
        """
        variable = partial(keys.variable, transform=mode.transform)
        found = dict(environ)
        naming = [name for name in map(variable, _naming(use)) if name in found]
        for name in naming:
            found[name] = _TOKEN.sub(lambda match: self._replaced(match[0]), found[name])
        logins = found.get(variable("logins"))
        # An output of a needed job may be there already.
        if self.address in found.get(variable(_main(use)), ""):
            found |= {variable(key): text for key, text in self._login(use, logins)}
        elif use.spec("logins") and any(self.address in found[name] for name in naming):
            own = f"{self.address} {self.username} {_PASSWORD}"
            found |= {variable("logins"): "\n".join([*self._others(logins), own]), _PASSWORD: self.password}
        return found

    def _login(self, use: Use, logins: str | None) -> Iterator[tuple[str, str]]:
        """Yield the inputs that log a job in here, where it would have been at the replaced host."""
        own = {"registry": self.address, "username": self.username, "password": self.password}
        for key, text in own.items():
            if use.spec(key) and (key != "registry" or use.text(key)):
                yield key, text
        if logins is not None:
            yield "logins", "\n".join(self._others(logins))

    def _others(self, logins: str | None) -> list[str]:
        """Return the lines of `logins` that are for other hosts than the replaced ones."""
        hosts = {each.partition("/")[0] for each in self.repositories}
        return [line for line in (logins or "").splitlines() if line.split() and line.split()[0] not in hosts]

    def _replaced(self, text: str) -> str:
        scheme, separator, name = text.rpartition("://")
        try:
            image = Reference.parse(name)
        except ValueError:
            return text
        if image.name not in self.repositories:
            return text
        tag = f":{image.tag}" if image.tag else ""
        host = image.registry.host.replace(":", "-")
        return f"{scheme}{separator}{self.address}/{host}/{image.repository}{tag}"


def is_meant(host: str, hosts: Iterable[str]) -> bool:
    """Return whether `host` is one of `hosts`, of which one may be `ALL`."""
    wanted = {*hosts}
    return ALL in wanted or host in {str(Registry.parse(each)) for each in wanted}


def login_secrets(job: Job) -> Iterator[tuple[str, str]]:
    """Yield the secrets that are the `username` or the `password` of a job's plugin: name and input."""
    if isinstance(job.action, Plugin):
        for key in ("username", "password"):
            value = job.action.inputs.get(key)
            if value and (found := _SECRET.fullmatch(value.text.strip())) and found[1] in job.secrets:
                yield found[1], key


def _naming(use: Use) -> Iterator[str]:
    """Yield the inputs that name images."""
    facts = use.facts
    yield from dict.fromkeys(
        [
            *((facts.publishes.image,) if facts.publishes else ()),
            *(each.image for each in facts.reads),
            *(each.image for each in facts.writes),
            *facts.caches,
            *(each.name for each in use.manifest.inputs if (each.format or "").startswith("oci-")),
        ]
        if use.manifest
        else ()
    )


def _main(use: Use) -> str:
    """Return the input whose image a plugin's `username` is for."""
    publishes = use.publishes or use.facts.publishes
    read = (each.image for each in use.facts.reads if use.text(each.image))
    return publishes.image if publishes else next(read, "")
