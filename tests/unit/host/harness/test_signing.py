"""By which Sigstore the jobs of a run sign: the run's own takes the place of the public one."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.host.harness.plugin_pipelines import prepared, uses

from gocdnext_sdk.host.harness import signing
from gocdnext_sdk.host.harness.options import NewSigstore
from gocdnext_sdk.host.harness.publishing import use_of
from gocdnext_sdk.host.pipeline import resolve
from gocdnext_sdk.host.pipeline.modes import DOCKER

OWN = {"SIGSTORE_ISSUER": "http://own", "SIGSTORE_SIGNING_CONFIG": "config", "SIGSTORE_TRUSTED_ROOT": "root"}
SIGN = {"action": "sign", "image": "localhost:1/a:1", "key": "a.key"}
PROMOTE = {"source": "localhost:1/a:1", "target": "localhost:1/b", "verify_key": "a.pub"}


def given(project: Path, plugin: str, **inputs: str) -> dict[str, str]:
    """What the container of a job gets of a run's own Sigstore, by the names of variables."""
    found = prepared(project, uses(plugin, **inputs), sigstore=NewSigstore())
    assert not found.publications
    (instance,) = found.graph.jobs
    environ = resolve(found.graph.pipeline, instance, found.sources).env
    use = use_of(instance, environ, found.catalog, DOCKER)
    assert use is not None
    named = signing.with_own(environ, use, OWN, DOCKER).items() - environ.items()
    return dict(named)


CONFIG, ROOT = {"PLUGIN_SIGNING_CONFIG": "config"}, {"PLUGIN_TRUSTED_ROOT": "root"}


@pytest.mark.parametrize(
    ("plugin", "inputs", "expected"),
    [
        ("cosign", SIGN, CONFIG | ROOT),
        ("cosign", {**SIGN, "trusted_root": "mine.json"}, CONFIG),
        ("cosign", {**SIGN, "tlog": "false"}, {}),
        ("cosign", {**SIGN, "action": "verify"}, {}),
        ("docker-push", {**PROMOTE, "mark": "attestation", "key": "a.key"}, CONFIG | ROOT),
        ("docker-push", {**PROMOTE, "receipt": "true", "key": "a.key"}, CONFIG | ROOT),
        ("docker-push", {**PROMOTE, "receipt": "true"}, {}),
        ("docker-push", PROMOTE, {}),
    ],
)
def test_a_job_that_would_sign_by_the_public_one_gets_the_runs_own(
    project: Path, plugin: str, inputs: dict[str, str], expected: dict[str, str]
) -> None:
    assert given(project, plugin, **inputs) == expected
