"""Deploy markers. Source: upstream `server/pkg/parser/parse_job.go`."""

from __future__ import annotations

import re
from typing import Final

from gocdnext_sdk.contract import refs
from gocdnext_sdk.host.pipeline import syntax
from gocdnext_sdk.host.pipeline.decode import Decoder, Fields
from gocdnext_sdk.host.pipeline.model import Deploy, DeployTarget

_SYNC_MODES: Final = ("trigger", "observe")
# A version is shown to people, so no secret may get into it.
_PUBLIC = re.compile(r"needs\.[A-Za-z0-9_-]+\.outputs\.[a-z][a-zA-Z0-9_-]*|CI_[A-Z0-9_]+")


def read_deploy(decoder: Decoder, name: str, entry: Fields) -> Deploy:
    """Read the deploy marker of a job.

    Args:
        decoder: takes the problems.
        name: the job's name.
        entry: the decoded `deploy:` map.
    """
    environment = entry.text("environment").strip()
    if not syntax.ENVIRONMENT.fullmatch(environment):
        decoder.error(
            entry.at("environment"),
            f"job `{name}`: deploy.environment is missing or not an environment's name",
            "name one, like production",
        )
    for key in ("version", "revision"):
        for body in refs.references(entry.text(key)):
            if not _PUBLIC.fullmatch(body):
                decoder.error(
                    entry.at(key),
                    f"job `{name}`: deploy.{key} refers to `{body}`",
                    "only needs.JOB.outputs.ALIAS and CI_ names may stand there, it is shown",
                )
    target: Fields | None = entry.values.get("target")
    if target is None and "target" in entry.marks:
        target = Fields(entry.at("target"))
    return Deploy(
        environment,
        entry.text("version").strip(),
        entry.text("revision").strip(),
        _target(decoder, name, target) if target else None,
    )


def _target(decoder: Decoder, name: str, entry: Fields) -> DeployTarget:
    target = DeployTarget(
        cluster=entry.text("cluster").strip(),
        application=entry.text("application").strip(),
        sync_mode=entry.text("sync_mode").strip(),
        namespace=entry.text("namespace").strip(),
    )
    where = f"job `{name}`: deploy.target"
    if not syntax.CLUSTER.fullmatch(target.cluster):
        decoder.error(entry.at("cluster"), f"{where}.cluster is missing or not a cluster's name")
    if not target.application:
        decoder.error(entry.mark, f"{where}.application is missing", "name the Argo CD application")
    if target.sync_mode not in _SYNC_MODES:
        decoder.error(entry.at("sync_mode"), f"{where}.sync_mode must be trigger or observe")
    return target
