from __future__ import annotations

from textwrap import dedent

import pytest

from gocdnext_sdk.host.pipeline import PipelineError, Plugin, parse_text


def test_a_chain_merges_maps_and_replaces_lists() -> None:
    pipeline = parse_text(
        dedent("""\
        stages: [s]
        jobs:
          .a: {stage: s, uses: x/a@v1, with: {k: a, only-a: 1}, secrets: [A], docker: true}
          .b: {extends: .a, with: {k: b}, secrets: [B]}
          c: {extends: .b, uses: x/c@v1, with: {k: ~}}
        """)
    )
    (job,) = pipeline.jobs
    assert isinstance(job.action, Plugin)
    assert job.action.image == "x/c:v1"
    assert {k: v.text for k, v in job.action.inputs.items()} == {"k": "", "only-a": "1"}
    assert job.secrets == ("B",)
    assert job.docker is True


def test_what_the_platform_loses_is_lost_here_too_and_noticed() -> None:
    pipeline = parse_text(
        dedent("""\
        stages: [s]
        jobs:
          .base: {stage: s, uses: x/a@v1, docker: true, environment: prod}
          job: {extends: .base, outputs: {a: A}, docker: false}
        """)
    )
    (job,) = pipeline.jobs
    assert job.outputs == {}
    assert job.docker is True
    assert job.environment == ""
    assert [str(n).split(": ", 1)[1] for n in pipeline.notices] == [
        "job `job`: the platform ignores `outputs` in a job that extends another; move it to `.base`",
        "job `job`: `docker: false` cannot switch off what it extends; remove `docker: true` from `.base`",
    ]


def test_a_cycle_is_one_mistake() -> None:
    with pytest.raises(PipelineError) as caught:
        parse_text("stages: [s]\njobs:\n  a: {extends: b}\n  b: {extends: a}\n  c: {stage: s, needs: [a]}\n")
    assert caught.value.lines() == ["pipeline.yaml:4:7: job `b` extends itself: a -> b -> a; break the cycle"]


def test_mistakes_in_a_template_are_told_though_it_never_runs() -> None:
    with pytest.raises(PipelineError, match=r"3:7: job `\.t` has no key `scripts`"):
        parse_text("stages: [s]\njobs:\n .t: {scripts: [x]}\n")
