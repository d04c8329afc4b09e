"""The jobs that a service may disturb, and what came of one."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from uuid import uuid4

from tests.identities import JOB
from tests.soak.invoke import Ended
from tests.soak.ledger import Verdict
from tests.soak.registry import Registry

from gocdnext_sdk.host.harness.local_sigstore import LocalSigstore
from gocdnext_sdk.tools.sigstore import signing_config

TAGS = ("1.0", "1", "latest")
SECRET = b"\nAWS_ACCESS_KEY_ID=AKIAQ3EGRIKQ5CXZQ7NL\n"
"""What Trivy finds, once in each platform's image."""
VULNERABLE = {"requirements.txt": b"flask==2.2.0\n"}
"""What Trivy finds one thing in, with the database of the tests."""
DATABASE = "trivy/db:2"
FILES = {"Dockerfile": b"FROM scratch\nCOPY hello /hello\n", "hello": b"hello\n"}
PREDICATE = {"predicate.json": b'{"made": "here"}'}


class Service(StrEnum):
    """What a job talks to."""

    REGISTRY = "registry"
    DISTRIBUTION = "distribution"
    DATABASE = "database"
    FULCIO = "fulcio"
    REKOR = "rekor"
    TSA = "tsa"


@dataclass(frozen=True)
class World:
    """The real services.

    Args:
        registry: olareg, with the vulnerability database in it.
        distribution: a registry whose answers the daemon's builder understands.
        key: a private key for cosign, and its public one.
        sigstore: starts a Sigstore whose name is `localhost`, and tells where its services are.
    """

    registry: Registry
    distribution: Callable[[], Registry] = field(repr=False)
    key: tuple[str, str] = field(repr=False)
    sigstore: Callable[[], tuple[LocalSigstore, Mapping[Service, str]]] = field(repr=False)

    def address(self, service: Service) -> str:
        """Return host and port of a service."""
        match service:
            case Service.REGISTRY | Service.DATABASE:
                return self.registry.address
            case Service.DISTRIBUTION:
                return self.distribution().address
            case _:
                return self.sigstore()[1][service]


@dataclass(frozen=True)
class Stage:
    """Where one case plays: a repository of its own, and one service that is reached through a proxy."""

    world: World
    service: Service
    proxied: str
    repository: str
    digest: str

    @classmethod
    def set_up(cls, world: World, service: Service, proxied: str) -> Stage:
        """Push an image of two platforms."""
        stage = cls(world, service, proxied, f"soak-{uuid4().hex[:10]}/app", "")
        return replace(stage, digest=stage.registry.push(stage.repository, SECRET))

    def address(self, service: Service) -> str:
        """Return where the job is told to find a service."""
        return self.proxied if service is self.service else self.world.address(service)

    @property
    def registry(self) -> Registry:
        """The registry with the image, past the proxy."""
        distribution = self.service is Service.DISTRIBUTION
        return self.world.distribution() if distribution else self.world.registry

    @property
    def image(self) -> str:
        return f"{self.address(Service.REGISTRY)}/{self.repository}@{self.digest}"

    @property
    def copy(self) -> str:
        return f"{self.repository}-copy"

    @property
    def keyless(self) -> dict[str, str]:
        """The inputs of a keyless signature."""
        sigstore, _ = self.world.sigstore()
        config = signing_config(
            fulcio=f"http://{self.address(Service.FULCIO)}",
            oidc=sigstore.issuer,
            rekor=f"http://{self.address(Service.REKOR)}",
            rekor_version=2,
            tsa=f"http://{self.address(Service.TSA)}/api/v1/timestamp",
        )
        return {
            "image": self.image,
            "identity-token": sigstore.token(JOB),
            "signing-config": json.dumps(config),
            "trusted-root": json.dumps(sigstore.trusted_root),
        }

    def has_statement(self) -> bool:
        """Return whether something refers to the image."""
        _, body = self.registry.ask("GET", f"/v2/{self.repository}/referrers/{self.digest}")
        return bool(json.loads(body)["manifests"])

    def has_older_signature(self) -> bool:
        """Return whether the image has a signature in the older form."""
        tag = f"{self.digest.replace(':', '-')}.sig"
        return self.registry.ask("GET", f"/v2/{self.repository}/manifests/{tag}")[0] == 200

    def is_tagged(self, repository: str) -> bool:
        """Return whether all tags are on the image."""
        tags = self.registry.tags(repository)
        return all(tags.get(tag) == self.digest for tag in TAGS)


PASSES = frozenset({"429", "502", "503", "reset before", "reset after"})
"""Faults that are over at the next try."""


def _nothing(stage: Stage) -> None:
    """Prepare nothing."""


@dataclass(frozen=True)
class Action:
    """A job that is tried.

    Args:
        plugin: its plugin.
        service: what misbehaves.
        inputs: makes the `with:` map.
        done: tells whether it did what it is for, once it ended with 0.
        touches: the repository whose tags must not lie.
        files: of the checkout.
        prepare: is done first, past the proxy.
        survives: faults after which it has to end well, since they pass.
    """

    plugin: str
    service: Service
    inputs: Callable[[Stage], Mapping[str, str]]
    done: Callable[[Stage, Ended], bool]
    touches: Callable[[Stage], str] = lambda stage: stage.repository
    files: Mapping[str, bytes] = field(default_factory=dict)
    prepare: Callable[[Stage], object] = _nothing
    survives: frozenset[str] = frozenset()

    def judge(self, stage: Stage, ended: Ended, fault: str | None) -> tuple[Verdict, str]:
        """Return what a case came to, and why."""
        repository = self.touches(stage)
        tags = stage.registry.tags(repository)
        broken = [tag for tag, digest in tags.items() if not stage.registry.is_complete(repository, digest)]
        if ended.exit_code is None:
            return Verdict.HANG, f"still there after {ended.seconds:.0f} s"
        if broken:
            return Verdict.HALF_DONE, f"tags on what is incomplete: {broken}"
        if ended.exit_code == 0:
            done = self.done(stage, ended)
            return (Verdict.FINE, "") if done else (Verdict.HALF_DONE, "exit 0, and the work is not done")
        if fault in self.survives:
            return Verdict.WRONG_EXIT, "what passes was not tried again"
        if ended.exit_code != 3:
            return Verdict.WRONG_EXIT, f"exit {ended.exit_code}"
        if not any(stage.proxied in line for line in ended.errors):
            return Verdict.WRONG_EXIT, "exit 3, and no error names the host"
        moved = [tag for tag in tags if tag in TAGS]
        if untold := [tag for tag in moved if not any(tag in line for line in ended.log.splitlines()[-10:])]:
            return Verdict.HALF_DONE, f"set and not reported: {untold}"
        return Verdict.FINE, ""


def _copy(stage: Stage, repository: str) -> dict[str, str]:
    target = f"{stage.address(Service.REGISTRY)}/{repository}"
    return {"source": stage.image, "target": target, "tags": "\n".join(TAGS)}


def _by_key(stage: Stage) -> dict[str, str]:
    return {"image": stage.image, "tlog": "false"}


def _publish(stage: Stage, *command: str) -> None:
    """Let cosign sign or attest past the proxy."""
    image = f"{stage.registry.address}/{stage.repository}@{stage.digest}"
    environ = {**os.environ, "COSIGN_PASSWORD": "", "KEY": stage.world.key[0]}
    subprocess.run(
        ["cosign", *command, "--signing-config", "/dev/stdin", "--key", "env://KEY", "--yes", image],
        env=environ,
        check=True,
        capture_output=True,
        input=json.dumps(signing_config()).encode(),
    )


def _attest(stage: Stage) -> None:
    # Any JSON is a predicate.
    predicate = Path(__file__).parents[2] / "plugins" / "cosign" / "schema.json"
    _publish(stage, "attest", "--type", "custom", "--predicate", str(predicate))


def _verify(stage: Stage, **more: str) -> dict[str, str]:
    return {**_by_key(stage), "action": "verify", "key-content": stage.world.key[1], **more}


def _keyless(service: Service, action: str, **more: str) -> Action:
    return Action(
        "cosign",
        service,
        lambda stage: {**stage.keyless, "action": action, **more},
        lambda stage, ended: stage.has_statement(),
        files=PREDICATE,
        survives=PASSES | {"500"},
    )


def _build(stage: Stage) -> dict[str, str]:
    username, password = stage.registry.login or ("", "")
    image = f"{stage.address(Service.DISTRIBUTION)}/{stage.copy}"
    return {"image": image, "tags": "\n".join(TAGS), "username": username, "password": password}


def _scan(stage: Stage) -> dict[str, str]:
    return {"scan-type": "image", "target": stage.image, "scanners": "secret", "exit-code": "0"}


def _lookup(stage: Stage) -> dict[str, str]:
    database = f"{stage.address(Service.DATABASE)}/{DATABASE}"
    return {"scanners": "vuln", "db-repository": database, "exit-code": "0"}


_SERVICES = (Service.FULCIO, Service.REKOR, Service.TSA)

ACTIONS: Mapping[str, Action] = {
    "promote": Action(
        "docker-push",
        Service.REGISTRY,
        lambda stage: _copy(stage, stage.copy),
        lambda stage, ended: stage.is_tagged(stage.copy),
        lambda stage: stage.copy,
    ),
    "tag": Action(
        "docker-push",
        Service.REGISTRY,
        lambda stage: _copy(stage, stage.repository),
        lambda stage, ended: stage.is_tagged(stage.repository),
    ),
    "sign": Action(
        "cosign",
        Service.REGISTRY,
        lambda stage: {**_by_key(stage), "key-content": stage.world.key[0]},
        lambda stage, ended: stage.has_statement(),
        survives=PASSES,
    ),
    "sign in both forms": Action(
        "cosign",
        Service.REGISTRY,
        lambda stage: {**_by_key(stage), "key-content": stage.world.key[0], "format": "both"},
        lambda stage, ended: stage.has_statement() and stage.has_older_signature(),
        survives=PASSES,
    ),
    "verify": Action(
        "cosign",
        Service.REGISTRY,
        _verify,
        lambda stage, ended: True,
        prepare=lambda stage: _publish(stage, "sign"),
        survives=PASSES,
    ),
    "verify-attestation": Action(
        "cosign",
        Service.REGISTRY,
        lambda stage: _verify(stage, action="verify-attestation", **{"predicate-type": "custom"}),
        lambda stage, ended: True,
        prepare=_attest,
        survives=PASSES,
    ),
    "build": Action(
        "buildx",
        Service.DISTRIBUTION,
        _build,
        lambda stage, ended: set(stage.registry.tags(stage.copy)) == set(TAGS),
        lambda stage: stage.copy,
        files=FILES,
    ),
    "scan": Action(
        "trivy",
        Service.REGISTRY,
        _scan,
        lambda stage, ended: ended.outputs.get("FINDINGS") == "2",
    ),
    "look up": Action(
        "trivy",
        Service.DATABASE,
        _lookup,
        lambda stage, ended: ended.outputs.get("FINDINGS") == "1",
        files=VULNERABLE,
    ),
    **{f"sign, {each}": _keyless(each, "sign") for each in _SERVICES},
    **{
        f"attest, {each}": _keyless(
            each, "attest", predicate="predicate.json", **{"predicate-type": "custom"}
        )
        for each in _SERVICES
    },
}
