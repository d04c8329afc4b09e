from __future__ import annotations

from pathlib import Path
from textwrap import dedent, indent

import pytest

from gocdnext_sdk.host.pipeline import Approval, PipelineError, Plugin, Script, parse_file, parse_text
from gocdnext_sdk.host.pipeline.model import (
    Artifacts,
    Cache,
    CoverageReport,
    Deploy,
    DeployTarget,
    Job,
    Mark,
    NeededArtifacts,
    Output,
    Quantities,
    Toleration,
)

EVERYTHING = """
version: "1"
name: all
when: {event: [push, tag], branch: [main], paths: ["src/**", "*.{py,pyi}"]}
stages: [build, test, deploy]
variables: {A: 1.10, EMPTY: ~}
concurrency: Serial
supersede: branch
materials:
  - git: {url: "https://x/y", branch: main, on: [push], poll_interval: 1h30m, secret_ref: s}
  - upstream: {pipeline: p, stage: s}
  - cron: {expression: "0 0 * * *"}
  - manual: true
services:
  - image: registry.local:5000/db/postgres:16
    env: {POSTGRES_PASSWORD: "${A}"}
    command: [postgres, -c, fsync=off]
    node_selector: {example.com/pool: db}
    tolerations: [{key: db, operator: Exists, effect: NoExecute, toleration_seconds: 30}]
notifications:
  - {on: Failure, uses: a/notify@v1, with: {channel: ops}, secrets: [HOOK]}
jobs:
  .base: {stage: build, image: alpine, variables: {B: base, C: base}}
  build:
    extends: .base
    script: ["echo 1", "echo 2"]
    variables: {C: own}
    cache: [{key: 'deps-{{ hash "**/*.lock" }}', paths: [.cache]}]
    artifacts: {paths: [dist, dist/], optional: [dist/, log], when: always}
    test_reports: ["**/junit.xml"]
  image:
    stage: build
    uses: ghcr.io/a/buildx@v1
    with: {push: yes, tags: "a\\n"}
    needs: [build]
    secrets: [TOKEN]
    docker: yes
    outputs: {digest: DIGEST, token: {env: TOKEN_OUT, masked: true}}
    needs_artifacts: [{from_job: build, paths: [dist], dest: in}]
    coverage_report: {path: c.out, format: go-cover, fail_under: 80}
    tags: [linux]
    agent: {profile: big, tags: [fast]}
    resources: {requests: {cpu: 500m}, limits: {memory: 1Gi}}
    id_tokens: {SIGSTORE: {aud: sigstore}, VAULT: {aud: [a, b]}}
  test:
    stage: test
    image: python
    script: [pytest]
    parallel: {matrix: [{PY: ["3.11", "3.12"]}, {OS: [a]}]}
  gate:
    stage: deploy
    timeout: 24h
    approval: {approvers: [ann, bob], required: 2, quorum_by_label: {HotFix: 1}, description: "ok?"}
  ship:
    stage: deploy
    image: old/plugin:v1
    settings: {a: b}
    cluster: prod
    environment: production
    deploy:
      environment: production
      version: ${{ needs.image.outputs.digest }}
      target: {cluster: hub, application: shop, sync_mode: observe}
    needs: [gate]
"""


def errors(document: str) -> list[str]:
    with pytest.raises(PipelineError) as caught:
        parse_text(dedent(document), "p.yaml")
    return caught.value.lines()


def job_errors(body: str) -> list[str]:
    """What is wrong with one job, without file, line and column."""
    document = f"stages: [s]\njobs:\n  j:\n    stage: s\n{indent(dedent(body), '    ')}\n"
    return [line.split(": ", 1)[1] for line in errors(document)]


def job(body: str) -> Job:
    return parse_text(f"stages: [s]\njobs:\n  j:\n    stage: s\n{indent(dedent(body), '    ')}\n").jobs[0]


def test_everything_the_server_accepts_is_in_the_model() -> None:
    pipeline = parse_text(EVERYTHING)
    assert (pipeline.name, pipeline.concurrency, pipeline.supersede) == ("all", "serial", "branch")
    assert pipeline.trigger.paths == ("src/**", "*.{py,pyi}")
    assert {k: v.text for k, v in pipeline.variables.items()} == {"A": "1.10", "EMPTY": ""}
    assert [m.kind for m in pipeline.materials] == ["git", "upstream", "cron", "manual"]
    (service,) = pipeline.services
    assert service.name == "postgres"
    assert service.env == {"POSTGRES_PASSWORD": "${A}"}
    assert service.tolerations == (Toleration("db", "Exists", "", "NoExecute", 30),)
    assert pipeline.notifications is not None
    assert pipeline.notifications[0].plugin.image == "a/notify:v1"

    assert [j.name for j in pipeline.jobs] == ["build", "image", "test", "gate", "ship"]
    build, image, test, gate, ship = pipeline.jobs
    assert build.action == Script("alpine", ("echo 1", "echo 2"))
    assert build.action.text == "set -e\necho 1\necho 2"
    assert {k: v.text for k, v in build.variables.items()} == {"B": "base", "C": "own"}
    assert build.artifacts == Artifacts(("dist",), ("log",), "always")
    assert build.cache == (Cache('deps-{{ hash "**/*.lock" }}', (".cache",)),)

    assert isinstance(image.action, Plugin)
    assert image.action.image == "ghcr.io/a/buildx:v1"
    assert {k: v.text for k, v in image.action.inputs.items()} == {"push": "yes", "tags": "a\n"}
    assert image.docker is True
    assert image.outputs == {"digest": Output("DIGEST"), "token": Output("TOKEN_OUT", masked=True)}
    assert image.needs_artifacts == (NeededArtifacts("build", "", ("dist",), "in"),)
    assert image.coverage_report == CoverageReport("c.out", "go-cover", 80)
    assert (image.tags, image.profile) == (("linux", "fast"), "big")
    assert (image.requests, image.limits) == (Quantities(cpu="500m"), Quantities(memory="1Gi"))
    assert image.id_tokens == {"SIGSTORE": ("sigstore",), "VAULT": ("a", "b")}

    assert test.matrix == {"PY": ("3.11", "3.12"), "OS": ("a",)}
    assert gate.action == Approval(("ann", "bob"), (), 2, {"hotfix": 1}, "ok?", "24h")
    assert isinstance(ship.action, Plugin)
    assert ship.action.image == "old/plugin:v1"
    assert ship.deploy == Deploy(
        "production",
        "${{ needs.image.outputs.digest }}",
        target=DeployTarget("hub", "shop", "observe"),
    )


def test_values_know_their_place() -> None:
    pipeline = parse_text("stages: [s]\njobs:\n  j:\n    stage: s\n    uses: a/b\n    with:\n      x: y\n")
    (found,) = pipeline.jobs
    assert found.mark == Mark("pipeline.yaml", 3, 3)
    assert found.at("with") == Mark("pipeline.yaml", 6, 5)
    assert found.at("docker") == found.mark
    assert isinstance(found.action, Plugin)
    assert found.action.inputs["x"].mark == Mark("pipeline.yaml", 7, 10)


def test_all_mistakes_are_told_at_once_in_the_files_order() -> None:
    assert errors("""\
        name: a:b
        stages: [build, scan]
        jobs:
          build:
            stage: biuld
            uses: ghcr.io/a/b@
            docker: "true"
            secrets: TOKEN
          scan:
            stage: scan
            need: [build]
            needs: [biuld, scan]
            when: {branch: [main]}
        """) == [
        "p.yaml:1:1: the pipeline's name `a:b` contains a `:`; rename it",
        "p.yaml:5:5: job `build`: stage `biuld` is not in stages:; did you mean `build`?",
        "p.yaml:6:11: job `build`: uses: 'ghcr.io/a/b@' has nothing on one side of '@'; write IMAGE@VERSION",
        "p.yaml:7:13: 'true' is text, not a boolean; remove the quotes",
        "p.yaml:8:14: `TOKEN` stands where a list is expected; write [a, b], or one `- a` a line",
        "p.yaml:11:5: job `scan` has no key `need`; did you mean `needs`?",
        "p.yaml:12:13: job `scan` needs `biuld`, which is no job here; did you mean `build`?",
        "p.yaml:12:20: job `scan` needs itself; remove it from needs:",
        "p.yaml:13:5: job `scan`: `when:` works for the whole pipeline only; move it to the top level",
    ]


@pytest.mark.parametrize(
    ("top", "message"),
    [
        ("description: x", "has no key `description`"),
        ("stages: [_notifications]", "reserved by the platform"),
        ("concurrency: one", "use one of parallel, serial"),
        ("supersede: all", "use one of off, branch, pipeline"),
        ("when: {event: [pull]}", "unknown event `pull`"),
        ("when: {status: [success]}", "when.status is not enforced"),
        ("when: {paths: [/src]}", "is absolute"),
        ("when: {paths: [a/../b]}", "has a `..`"),
        ("when: {paths: ['src/{a']}", "without `}`"),
        ("materials: [{}]", "none of git, upstream, cron, manual"),
        ("materials: [{git: {url: x, on: [cron]}}]", "unknown event `cron`"),
        ("materials: [{git: {url: x, poll_interval: 10s}}]", "between 1m and 24h"),
        ("services: [{name: db}]", "a service needs `image:`"),
        ("services: [{image: x, node_selector: {'a b': c}}]", "not a Kubernetes label key"),
        ("services: [{image: x, tolerations: [{key: a, operator: In}]}]", "use Equal or Exists"),
        ("services: [{image: x, tolerations: [{value: a}]}]", "a key is missing"),
        ("notifications: [{on: maybe, uses: x}]", "use one of failure, success, always, canceled"),
        ("notifications: [{on: failure}]", "needs `uses:`"),
        ("jobs: [a]", "a list stands where a map is expected"),
        ("jobs: {a: b}", "job `a` must be a map"),
        ("jobs: {a: ~}", "`stage:` is missing"),
    ],
)
def test_what_a_pipeline_may_not_say(top: str, message: str) -> None:
    found = errors(top)
    assert len(found) == 1
    assert message in found[0]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("uses: a/b\nimage: c", "`uses:` and `image:` exclude each other"),
        ("uses: a/b\nscript: [x]", "`uses:` and `script:` exclude each other"),
        ("uses: a b", "contains a space"),
        ("uses: a/b\nwith: {x: [1]}", "a list stands where a single text is expected"),
        ("rules: [{if: x}]", "`rules:` is not enforced"),
        ("services: []", "has no key `services`"),
        ("strategy: {}", "has no key `strategy`"),
        ("outputs: {Digest: DIGEST}", "the output name `Digest`"),
        ("outputs: {digest: a-b}", "names the variable `a-b`"),
        ("outputs: {digest: }", "names the variable ``"),
        ("outputs: {digest: {env: A, mask: true}}", "did you mean `masked`?"),
        ("id_tokens: {T: {}}", "has no `aud`"),
        ("id_tokens: {T: {aud: x, audience: x}}", "an id_token has no key `audience`"),
        ("id_tokens: {T: {<<: {aud: x}}}", "the platform merges nothing into an id_token"),
        ("outputs: {a: {<<: {env: A}}}", "the platform merges nothing into an output"),
        ("script: [x]\ndeploy: {<<: {environment: a}}", "the platform merges nothing into deploy"),
        ("variables: {A: &a x}\nid_tokens: {T: {aud: *a}}", "follows no alias here; write `x`"),
        ("variables: {A: &a x}\nscript: [x]\ndeploy: {environment: *a}", "follows no alias here"),
        ("id_tokens: {CI_T: {aud: x}}", "reserved prefix"),
        ("id_tokens: {T: {aud: x}}\nsecrets: [T]", "is also a secret"),
        ("parallel: {matrix: [{A: []}]}", "has no values"),
        ("parallel: {matrix: [{}]}", "empty entry"),
        ("parallel: {matrix: [~]}", "empty entry"),
        ("parallel: {matrix: [{A: [x]}, {A: [x]}]}", "has a value twice"),
        ("parallel: {matrix: [{A-B: [x]}]}", "is not a variable's name"),
        ("parallel: {matrix: [{CI_X: [x]}]}", "reserved prefix"),
        ("parallel: {matrix: [{A: ['x=1']}]}", "has a `,` or `=` in it"),
        ("parallel: {matrix: [{A: [x]}]}\nvariables: {A: y}", "is also a job variable"),
        ("cache: [{key: a}]", "a cache needs `key` and `paths`"),
        ("cache: [{key: '{{ sum \"x\" }}', paths: [a]}]", "the only function is hash"),
        ("artifacts: {when: never}", "use on_success, on_failure or always"),
        ("needs_artifacts: [{paths: [a]}]", "needs_artifacts needs `from_job`"),
        ("coverage_report: {format: lcov}", "coverage_report.path is empty"),
        ("coverage_report: {path: a, format: xml}", "use one of go-cover"),
        ("coverage_report: {path: a, format: lcov, fail_under: .nan}", "between 0 and 100"),
        ("cluster: Prod", "is not a cluster's name"),
        ("cluster: prod\nsecrets: [PLUGIN_KUBECONFIG]", "remove the secret PLUGIN_KUBECONFIG"),
        ("cluster: prod\nuses: a/b\nwith: {kubeconfig: x}", "remove with.kubeconfig"),
        ("environment: prod", "on a job that runs nothing"),
        ("environment: 1\nscript: [x]", "must be a text"),
        ("environment: \nscript: [x]", "`environment` is empty"),
        ("environment: a\nscript: [x]\ndeploy: {environment: b}", "make them equal"),
        ("script: [x]\ndeploy: {version: 1}", "deploy.environment is missing"),
        ("script: [x]\ndeploy: {environment: a, version: '${{ TOKEN }}'}", "it is shown"),
        ("script: [x]\ndeploy: {environment: a, target: {cluster: c, application: d}}", "sync_mode"),
        ("approval: {}\nscript: [x]", "`approval:` and `script:` exclude each other"),
        ("approval: {approvers: [a], required: 2}", "asks for 2 people"),
        ("approval: {quorum_by_label: {a: 0}}", "must be 1 or more"),
        ("approval: {}\ntimeout: 7d", "write hours, 168h for 7 days"),
        ("approval: {}\ntimeout: 0s", "is ambiguous"),
        ("approval: {}\ntimeout: 30s", "not between 1m and 2160h"),
        ("extends: .nope", "extends `.nope`, which is not in this file"),
        ("docker: maybe", "use true or false"),
        ("retry: often", "not a whole number"),
    ],
)
def test_what_a_job_may_not_say(body: str, message: str) -> None:
    found = job_errors(body)
    assert len(found) == 1
    assert message in found[0]


def test_a_cycle_of_needs_is_shown() -> None:
    document = "stages: [s]\njobs:\n  a: {stage: s, needs: [b]}\n  b: {stage: s, needs: [a]}\n"
    (found,) = errors(document)
    assert "dependency cycle: a -> b -> a" in found


def test_a_job_cannot_need_one_of_a_later_stage() -> None:
    document = "stages: [s, t]\njobs:\n  a: {stage: s, needs: [b]}\n  b: {stage: t}\n"
    (found,) = errors(document)
    assert "needs `b` of the later stage `t`" in found


@pytest.mark.parametrize(
    ("body", "ignored"),
    [
        ("retry: 2", "`retry`"),
        ("timeout: 1h", "`timeout`"),
        ("image: a\nscript: [x]\nwith: {a: b}", "`with`"),
        ("uses: a/b\nsettings: {a: b}", "`settings`"),
        ("parallel: {count: 3}", "parallel.count"),
        ("artifacts: {paths: [a], expire_in: 1d}", "artifacts.expire_in"),
        ("approval: {}\nrules: [{if: x}]", "`rules`"),
        ("approval: {}\nwhen: {branch: [main]}", "`when`"),
        ("uses: a/b\nwith: {a-b: 1, a_b: 2}", "a-b, a_b all become PLUGIN_A_B"),
    ],
)
def test_what_the_platform_ignores_is_noticed(body: str, ignored: str) -> None:
    document = f"stages: [s]\njobs:\n  j:\n    stage: s\n{indent(body, '    ')}\n"
    (notice,) = parse_text(document).notices
    assert ignored in str(notice)


def test_an_alias_stands_for_a_list_of_audiences_an_entry_or_the_variable_of_an_output() -> None:
    found = job("tags: &a [x]\nvariables: {A: &t D}\nid_tokens: {T: &e {aud: *a}, U: *e, V: {aud: [*t]}}")
    assert found.id_tokens == {"T": ("x",), "U": ("x",), "V": ("D",)}
    assert job("variables: {A: &a D}\noutputs: {d: *a, e: {env: *a}}").outputs == {
        "d": Output("D"),
        "e": Output("D"),
    }


def test_null_is_as_good_as_absent() -> None:
    found = job("uses: a/b\nwith: ~\nneeds:\ndocker:\nparallel:\n")
    assert (found.needs, found.docker, found.matrix) == ((), False, {})
    assert isinstance(found.action, Plugin)
    assert found.action.inputs == {}


def test_no_notifications_and_an_empty_list_differ() -> None:
    assert parse_text("stages: [s]").notifications is None
    assert parse_text("stages: [s]\nnotifications: []").notifications == ()


def test_the_files_name_is_the_pipelines_unless_it_says_another(tmp_path: Path) -> None:
    file = tmp_path / "release.yaml"
    file.write_text("stages: [s]\n")
    assert parse_file(file).name == "release"
    assert parse_text("name: other\nstages: [s]").name == "other"


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="cannot read the file: No such file"):
        parse_file(tmp_path / "none.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"name: \xe9\n")
    with pytest.raises(PipelineError, match="not UTF-8"):
        parse_file(tmp_path / "latin.yaml")
