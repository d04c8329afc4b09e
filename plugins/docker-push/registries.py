"""How the job gets at both ends, each with its own login."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Self

from gocdnext_sdk import Job, Reference, Registry, RegistryClient
from gocdnext_sdk.oci.attached import attached
from gocdnext_sdk.tools.regctl import CONFIG_VARIABLE, Host, Regctl, configuration

from .inputs import BothCredentials, DockerPushInputs

SOURCE_HOST = Registry("source.invalid")
"""Regctl's second name for a target's registry, where the source is read there with a login of its own."""


@dataclass(frozen=True)
class Registries:
    """How the job gets at both ends.

    Args:
        credentials: those used there.
        source: reads the source's registry.
        targets: reads those of the targets, and sets tags.
        regctl: knows all of them.
    """

    credentials: BothCredentials
    source: RegistryClient
    targets: RegistryClient
    regctl: Regctl

    def missing(self, target: Reference, belonging: frozenset[str]) -> frozenset[str]:
        """Return what a target lacks although the image itself is there.

        Args:
            target: the image there.
            belonging: what belongs to it beside its own children, as `attached` names it.
        """
        unattached = belonging and belonging - attached(self.targets, target)
        return unattached.union(self.targets.absent(target))

    @classmethod
    def of(cls, inputs: DockerPushInputs, job: Job) -> Self:
        """Return those of a job, its logins masked."""
        credentials = inputs.both_credentials(job.environ)
        source = targets = job.registry(credentials.source, inputs.insecure_registries)
        # One client does for both ends, and asks each registry once, unless a target has a login of its own.
        if any(credentials.source.get(each) != credentials.targets.get(each) for each in inputs.registries):
            targets = job.registry(credentials.targets, inputs.insecure_registries)
        hosts = regctl_hosts(inputs, credentials, targets.speaks_tls)
        # Not masked as a whole, since its hosts are no secrets and stand in messages: its logins are.
        config = job.secret_file(configuration(hosts).reveal(), "regctl.json")
        return cls(credentials, source, targets, Regctl(job.tool("regctl", env={CONFIG_VARIABLE: config})))


def regctl_hosts(
    inputs: DockerPushInputs, credentials: BothCredentials, speaks_tls: Callable[[Registry], bool]
) -> dict[str, Host]:
    """Return the registries of the job, by the names that regctl knows them by."""
    targets = credentials.targets
    hosts = {each.host: Host(each, targets.get(each), speaks_tls(each)) for each in inputs.registries}
    for reference in inputs.read_from:
        name = regctl_name(reference, inputs, credentials).registry.host
        login = credentials.source.get(reference.registry)
        hosts[name] = Host(reference.registry, login, speaks_tls(reference.registry))
    return hosts


def regctl_name(source: Reference, inputs: DockerPushInputs, credentials: BothCredentials) -> Reference:
    """Return the source as regctl knows it: one registry with two logins has two names."""
    registry = source.registry
    two = credentials.source.get(registry) != credentials.targets.get(registry)
    if two and registry in inputs.registries:
        return replace(source, registry=SOURCE_HOST)
    return source
