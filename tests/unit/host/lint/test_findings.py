"""Where findings stand, what they advise, what is left alone, and how they are suppressed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gocdnext_sdk.host.lint.check import lint_text
from gocdnext_sdk.host.lint.image_flow import Name
from gocdnext_sdk.host.lint.rule import Finding
from gocdnext_sdk.host.manifest.catalog import Catalog

ROOT = Path(__file__).parents[4]
Lint = Callable[[str], list[Finding]]

TRIVY = "scan:\n  stage: scan\n  uses: ghcr.io/klinux/gocdnext-plugin-trivy@v1\n"
BUILD = "build:\n  stage: build\n  docker: true\n  uses: ghcr.io/klinux/gocdnext-plugin-buildx@v1\n"
LOGIN = "    username: ${{ USERNAME }}\n    password: ${{ TOKEN }}\n"
SECRETS = "  secrets: [USERNAME, TOKEN]\n"


def found(findings: list[Finding]) -> list[str]:
    return [str(finding) for finding in findings]


def rules(findings: list[Finding]) -> list[str]:
    return [finding.rule.id for finding in findings]


def test_an_unknown_key_is_found_at_the_key_with_the_nearest_one(lint: Lint) -> None:
    assert found(lint(TRIVY + "  with:\n    sevrity: |\n      HIGH\n")) == [
        "release.yaml:7:7: error: trivy has no input `sevrity`; did you mean `severity`? [GP101]"
    ]


def test_a_wrong_value_is_found_at_the_value(lint: Lint) -> None:
    assert found(lint(TRIVY + "  with:\n    format: tabel\n    severity: HIGH,CRITICL\n")) == [
        (
            'release.yaml:7:15: error: trivy, `format`: "tabel" is not one of '
            '"table", "json", "sarif", "template", "cyclonedx", "spdx", "spdx-json", "github", '
            '"cosign-vuln", "html", "junit", "gitlab", "gitlab-codequality", "asff"; '
            'did you mean "table"? [GP103]'
        ),
        (
            'release.yaml:8:17: error: trivy, `severity`: "CRITICL" is not supported; '
            'did you mean "CRITICAL"? [GP103]'
        ),
    ]


@pytest.mark.parametrize(("wrong", "rule"), [("scan-type: imag", "GP103"), ("scan-tpye: image", "GP101")])
def test_a_mistake_in_what_decides_makes_no_second_one(lint: Lint, wrong: str, rule: str) -> None:
    given = "    target: ghcr.io/org/app:v1\n    platforms: linux/amd64\n"
    assert rules(lint(f"{TRIVY}  with:\n    {wrong}\n{given}")) == [rule]


@pytest.mark.parametrize(
    ("plugin", "value"),
    [
        ("trivy", "ignore-unfixed: maybe"),
        ("trivy", "exit-code: one"),
        ("trivy", "output: ../report.json"),
        ("buildx", "image: ghcr.io/Org/app"),
        ("buildx", "registry: ghcr.io/org/app"),
        ("buildx", "tags: v1 +meta"),
        ("buildx", "build-args: =1"),
        ("docker-push", "target: ghcr.io/org/app:+"),
        ("cosign", "signing-config: '{'"),
    ],
)
def test_each_format_is_read_by_the_plugins_own_parser(lint: Lint, plugin: str, value: str) -> None:
    findings = lint(
        f"job:\n  stage: scan\n  uses: ghcr.io/a/gocdnext-plugin-{plugin}@v1\n  with:\n    {value}\n"
    )
    assert "GP103" in rules(findings)


def test_a_value_with_a_reference_is_known_when_the_job_runs(lint: Lint) -> None:
    inputs = (
        "    ignore-unfixed: ${{ CI_BRANCH }}\n    severity: HIGH,${CI_BRANCH}\n    output: ../${CI_BRANCH}\n"
    )
    assert not lint(TRIVY + "  with:\n" + inputs)


def test_a_deprecated_key_satisfies_what_needs_the_new_one(lint: Lint) -> None:
    job = "job:\n  stage: scan\n  uses: ghcr.io/org/gocdnext-plugin-sample@v1\n  with:\n    degree: high\n"
    assert rules(lint(job)) == ["GP105"]


@pytest.mark.parametrize(
    "image", ["gocdnext-plugin-trivy", "localhost:5000/a/b/gocdnext-plugin-trivy:v1@sha256:0"]
)
def test_a_plugin_is_known_by_its_last_segment(lint: Lint, image: str) -> None:
    assert "GP101" in rules(lint(f"job:\n  stage: scan\n  uses: {image}\n  with:\n    nope: 1\n"))


def test_somebody_elses_image_is_not_checked_against_ours(lint: Lint) -> None:
    found = lint("job:\n  stage: scan\n  uses: docker.io/aquasec/trivy@0.74.0\n  with:\n    nope: 1\n")
    assert rules(found) == ["GP109"]


class TestSecrets:
    def test_a_missing_secret_is_named_with_the_job(self, lint: Lint) -> None:
        job = (
            TRIVY
            + "  with:\n    scan-type: image\n    target: a.b/c:1\n"
            + "    username: ci\n    password: ${{ PW }}\n"
        )
        assert found(lint(job)) == [
            (
                "release.yaml:10:17: error: job `scan` uses the secret PW, which it does not declare; "
                "add PW to its `secrets:` [GP201]"
            )
        ]

    def test_a_misspelt_secret_is_held_against_those_declared(self, lint: Lint) -> None:
        job = (
            TRIVY
            + "  secrets: [GHCR_TOKEN]\n  with:\n    scan-type: image\n    target: a.b/c:1\n"
            + "    username: ci\n    password: ${{ GHCR_TOEKN }}\n"
        )
        assert "did you mean GHCR_TOKEN?" in "\n".join(found(lint(job)))

    def test_an_idle_secret_is_found_where_it_is_declared(self, lint: Lint) -> None:
        assert found(lint(TRIVY + "  secrets: [AWS_SECRET_ACCESS_KEY, OTHER]\n")) == [
            (
                "release.yaml:6:38: warning: job `scan` declares the secret OTHER and does not use it; "
                "remove it [GP202]"
            )
        ]

    def test_a_secret_that_an_input_names_is_used(self, lint: Lint) -> None:
        job = BUILD + SECRETS.replace("]", ", NPM, ARG]") + "  with:\n    image: a.b/c\n" + LOGIN
        assert not lint(job + "    secret-envs: |\n      npm=NPM\n      ARG\n")

    def test_a_secret_in_the_file_is_never_shown(self, lint: Lint) -> None:
        job = (
            TRIVY
            + "  with:\n    scan-type: image\n    target: a.b/c:1\n    username: ci\n    password: hunter2\n"
        )
        assert rules(lint(job)) == ["GP203"]
        assert "hunter2" not in str(found(lint(job)))

    def test_a_secret_in_the_file_is_found_behind_a_variable(self, lint: Lint) -> None:
        inputs = "    scan-type: image\n    target: a.b/c:1\n    username: ci\n    password: ${{ WORD }}\n"
        assert rules(lint(TRIVY + "  variables:\n    WORD: hunter2\n  with:\n" + inputs)) == ["GP203"]

    def test_a_public_key_may_stand_in_the_file(self, lint: Lint) -> None:
        key = "    key-content: |\n      -----BEGIN PUBLIC KEY-----\n      AAAA\n"
        job = "job:\n  stage: sign\n  uses: ghcr.io/a/gocdnext-plugin-cosign@v1\n"
        assert not lint(job + "  with:\n    image: a.b/c:1\n    action: verify\n" + key)

    def test_a_script_with_socket_and_key_is_as_bad(self, lint: Lint) -> None:
        job = "job:\n  stage: sign\n  image: alpine\n  script: [make]\n  secrets: [COSIGN_PRIVATE_KEY]\n"
        assert rules(lint(job + "  docker: true\n")) == ["GP205"]
        assert not lint(job)

    def test_a_profile_may_bring_what_is_not_in_the_file(self, lint: Lint) -> None:
        inputs = (
            "    scan-type: image\n    target: a.b/${X}:1\n    username: ${{ U }}\n    password: ${{ PW }}\n"
        )
        assert not lint(TRIVY + "  agent: {profile: big}\n  with:\n" + inputs)


class TestImages:
    @pytest.mark.parametrize(
        ("text", "name"),
        [
            ("ghcr.io/org/app:v1", Name("ghcr.io/org/app", "v1")),
            ("app", Name("docker.io/library/app")),
            ("localhost:5000/app@sha256:${SUM}", Name("localhost:5000/app", "", "sha256:${SUM}")),
            ("${REGISTRY}/app:${CI_BRANCH}", Name("${REGISTRY}/app", "${CI_BRANCH}")),
            (
                "${{ needs.a.matrix[V=1:2/3].outputs.image }}",
                Name("${{ needs.a.matrix[V=1:2/3].outputs.image }}"),
            ),
        ],
    )
    def test_a_name_is_split_with_the_references_in_it(self, text: str, name: Name) -> None:
        assert Name.parse(text) == name

    def test_names_compare_after_what_the_file_itself_decides(self, lint: Lint) -> None:
        text = (
            "variables:\n  HOST: ghcr.io\nstages: [build, scan]\njobs:\n"
            "  build:\n    stage: build\n    docker: true\n    uses: a.b/gocdnext-plugin-buildx@v1\n"
            "    with: {image: '${HOST}/org/app', push: 'false', platforms: linux/amd64}\n"
            "  scan:\n    stage: scan\n    uses: a.b/gocdnext-plugin-trivy@v1\n"
            "    with: {scan-type: image, target: 'ghcr.io/org/app:latest'}\n"
        )
        assert rules(lint(text)) == ["GP402"]
        assert not lint(text.replace("HOST: ghcr.io", "HOST: quay.io"))

    def test_an_output_of_a_build_that_does_not_push(self, lint: Lint) -> None:
        build = (
            BUILD
            + "  with: {image: a.b/c, platforms: linux/amd64, push: 'false'}\n  outputs: {r: REFERENCE}\n"
        )
        scan = (
            TRIVY
            + "  needs: [build]\n  with:\n    scan-type: image\n    target: ${{ needs.build.outputs.r }}\n"
        )
        assert rules(lint(build + scan)) == ["GP402"]

    def test_a_job_that_waits_through_another_waits(self, lint: Lint) -> None:
        build = BUILD + SECRETS + "  with:\n    image: a.b/c:1\n" + LOGIN
        between = "between: {stage: build, image: alpine, script: [make], needs: [build]}\n"
        scan = TRIVY.replace("stage: scan", "stage: build") + SECRETS
        scan += "  needs: [between]\n  with:\n    scan-type: image\n    target: a.b/c:1\n" + LOGIN
        assert rules(lint(build + between + scan)) == ["GP407"]
        assert "GP401" in rules(lint(build + between.replace(", needs: [build]", "") + scan))

    def test_another_jobs_login_does_not_reach_a_scan(self, lint: Lint) -> None:
        build = BUILD + SECRETS + "  with:\n    image: a.b/c:1\n" + LOGIN
        scan = TRIVY + "  with:\n    scan-type: image\n    target: a.b/c:1\n"
        assert rules(lint(build + scan)) == ["GP404", "GP407"]
        assert not lint(scan)  # of a public image, as far as the file says

    @pytest.mark.parametrize(
        "host", ["localhost:5000", "localhost", "127.0.0.2:5000", "[::1]:5000", "reg.localhost:5000"]
    )
    def test_a_registry_on_this_machine_wants_no_login(self, lint: Lint, host: str) -> None:
        assert not lint(BUILD + f"  with:\n    image: '{host}/c'\n    tags: v1\n")
        assert rules(lint(BUILD + "  with:\n    image: local.host:5000/c\n    tags: v1\n")) == ["GP404"]

    def test_a_candidate_has_no_tag(self, lint: Lint) -> None:
        build = BUILD + SECRETS + "  with:\n    image: a.b/c\n    push-by-digest: 'true'\n" + LOGIN
        scan = TRIVY + SECRETS + "  with:\n    scan-type: image\n    target: a.b/c:latest\n" + LOGIN
        assert "GP403" in rules(lint(build + scan))


class TestReferences:
    def test_a_matrix_wants_a_cell(self, lint: Lint) -> None:
        build = "build:\n  stage: build\n  image: alpine\n  script: [make]\n  outputs: {image: IMAGE}\n"
        build += "  parallel: {matrix: [{ARCH: [amd64, arm64]}]}\n"
        scan = (
            TRIVY
            + "  needs: [build]\n  with:\n    scan-type: image\n"
            + "    target: ${{ needs.build.outputs.image }}\n"
        )
        assert found(lint(build + scan)) == [
            (
                "release.yaml:15:15: error: job `scan`: `build` is a matrix, and no cell is named; "
                "write needs.build.matrix[ARCH=amd64].outputs.image [GP302]"
            )
        ]
        assert not lint(build + scan.replace("build.outputs", "build.matrix[ARCH=arm64].outputs"))

    def test_github_habits_are_told_what_to_write(self, lint: Lint) -> None:
        findings = lint(TRIVY + "  with:\n    target: ${{ secrets.PATH }}/${{ CI_COMMIT_BRANCH }}\n")
        assert [finding.problem.advice for finding in findings] == ["write ${{ PATH }}", "write CI_BRANCH"]

    def test_variables_see_no_variables(self, lint: Lint) -> None:
        job = "job:\n  stage: scan\n  image: alpine\n  script: [make]\n  variables: {A: a, B: '${{ A }}'}\n"
        assert rules(lint(job)) == ["GP301"]


class TestSilence:
    USES = "  uses: ghcr.io/klinux/gocdnext-plugin-trivy"

    @pytest.mark.parametrize(
        "lines",
        [
            f"{USES} # gocdnext: ignore=GP107 tested here",
            f"  # gocdnext: ignore=GP107 tested here\n{USES}",
            f"  # gocdnext: ignore=GP107 tested here\n\n  # why not\n{USES}",
            f"{USES} # newest # gocdnext: ignore=GP107,GP107 tested here",
        ],
    )
    def test_on_the_line_or_the_line_above(self, lint: Lint, lines: str) -> None:
        assert not lint(f"scan:\n  stage: scan\n{lines}\n")

    def test_only_the_rule_that_is_named(self, lint: Lint) -> None:
        findings = lint(f"scan:\n  stage: scan\n{self.USES} # gocdnext: ignore=GP101 why\n")
        assert rules(findings) == ["GP107", "GP003"]

    def test_a_reason_is_asked_for(self, lint: Lint) -> None:
        findings = lint(f"scan:\n  stage: scan\n{self.USES} # gocdnext: ignore=GP107\n")
        assert found(findings) == [
            (
                "release.yaml:5:48: warning: a comment that suppresses a rule gives no reason; "
                "say why after the rule [GP003]"
            )
        ]

    def test_a_rule_that_does_not_exist(self, lint: Lint) -> None:
        findings = lint(TRIVY + "  # gocdnext: ignore=GP999,trivy why\n")
        assert [finding.problem.what for finding in findings] == [
            "there is no rule GP999",
            "there is no rule trivy",
        ]


@pytest.mark.parametrize(
    ("reference", "advice"),
    [
        (
            "needs.build.outputs.image-tag",
            (
                "put `IMAGE_TAG: ${{ needs.build.outputs.image-tag }}` into the job's `variables:`, "
                "and write $IMAGE_TAG"
            ),
        ),
        ("TOKEN", "write $TOKEN"),
        ("CI_COMMIT_SHA", "write $CI_COMMIT_SHA"),
        ("OTHER", "declare OTHER in the job's `secrets:` or `variables:`, and write $OTHER"),
        ("github.sha", "a script has the job's variables and secrets as $NAME"),
    ],
)
def test_a_reference_in_a_script_is_found_at_its_line(lint: Lint, reference: str, advice: str) -> None:
    text = "build: {stage: build, image: alpine, script: [make], outputs: {image-tag: TAG}}\n"
    text += "deploy:\n  stage: scan\n  image: alpine\n  needs: [build]\n  secrets: [TOKEN]\n  script:\n"
    text += "    - echo ${CI_BRANCH} $((1 + 1)) '{{ x }}'\n"
    text += f"    - |\n      ./deploy ${{{{ {reference} }}}}\n"
    (finding,) = found(lint(text))
    what = f"job `deploy`: ${{{{ {reference} }}}} is not resolved in `script:`"
    assert finding == f"release.yaml:11:9: error: {what}; {advice} [GP308]"


def test_a_script_finds_its_line_through_a_template_too(lint: Lint) -> None:
    text = ".base:\n  image: alpine\n  script:\n    - make\n    - echo ${{ CI }}\n"
    text += "build: {stage: build, extends: .base}\n"
    assert found(lint(text)) == [
        "release.yaml:7:9: error: job `build`: ${{ CI }} is not resolved in `script:`; write $CI [GP308]"
    ]


def test_a_script_that_uses_a_needed_output_as_a_variable_is_right(lint: Lint) -> None:
    text = "build: {stage: build, image: alpine, script: [make], outputs: {tag: TAG}}\n"
    text += "deploy:\n  stage: scan\n  image: alpine\n  needs: [build]\n"
    text += '  variables:\n    TAG: ${{ needs.build.outputs.tag }}\n  script: [./deploy "$TAG"]\n'
    assert found(lint(text)) == []


def test_blanks_that_are_none_to_the_platform_are_none_here(lint: Lint) -> None:
    """Another character between the braces belongs to the name, as for the server; it defines no value."""
    job = TRIVY + "  variables:\n    WORD: hunter2\n  with:\n    scan-type: image\n    target: a.b/c:1\n"
    job += '    username: ci\n    password: "${{\\u00a0WORD }}"\n'
    assert rules(lint(job)) == ["GP301"]


def test_a_chain_of_needs_longer_than_the_stack(lint: Lint) -> None:
    jobs = [
        f"j{n}: {{stage: build, image: alpine, script: [make], needs: [j{n + 1}]}}\n" for n in range(3000)
    ]
    assert not lint(
        "".join(jobs)
        + "j3000: {stage: build, image: alpine, script: [make]}\n"
        + TRIVY.replace("stage: scan", "stage: build")
    )


class TestTagRules:
    RULES = "    tags: |\n      type=semver,pattern={{version}}\n      type=raw,value=x-${CI_TAG_NAME}\n"

    def test_their_mistakes_are_found(self, lint: Lint) -> None:
        job = BUILD + SECRETS + "  with:\n    image: a.b/c\n" + LOGIN
        assert rules(lint(job + "    tags: type=semvr,pattern={{version}}\n")) == ["GP103"]
        assert rules(lint(job + "    flavor: latest=maybe\n    tags: a\n")) == ["GP103"]
        assert rules(lint(job + "    annotations: layer:a=b\n")) == ["GP103"]
        assert not lint(job + self.RULES)

    def test_which_tags_they_make_only_a_run_knows(self, lint: Lint) -> None:
        build = BUILD + SECRETS + "  with:\n    image: a.b/c\n" + LOGIN
        scan = TRIVY + SECRETS + "  needs: [build]\n  with:\n    scan-type: image\n    target: a.b/c:1.0.0\n"
        scan += LOGIN
        assert "GP403" in rules(lint(build + scan))
        assert "GP403" in rules(lint(build + "    tags: ${{ CI_COMMIT_SHA }}\n" + scan))
        assert "GP403" not in rules(lint(build + self.RULES + scan))

    def test_what_an_event_lacks_may_stand_in_a_rule_and_nowhere_else(self, lint: Lint) -> None:
        job = BUILD + SECRETS + "  with:\n    image: a.b/c\n" + LOGIN

        def on_push(more: str) -> list[str]:
            return rules(lint(started_by("push", job + more)))

        assert "GP305" not in on_push(self.RULES)
        assert "GP305" not in on_push("    tags: latest ${CI_TAG_NAME}\n")
        assert "GP305" in on_push(self.RULES + "    target: ${CI_TAG_NAME}\n")

    @pytest.mark.parametrize("tags", ["${CI_TAG_NAME}", "type=raw,value=${CI_TAG_NAME}", "v${CI_TAG_NAME},"])
    def test_one_line_has_to_be_left(self, lint: Lint, tags: str) -> None:
        job = BUILD + SECRETS + "  with:\n    image: a.b/c\n" + LOGIN + f"    tags: {tags}\n"
        for events, reported in (("push", True), ("push, tag", True), ("tag", False)):
            assert ("GP305" in rules(lint(started_by(events, job)))) is reported


def started_by(events: str, jobs: str) -> str:
    """Return a pipeline of jobs of the stage build."""
    lines = "".join(f"  {line}\n" for line in jobs.splitlines())
    return f"when:\n  event: [{events}]\nstages: [build]\njobs:\n{lines}"


def test_a_variable_of_one_event_is_missing_in_the_runs_of_the_others(lint: Lint) -> None:
    job = BUILD + SECRETS + "  with:\n    image: a.b/c\n" + LOGIN
    job += "    build-args: VERSION=${CI_TAG_NAME}\n    labels: my.tag=${CI_TAG_NAME}\n"
    both = [str(each) for each in lint(started_by("push, tag, manual", job)) if each.rule.id == "GP305"]
    assert len(both) == 2
    assert all("push, manual" in each and "CI_TAG_NAME" in each for each in both)
    assert "GP305" not in rules(lint(started_by("tag", job)))
    upstream = job.replace("CI_TAG_NAME", "CI_UPSTREAM_RUN_COUNTER")
    assert "GP305" not in rules(lint(started_by("upstream, manual", upstream)))
    assert "GP305" in rules(lint(started_by("upstream, push", upstream)))


def test_a_value_is_looked_at_with_the_variables_of_the_file(lint: Lint) -> None:
    text = """
stages: [build]
variables: {REGISTRY: "%s", NONE: ""}
jobs:
  job:
    stage: build
    uses: ghcr.io/klinux/gocdnext-plugin-buildx@v1
    docker: true
    with: {image: "${REGISTRY}/org/app", buildkit-image: "${NONE}", username: me, password: "${{ TOKEN }}"}
    secrets: [TOKEN]
"""
    assert rules(lint(text % "https://ghcr.io")) == ["GP103"]
    assert rules(lint(text % "ghcr.io")) == []


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("echo $CI_COMMIT_BRANCH", "CI_BRANCH"),
        ("echo ${CI_GIT_TAG}", "CI_TAG_NAME"),
        ("echo $CI_BRANCH $HOME $CI", ""),
        ("echo ${CI_MERGE_REQUEST:-none}", ""),
        ("export CI_MINE=1; echo $CI_MINE", ""),
        (r"echo \$CI_COMMIT_BRANCH", ""),
        ("echo $CI_PULL_REQUEST_KEY", ""),
    ],
)
def test_a_script_that_asks_for_another_systems_variable(lint: Lint, line: str, name: str) -> None:
    found = lint(f"job:\n  stage: build\n  image: docker.io/library/alpine:3\n  script: ['{line}']\n")
    assert rules(found) == (["GP309"] if name else [])
    assert name in str(found)


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.slack.com/services/T0AB/B0CD/xyz",
        "https://discord.com/api/webhooks/123/abc",
        "https://acme.webhook.office.com/webhookb2/1-2-3",
        "https://chat.googleapis.com/v1/spaces/A/messages?key=k&token=t",
        "https://api.telegram.org/bot123:abc/sendMessage",
    ],
)
def test_the_address_of_a_webhook_is_a_secret(lint: Lint, url: str) -> None:
    text = f"job:\n  stage: build\n  uses: ghcr.io/org/chat@v1\n  with:\n    url: {url}\n"
    assert rules(lint(text)) == ["GP109", "GP203"]
    assert rules(lint(text.replace(url, "https://hooks.slack.com/ https://discord.com"))) == ["GP109"]


BRANCH_TAG = """\
job:
  stage: build
  uses: ghcr.io/klinux/gocdnext-plugin-trivy@v1
  with: {{scan-type: image, target: 'ghcr.io/org/app:{}'}}
"""


@pytest.mark.parametrize(
    ("tag", "reported"),
    [
        ("${CI_BRANCH}", True),
        ("${{ CI_BRANCH }}", True),
        ("pr-${CI_BRANCH:-main}", True),
        ("${CI_COMMIT_BRANCH}", True),
        ("${CI_BRANCH_X}", False),
        ("${CI_COMMIT_SHORT_SHA}", False),
    ],
)
def test_a_branch_is_no_tag_for_what_reads_either(lint: Lint, tag: str, reported: bool) -> None:
    assert ("GP413" in rules(lint(BRANCH_TAG.format(tag)))) is reported


@pytest.mark.parametrize(
    ("when", "reported"),
    [
        ("branch: [main]", False),
        ("branch: [main], event: [push]", False),
        ("branch: ['release/*']", True),
        ("branch: ['*']", True),
        ("branch: [main], event: [push, pull_request]", True),
        ("event: [push]", True),
    ],
)
def test_a_branch_without_a_slash_is_a_tag(lint: Lint, when: str, reported: bool) -> None:
    jobs = "".join(f"  {line}\n" for line in BRANCH_TAG.format("${CI_BRANCH}").splitlines())
    found = rules(lint(f"when: {{{when}}}\nstages: [build]\njobs:\n{jobs}"))
    assert ("GP413" in found) is reported


SLACK = "https://hooks.slack.com/services/T0AB/B0CD/xyz"


ONE_JOB = "jobs:\n  job: {stage: build, image: 'a:1', script: [ls]}\n"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            f"jobs:\n  job:\n    stage: build\n    image: a:1\n    script:\n    - ls\n    - curl {SLACK}\n",
            8,
        ),
        (f"variables:\n  A: {SLACK}\n{ONE_JOB}", 3),
        (ONE_JOB.replace("[ls]", f"[ls], variables: {{B: {SLACK}}}"), 3),
        (ONE_JOB.replace("[ls]", f"[ls], parallel: {{matrix: [{{A: [{SLACK}]}}]}}"), 3),
        (f"services:\n- name: a\n  image: a:1\n  env: {{A: {SLACK}}}\n{ONE_JOB}", 3),
    ],
)
def test_the_address_of_a_webhook_is_found_wherever_it_stands(lint: Lint, text: str, line: int) -> None:
    (found,) = [each for each in lint(f"stages: [build]\n{text}") if each.rule.id == "GP203"]
    assert found.problem.mark.line == line
    assert "T0AB" not in str(found)


def test_attesting_side_by_side_is_seen_through_the_jobs_between(catalog: Catalog) -> None:
    """The statements come out of a scan, and the scan's image out of the build."""
    text = (ROOT / "examples" / "proof" / ".gocdnext" / "release.yaml").read_text()
    beside = text.replace("needs: [scan, attest-sboms]", "needs: [scan]")
    assert beside != text
    found = [each for each in lint_text(beside, "ci.yaml", catalog) if each.rule.id == "GP412"]
    assert {each.problem.advice for each in found} == {
        "add `needs: [sign]`",
        "add `needs: [attest-sboms]`",
    }
    assert not [each for each in lint_text(text, "ci.yaml", catalog) if each.rule.id == "GP412"]


MARKING = """
stages: [a]
jobs:
  %s:
    stage: a
    uses: ghcr.io/klinux/gocdnext-plugin-docker-push@v1
    secrets: [USER, PASSWORD, COSIGN_KEY]
    with:
      source: stage.example/org/app@sha256:%s
      target: ghcr.io/org/app:v1
      logins: |
        ghcr.io ${{ USER }} ${{ PASSWORD }}
      verify-key: cosign.pub
      mark: |
        harbor:ok
        attestation
"""


def test_what_docker_push_states_is_a_signature_too(lint: Lint) -> None:
    """Lint knows its key, its token, and where it signs: at the target, not at the source."""

    def found(text: str) -> list[str]:
        return [each.rule.id for each in lint(text) if each.rule.id in ("GP204", "GP205", "GP410", "GP412")]

    marking = MARKING % ("promote", "0" * 64)
    assert found(marking) == ["GP410"]
    by_key = f"{marking}      key-content: ${{{{ COSIGN_KEY }}}}\n"
    assert found(by_key) == []
    assert found(by_key.replace("key-content", "key")) == ["GP204"]
    assert found(by_key.replace("    with:", "    docker: true\n    with:")) == ["GP205"]
    (beside,) = by_key.split("jobs:\n")[1:]
    assert found(by_key + beside.replace("promote:", "again:")) == ["GP412"]
    elsewhere = beside.replace("promote:", "again:").replace("ghcr.io/org", "quay.io/org")
    assert found(by_key + elsewhere) == []
    receipt = marking.replace("attestation", "# none").replace(
        "      mark", '      receipt: "true"\n      mark'
    )
    assert found(receipt) == []


def test_a_variable_that_the_platform_sets_over_the_pipelines(lint: Lint) -> None:
    job = TRIVY + "  variables: {CI_BRANCH: main, CI_TAG_NAME: none}\n"
    (finding,) = (each for each in lint(job) if each.rule.id == "GP002")
    assert finding.problem.what == "the platform sets CI_BRANCH itself, over what is written"
