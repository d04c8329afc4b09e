"""How the job gets at both ends, each with its own login."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Self

from gocdnext_sdk import Job, Reference, Registry, RegistryClient
from gocdnext_sdk.tools.regctl import CONFIG_VARIABLE, Host, Regctl, configuration

from .inputs import DockerPushInputs, Logins

SOURCE_HOST = Registry("source.invalid")
"""Regctl's second name for a target's registry, where the source is read there with a login of its own."""


@dataclass(frozen=True)
class Registries:
    """How the job gets at both ends.

    Args:
        logins: the credentials used there.
        source: reads the source's registry.
        targets: reads those of the targets, and sets tags.
        regctl: knows all of them.
    """

    logins: Logins
    source: RegistryClient
    targets: RegistryClient
    regctl: Regctl

    def missing(self, target: Reference, belonging: frozenset[str]) -> frozenset[str]:
        """Return what a target lacks although the image itself is there.

        Args:
            target: the image there.
            belonging: what belongs to it beside its own children, as regctl names it.
        """
        attached = belonging and belonging - self.regctl.attached(str(target))
        return attached.union(self.targets.absent(target))

    @classmethod
    def of(cls, inputs: DockerPushInputs, job: Job) -> Self:
        """Return those of a job, its logins masked."""
        logins = inputs.both_logins(job.environ)
        source = targets = job.registry(logins.source, inputs.insecure_registries)
        # One client does for both ends, and asks each registry once, unless a target has a login of its own.
        if any(logins.source.get(each) != logins.targets.get(each) for each in inputs.registries):
            targets = job.registry(logins.targets, inputs.insecure_registries)
        hosts = regctl_hosts(inputs, logins, targets.speaks_tls)
        config = job.secret_file(configuration(hosts), "regctl.json")
        return cls(logins, source, targets, Regctl(job.tool("regctl", env={CONFIG_VARIABLE: config})))


def regctl_hosts(
    inputs: DockerPushInputs, logins: Logins, speaks_tls: Callable[[Registry], bool]
) -> dict[str, Host]:
    """Return the registries of the job, by the names that regctl knows them by."""
    hosts = {each.host: Host(each, logins.targets.get(each), speaks_tls(each)) for each in inputs.registries}
    for reference in inputs.read_from:
        name = regctl_name(reference, inputs, logins).registry.host
        login = logins.source.get(reference.registry)
        hosts[name] = Host(reference.registry, login, speaks_tls(reference.registry))
    return hosts


def regctl_name(source: Reference, inputs: DockerPushInputs, logins: Logins) -> Reference:
    """Return the source as regctl knows it: one registry with two logins has two names."""
    registry = source.registry
    if registry in inputs.registries and logins.source.get(registry) != logins.targets.get(registry):
        return replace(source, registry=SOURCE_HOST)
    return source
