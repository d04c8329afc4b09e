from __future__ import annotations

from dataclasses import replace

import pytest

from gocdnext_sdk.contract.refs import JobOutputs
from gocdnext_sdk.host.pipeline import (
    Graph,
    PipelineError,
    ResolvedJob,
    Revision,
    Run,
    Sources,
    parse_text,
    resolve,
)
from gocdnext_sdk.host.pipeline.model import Profile
from gocdnext_sdk.host.pipeline.modes import MODES, ModeName

RUN = Run(revision=Revision("0123456789abcdef", "main"), counter=7)


def resolved(
    body: str,
    sources: Sources | None = None,
    *,
    top: str = "",
    mode: ModeName = "docker",
    index: int = -1,
) -> ResolvedJob:
    pipeline = parse_text(f"stages: [s]\n{top}\njobs:\n  up: {{stage: s}}\n  j: {{stage: s, {body}}}\n")
    jobs = [job for job in Graph.of(pipeline).jobs if job.job.name == "j"]
    return resolve(pipeline, jobs[index], replace(sources or Sources(run=RUN), mode=MODES[mode]))


def error(body: str, sources: Sources | None = None, *, top: str = "") -> str:
    with pytest.raises(PipelineError) as caught:
        resolved(body, sources, top=top)
    (line,) = caught.value.lines()
    return line


def test_a_plugin_gets_its_inputs_as_variables() -> None:
    job = resolved("uses: a/b@v1, with: {build-args: x, push: yes, off: ~}")
    assert (job.name, job.stage, job.image, job.script) == ("j", "s", "a/b:v1", None)
    inputs = {k: v for k, v in job.env.items() if k.startswith("PLUGIN_")}
    assert inputs == {"PLUGIN_BUILD_ARGS": "x", "PLUGIN_PUSH": "yes", "PLUGIN_OFF": ""}


@pytest.mark.parametrize(
    ("mode", "variable"),
    [("docker", "TARGET_ENV"), ("k8s-shared", "TARGET_ENV"), ("k8s-isolated", "TARGETENV")],
)
def test_the_engine_decides_the_variables_name(mode: ModeName, variable: str) -> None:
    assert f"PLUGIN_{variable}" in resolved("uses: a/b, with: {targetEnv: x}", mode=mode).env


def test_a_script_gets_variables_and_built_ins_but_no_substitution_in_its_text() -> None:
    job = resolved('image: alpine, script: ["echo ${{ A }} $CI_BRANCH"], variables: {A: 1}')
    assert job.script == "set -e\necho ${{ A }} $CI_BRANCH"
    assert job.env["A"] == "1"
    assert job.env["CI_COMMIT_SHORT_SHA"] == "01234567"
    assert job.env["CI_RUN_COUNTER"] == "7"


def test_later_layers_win() -> None:
    top = "variables: {A: pipeline, B: pipeline, C: pipeline, CI_BRANCH: mine}"
    sources = Sources(
        run=RUN, secrets={"C": "secret", "D": "unseen"}, profiles={"": Profile("", {"A": "p", "P": "p"})}
    )
    env = resolved("image: x, script: [y], variables: {B: job, C: job}, secrets: [C]", sources, top=top).env
    assert {k: env.get(k) for k in ("P", "A", "B", "C", "D", "CI_BRANCH")} == {
        "P": "p",
        "A": "pipeline",
        "B": "job",
        "C": "secret",
        "D": None,
        "CI_BRANCH": "main",
    }


def test_variables_win_over_inputs() -> None:
    assert resolved("uses: a/b, with: {over: w}, variables: {PLUGIN_OVER: v}").env["PLUGIN_OVER"] == "v"


def test_the_soft_pass_works_in_inputs_only_and_on_what_the_strict_pass_gave() -> None:
    sources = Sources(run=RUN, secrets={"S": "x${CI_BRANCH}y"})
    job = resolved(
        "uses: a/b, secrets: [S], variables: {V: '${CI_BRANCH}'}, "
        "with: {a: '${{ S }}', b: '${{ V }}', c: '$${CI_BRANCH}', d: '${HOME}', e: '$(X)'}",
        sources,
    )
    assert job.env["V"] == "${CI_BRANCH}"
    assert {k: job.env[f"PLUGIN_{k}"] for k in "ABCDE"} == {
        "A": "xmainy",
        "B": "main",
        "C": "$main",
        "D": "${HOME}",
        "E": "$(X)",
    }


def test_variables_may_use_secrets_and_built_ins_but_not_each_other() -> None:
    sources = Sources(run=RUN, secrets={"S": "s3cret"})
    env = resolved("image: x, script: [y], secrets: [S], variables: {A: '${{ S }}-${{ CI }}'}", sources).env
    assert env["A"] == "s3cret-true"
    assert "unknown reference ${{ A }}" in error("image: x, script: [y], variables: {A: a, B: '${{ A }}'}")


def test_a_secret_that_is_not_listed_is_unknown() -> None:
    sources = Sources(run=RUN, secrets={"TOKEN": "hunter22"})
    line = error("uses: a/b, with: {password: '${{ TOKEN }}'}", sources)
    assert line == (
        "pipeline.yaml:5:45: job `j`, with.password: unknown reference ${{ TOKEN }}; "
        "list it in the job's secrets: or define it in variables:"
    )


def test_a_listed_secret_that_nobody_provides_is_named() -> None:
    assert "job `j` needs the secret TOKEN, which is not known" in error("uses: a/b, secrets: [TOKEN]")


def test_a_matrix_cell_knows_its_values() -> None:
    body = "image: x, script: [y], parallel: {matrix: [{OS: [a, b], GO: ['1']}]}"
    job = resolved(body)
    assert job.name == "j [GO=1 OS=b]"
    assert {k: job.env[k] for k in ("GOCDNEXT_MATRIX", "OS", "GO", "CI_JOB_NAME")} == {
        "GOCDNEXT_MATRIX": "GO=1,OS=b",
        "OS": "b",
        "GO": "1",
        "CI_JOB_NAME": "j",
    }


def test_outputs_of_needed_jobs_flow_in_and_only_of_those() -> None:
    sources = Sources(run=RUN, needs={"up": JobOutputs({"digest": "sha256:1"})})
    body = "uses: a/b, with: {image: 'app@${{ needs.up.outputs.digest }}'}"
    assert resolved(f"needs: [up], {body}", sources).env["PLUGIN_IMAGE"] == "app@sha256:1"
    assert "up is not in this job's needs:" in error(body, sources)


def test_masks_are_secrets_then_outputs_from_eight_bytes_then_those_marked() -> None:
    pipeline = parse_text(
        """
stages: [s]
jobs:
  up: {stage: s, image: x, script: [y], outputs: {short: A, long: B, hidden: {env: C, masked: true}}}
  j: {stage: s, image: x, script: [y], needs: [up], secrets: [S, EMPTY]}
"""
    )
    sources = Sources(
        secrets={"S": "s3cret", "EMPTY": ""},
        needs={"up": JobOutputs({"short": "v1.2", "long": "sha256:1", "hidden": "abcd"})},
    )
    assert resolve(pipeline, Graph.of(pipeline).jobs[1], sources).masks == ("s3cret", "sha256:1", "abcd")


def test_a_secret_does_not_show_in_what_is_printed_of_a_job() -> None:
    sources = Sources(run=RUN, secrets={"S": "hunter22"})
    job = resolved("uses: a/b, secrets: [S], with: {x: '${{ S }}'}", sources)
    assert "hunter22" not in repr(job) + repr(sources)


def test_services_go_along_untouched() -> None:
    job = resolved("uses: a/b", top="services: [{image: 'db:1', env: {P: '${{ X }}'}}]")
    assert [(s.name, dict(s.env)) for s in job.services] == [("db", {"P": "${{ X }}"})]


@pytest.mark.parametrize(
    ("name", "mode", "is_taken"),
    [
        ("My_DB", "docker", False),
        ("My_DB", "k8s-shared", False),
        ("a" * 33, "docker", True),
        ("a" * 33, "k8s-shared", False),
        ("db-", "docker", True),
        ("db-", "k8s-isolated", False),
    ],
)
def test_each_engine_is_strict_about_service_names(name: str, mode: ModeName, is_taken: bool) -> None:
    top = f"services: [{{image: db, name: {name}}}]"
    if is_taken:
        assert resolved("uses: a/b", top=top, mode=mode).services[0].name == name
        return
    with pytest.raises(PipelineError, match="refuses the service name"):
        resolved("uses: a/b", top=top, mode=mode)


def test_an_identity_token_is_a_variable_of_its_name_and_masked() -> None:
    sources = Sources(run=RUN, id_tokens={"T": "token"})
    job = resolved("uses: a/b, with: {token: '${{ T }}'}, id_tokens: {T: {aud: sigstore}}", sources)
    assert (job.env["T"], job.env["PLUGIN_TOKEN"]) == ("token", "token")
    assert job.masks == ("token",)
