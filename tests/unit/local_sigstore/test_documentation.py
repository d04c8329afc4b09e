"""The mapping that the documentation gives for a real Fulcio is the one the local authority uses."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from gocdnext_sdk.contract.id_tokens import Identity, claims
from local_sigstore.authority import EXTENSIONS, identity

TEXT = (Path(__file__).parents[3] / "docs" / "keyless.md").read_text()
CONFIG = next(
    document
    for block in re.findall(r"```yaml\n(.+?)```", TEXT, re.DOTALL)
    if "ci-issuer-metadata" in (document := yaml.safe_load(block))
)
METADATA = CONFIG["ci-issuer-metadata"]["gocdnext"]
# Source: sigstore/fulcio docs/oid-info.md.
NUMBERS = {
    "source-repository-digest": 13,
    "source-repository-ref": 14,
    "build-trigger": 20,
    "run-invocation-uri": 21,
}
JOB = Identity(
    project_slug="shop",
    project_id="1",
    pipeline="release",
    pipeline_id="2",
    job="sign",
    run_id="3",
    run_counter="4",
    cause="webhook",
    ref_type="branch",
    ref="main",
    sha="a" * 40,
)


def rendered(template: str, values: dict[str, Any]) -> str:
    """Render what the template uses of Go's language: fields, and one choice by the cause."""
    choice = re.compile(r'\{\{ if eq \.cause "(\w+)" \}\}(.*?)\{\{ else \}\}(.*?)\{\{ end \}\}')
    chosen = choice.sub(lambda found: found[2] if values["cause"] == found[1] else found[3], template)
    return re.sub(r"\{\{ \.(\w+) \}\}", lambda found: values[found[1]], chosen)


@pytest.mark.parametrize(
    "job",
    [
        JOB,
        replace(JOB, cause="tag", ref_type="tag", ref="v1.2.3"),
        replace(JOB, cause="pull_request", pr_number="7"),
        replace(JOB, ref_type="", ref="", sha=""),
    ],
    ids=lambda job: job.cause if job.ref else "none",
)
def test_the_documented_identity_is_the_local_one(job: Identity) -> None:
    stated = claims(job, issuer="https://ci.example.com", audiences=["sigstore"], now=0, token_id="5")
    values = METADATA["default-template-values"] | stated
    named = rendered(METADATA["subject-alternative-name-template"], values)
    assert named == identity(stated)
    assert f"`{named}`" in TEXT


def test_the_documented_extensions_are_the_local_ones() -> None:
    documented = {NUMBERS[name]: claim for name, claim in METADATA["extension-templates"].items()}
    assert documented | {8: "iss"} == EXTENSIONS


def test_the_audience_is_the_one_that_jobs_declare() -> None:
    assert [each["client-id"] for each in CONFIG["oidc-issuers"].values()] == ["sigstore"]
    assert "aud: sigstore" in TEXT
