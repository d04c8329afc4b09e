"""Pipelines are planned whole: every published example, with no secret, no daemon and no network."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from gocdnext_sdk.host.manifest.find import find_plugin
from gocdnext_sdk.host.pipeline import Graph, PullRequest, Revision, Run, Sources, Tag, parse_text
from gocdnext_sdk.host.pipeline.model import Profile
from gocdnext_sdk.host.planning.plan_pipeline import JobPlan, Planner
from gocdnext_sdk.host.planning.text import lines
from gocdnext_sdk.tools.sigstore import signing_config

ROOT = Path(__file__).parents[4]
KEY = "-----BEGIN {0}-----\nMFkw\n-----END {0}-----\n"
FILES = {
    "Dockerfile": "FROM alpine:3\n",
    "services/api/Dockerfile": "FROM alpine:3\n",
    "cosign.pub": KEY.format("PUBLIC KEY"),
    "keys/cosign.pub": KEY.format("PUBLIC KEY"),
    "cosign.key": KEY.format("ENCRYPTED SIGSTORE PRIVATE KEY"),
    "sbom.cdx.json": "{}",
    "sbom.spdx.json": "{}",
    "sigstore/trusted-root.json": "{}",
    "sigstore/signing-config.json": json.dumps(
        signing_config(rekor="https://log.example", fulcio="https://ca.example")
    ),
    "dist/app.tar": "",
    "deploy/app.yaml": "",
    "policy/vuln.cue": "",
    ".trivyignore.yaml": "vulnerabilities: []\n",
}
RUN = Run(revision=Revision("0123456789abcdef0123456789abcdef01234567", "main"))
TAGGED = replace(RUN, cause="tag", tag=Tag("v1.2.3"))
PULL_REQUEST = replace(RUN, cause="pull_request", pull_request=PullRequest(7, branch="feature", base="main"))
VARIABLES = {
    "GOCDNEXT_LAYER_CACHE_BUCKET": "layers",
    "IMAGE_SHA": "a" * 64,
    "STAGING_DIGEST": "b" * 64,
    "RELEASE_TAG": "v1.2.3",
}
"""What the pipelines and runner profiles around the examples give."""
PROFILES = dict.fromkeys(("", "fast-builds"), Profile("", VARIABLES))

BUILD = {
    "stage": "build",
    "uses": "ghcr.io/klinux/gocdnext-plugin-buildx@v1",
    "docker": True,
    "with": {"image": "ghcr.io/org/app"},
    "outputs": {"reference": "REFERENCE", "digest": "DIGEST"},
}
"""The job that examples need."""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout that has the files examples speak of."""
    for name, content in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    saved = json.dumps([{"Config": "c.json", "RepoTags": None, "Layers": []}]).encode()
    with tarfile.open(tmp_path / "dist" / "app.tar", "w") as archive:
        entry = tarfile.TarInfo("manifest.json")
        entry.size = len(saved)
        archive.addfile(entry, io.BytesIO(saved))
    return tmp_path


def plan_text(
    text: str, workspace: Path, secrets: Mapping[str, str] | None = None, run: Run = RUN
) -> list[JobPlan]:
    sources = Sources(run=run, secrets=secrets or {}, profiles=PROFILES)
    planner = Planner(sources, workspace, find_plugin)
    return list(planner.plan(Graph.of(parse_text(text, file="test.yaml"))))


def jobs(**found: Mapping[str, Any]) -> str:
    """Return a pipeline of these jobs, one stage each."""
    described = {name: {**job, "stage": name} for name, job in found.items()}
    return json.dumps({"name": "test", "stages": list(described), "jobs": described})


def examples() -> Iterator[Any]:
    upstream = yaml.safe_load((ROOT / "tests/unit/host/lint/upstream_examples.yaml").read_text())
    for name, job in upstream.items():
        if name in ("cosign keyless", "cosign attests an SBOM"):
            # They are from before jobs got tokens; without one the plan says what is missing.
            job["id_tokens"] = {"SIGSTORE_ID_TOKEN": {"aud": "sigstore"}}
        yield pytest.param(job, id=f"upstream: {name}")
    for path in sorted(ROOT.glob("plugins/*/examples/*.yaml")):
        yield pytest.param(yaml.safe_load(path.read_text()), id=f"{path.parts[-3]}: {path.stem}")


@pytest.mark.parametrize("job", [*examples()])
def test_every_example_is_planned(job: dict[str, Any], checkout: Path) -> None:
    text = json.dumps(job)
    run = PULL_REQUEST if "CI_PULL_REQUEST" in text else TAGGED if "CI_TAG" in text else RUN
    needed = {
        name: BUILD | {"with": {"image": f"ghcr.io/org/app{number or ''}"}}
        for number, name in enumerate(job.get("needs", ()))
    }
    found = plan_text(jobs(**needed, job=job), checkout, run=run)[-1]
    assert found.problems == ()
    assert found.run is not None
    does = [step for step in found.run.steps if step.action in ("run", "tag", "request")]
    assert does or "depends on the tags of" in found.run.ends  # which tags there are, only a run knows
    assert "\n".join(lines(found))


@pytest.mark.parametrize("name", ["release", "kaniko"])
def test_the_published_recipe_is_planned(name: str, checkout: Path) -> None:
    text = (ROOT / "examples" / "recipe" / f"{name}.yaml").read_text()
    build, scan, sign = plan_text(text, checkout)
    assert [each.problems for each in (build, scan, sign)] == [(), (), ()]
    image = "ghcr.io/klinux/myapp:01234567"
    assert build.run is not None
    assert build.run.outputs["REFERENCE"].startswith("ghcr.io/klinux/myapp@<digest of ghcr.io/klinux/myapp")
    assert [each.host for each in build.run.logins] == ["ghcr.io"]
    assert scan.run is not None
    assert scan.run.steps[0].words == (image,)
    assert sign.run is not None
    last = sign.run.steps[-1].words
    assert last[:3] == ("cosign", "verify", "--output")
    assert last[-1] == f"ghcr.io/klinux/myapp@<digest of {image}>"


def test_an_output_is_followed_to_the_job_that_needs_it(checkout: Path) -> None:
    build = {
        "uses": "ghcr.io/klinux/gocdnext-plugin-buildx@v1",
        "docker": True,
        "with": {"image": "ghcr.io/org/app"},
        "outputs": {"reference": "REFERENCE"},
    }
    scan = {
        "uses": "ghcr.io/klinux/gocdnext-plugin-trivy@v1",
        "needs": ["build"],
        "with": {"scan-type": "image", "target": "${{ needs.build.outputs.reference }}"},
    }
    found = plan_text(jobs(build=build, scan=scan), checkout)[1].run
    assert found is not None
    assert found.outputs["REFERENCE"] == "ghcr.io/org/app@<digest of ghcr.io/org/app>"


def test_what_only_a_script_knows_is_named(checkout: Path) -> None:
    version = {"image": "alpine", "script": ["true"], "outputs": {"digest": "DIGEST"}}
    sign = {
        "uses": "ghcr.io/klinux/gocdnext-plugin-cosign@v1",
        "needs": ["version"],
        "secrets": ["COSIGN_KEY"],
        "with": {
            "image": "ghcr.io/org/app@${{ needs.version.outputs.digest }}",
            "key-content": "${{ COSIGN_KEY }}",
        },
    }
    found = plan_text(jobs(version=version, sign=sign), checkout)[1].run
    assert found is not None
    assert found.inputs == {
        "image": "ghcr.io/org/app@<digest of version's digest>",
        "key-content": "<secret COSIGN_KEY>",
    }


SETTINGS = {
    "image": "alpine",
    "script": ["true"],
    "outputs": {name: name.upper() for name in ("flag", "number", "word", "file")},
}
"""A job whose outputs only a run knows."""


@pytest.mark.parametrize(
    ("key", "output"),
    [
        ("ignore-unfixed", "flag"),  # a boolean
        ("exit-code", "number"),  # an integer
        ("format", "word"),  # one of a few words
        ("scanners", "word"),  # some of a few words
        ("ignorefile", "file"),  # a file that has to be there
    ],
)
def test_a_value_that_only_a_run_knows_is_no_mistake(key: str, output: str, checkout: Path) -> None:
    scan: dict[str, Any] = {
        "uses": "ghcr.io/klinux/gocdnext-plugin-trivy@v1",
        "needs": ["settings"],
        "with": {"scan-type": "fs", key: f"${{{{ needs.settings.outputs.{output} }}}}", "severity": "HIGH"},
        "outputs": {"critical": "CRITICAL"},
    }
    again = {**scan, "needs": ["scan"], "with": {key: "${{ needs.scan.outputs.critical }}"}}
    found, later = plan_text(jobs(settings=SETTINGS, scan=scan, again=again), checkout)[1:]
    assert found.problems == later.problems == ()
    assert found.run is not None
    assert found.run.ends == f"what follows depends on with.{key}, which only a run knows"
    assert found.run.inputs == {"scan-type": "fs", key: f"<{output} of settings>", "severity": "HIGH"}
    assert "CRITICAL" in found.run.unknown
    assert not found.run.steps

    scan["with"] |= {"severity": "HIHG", "skip-db-update": "maybe"}
    found = plan_text(jobs(settings=SETTINGS, scan=scan), checkout)[1]
    assert [re.sub(r".*: with\.(.*?): .*", r"\1", each) for each in found.problems] == [
        "severity",
        "skip-db-update",
    ]


def test_rules_between_inputs_hold_for_a_value_that_only_a_run_knows(checkout: Path) -> None:
    scan = {
        "uses": "ghcr.io/klinux/gocdnext-plugin-trivy@v1",
        "needs": ["settings"],
        "with": {"ignore-unfixed": "${{ needs.settings.outputs.flag }}", "username": "bot"},
    }
    found = plan_text(jobs(settings=SETTINGS, scan=scan), checkout)[1]
    (problem,) = found.problems
    assert "with.password: is required" in problem


def test_a_secret_that_is_given_shows_nowhere(checkout: Path) -> None:
    text = (ROOT / "examples" / "recipe" / "release.yaml").read_text()
    secrets = {
        "GHCR_USERNAME": "robot-Ab3",
        "GHCR_TOKEN": "canary-9dK2",
        "COSIGN_PRIVATE_KEY": KEY.format("ENCRYPTED SIGSTORE PRIVATE KEY"),
        "COSIGN_PASSWORD": "canary-Xw71",
    }
    found = plan_text(text, checkout, secrets)
    printed = json.dumps([each.as_dict() for each in found]) + "\n".join(
        line for each in found for line in lines(each)
    )
    assert "canary" not in printed
    assert "MFkw" not in printed
    assert "<secret GHCR_TOKEN>" in printed


def test_keyless_signing_is_planned_with_the_tokens_that_are_declared(checkout: Path) -> None:
    sign = {
        "uses": "ghcr.io/klinux/gocdnext-plugin-cosign@v1",
        "id_tokens": {"SIGSTORE_ID_TOKEN": {"aud": "sigstore"}},
        "with": {"image": "ghcr.io/org/app:v1", "cert-oidc-issuer": "https://ci.example.com"},
    }
    (found,) = plan_text(jobs(sign=sign), checkout)
    assert found.problems == ()
    sign["id_tokens"] = {"SIGSTORE_ID_TOKEN": {"aud": "another"}}
    (found,) = plan_text(jobs(sign=sign), checkout)
    assert any("aud: the token is for" in problem for problem in found.problems)


@pytest.mark.parametrize(
    ("variables", "stated"),
    [
        ({"ISSUER": "https://ci.example.com"}, "${ISSUER}"),
        ({"HOST": "ci.example.com"}, "https://${HOST}"),
        ({}, "${{ CI_ISSUER }}"),
        ({"PLUGIN_CERT_OIDC_ISSUER": "https://ci.example.com"}, "https://other.example.com"),
        ({"PLUGIN_OIDC_ISSUER": "https://ci.example.com"}, "https://ci.example.com"),
    ],
)
def test_the_token_comes_from_the_issuer_that_the_pipeline_states_in_whatever_way(
    checkout: Path, variables: dict[str, str], stated: str
) -> None:
    sign = {
        "uses": "ghcr.io/klinux/gocdnext-plugin-cosign@v1",
        "id_tokens": {"SIGSTORE_ID_TOKEN": {"aud": "sigstore"}},
        "secrets": ["CI_ISSUER"],
        "variables": variables,
        "with": {"image": "ghcr.io/org/app:v1", "cert-oidc-issuer": stated},
    }
    (found,) = plan_text(jobs(sign=sign), checkout)
    assert found.problems == ()


@pytest.mark.parametrize("file", ["keyless/release", "proof/release", "keyless/promote"])
def test_an_example_is_planned_with_the_sigstore_that_it_names(file: str, tmp_path: Path) -> None:
    folder, _, name = file.partition("/")
    workspace = tmp_path / folder
    shutil.copytree(ROOT / "examples" / folder, workspace)
    (workspace / ".sigstore").mkdir()
    for kind in ("trusted-root", "signing-config"):
        (workspace / f".sigstore/{kind}.json").write_text(FILES[f"sigstore/{kind}.json"])
    text = (workspace / f".gocdnext/{name}.yaml").read_text()
    found = plan_text(text, workspace, run=TAGGED if "[tag]" in text else RUN)
    assert [problem for each in found for problem in each.problems] == []
    assert all(each.run for each in found)


def test_keyless_signing_without_a_token_is_told_what_to_add(checkout: Path) -> None:
    text = (ROOT / "examples" / "recipe" / "keyless.yaml").read_text()
    sign = plan_text(text, checkout)[-1]
    assert len(sign.problems) == 1
    assert "add `id_tokens: {SIGSTORE_ID_TOKEN: {aud: sigstore}}` to the job" in sign.problems[0]


def test_a_mistake_in_one_job_leaves_the_others(checkout: Path) -> None:
    scan = {"uses": "ghcr.io/klinux/gocdnext-plugin-trivy@v1", "with": {"scan-typ": "fs"}}
    good = {"uses": "ghcr.io/klinux/gocdnext-plugin-trivy@v1", "with": {"scan-type": "fs"}}
    first, second = plan_text(jobs(scan=scan, good=good), checkout)
    (problem,) = first.problems
    assert re.fullmatch(
        r".+\.yaml:\d+:\d+: with\.scan-typ: unknown input; did you mean `scan-type`\?", problem
    )
    assert second.run is not None


def test_a_plugin_without_code_here_is_said_so(checkout: Path) -> None:
    (found,) = plan_text(jobs(other={"uses": "docker.io/org/other@v1"}), checkout)
    assert "--plugins" in found.note
    assert "CI_COMMIT_SHA" in found.environ


def test_a_plan_writes_nothing(checkout: Path) -> None:
    before = sorted(os.walk(checkout))
    plan_text((ROOT / "examples" / "recipe" / "release.yaml").read_text(), checkout)
    assert sorted(os.walk(checkout)) == before


def test_files_of_another_job_are_waited_for_and_all_else_is_checked(checkout: Path) -> None:
    build = BUILD | {"artifacts": {"paths": ["out/"]}}
    handed = {"needs": ["build"], "needs_artifacts": [{"from_job": "build"}]}
    scan = {
        "uses": "ghcr.io/klinux/gocdnext-plugin-trivy@v1",
        "with": {"scan-type": "image", "archive": "out/app"},
    }
    publish = {
        "uses": "ghcr.io/klinux/gocdnext-plugin-docker-push@v1",
        "with": {"source": "oci:out/app", "target": "ghcr.io/org/app"},
    }
    for job in (scan, publish):
        found = plan_text(jobs(build=build, job=job | handed), checkout)[1]
        assert found.problems == ()
        assert found.run is not None
        assert found.run.ends == "what follows depends on /workspace/out, which only a run writes"
        alone = plan_text(jobs(build=build, job=job | {"needs": ["build"]}), checkout)[1]
        assert 'there is no "out/app" in the workspace' in alone.problems[0]
    wrong = scan | handed | {"with": scan["with"] | {"severity": "HIHG"}}  # type: ignore[operator]
    assert "HIHG" in plan_text(jobs(build=build, job=wrong), checkout)[1].problems[0]


@pytest.mark.parametrize("pattern", ["out/*.whl", "out/app.whl"])
def test_files_to_sign_that_another_job_makes_are_waited_for(checkout: Path, pattern: str) -> None:
    build = BUILD | {"artifacts": {"paths": ["out/"]}}
    sign: dict[str, Any] = {
        "uses": "ghcr.io/klinux/gocdnext-plugin-cosign@v1",
        "needs": ["build"],
        "id_tokens": {"SIGSTORE_ID_TOKEN": {"aud": "sigstore"}},
        "with": {"action": "sign-blob", "files": pattern},
    }
    handed = sign | {"needs_artifacts": [{"from_job": "build"}]}
    found = plan_text(jobs(build=build, sign=handed), checkout)[1]
    assert found.problems == ()
    assert found.run is not None
    assert any(pattern in step.words for step in found.run.steps)
    (problem,) = plan_text(jobs(build=build, sign=sign), checkout)[1].problems
    assert "with.files: item 1 matches no file" in problem
