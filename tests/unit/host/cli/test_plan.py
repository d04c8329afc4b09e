"""`gocdnext-plugin plan` on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gocdnext_sdk.errors import UsageError
from gocdnext_sdk.host.cli.plan import command

TRIVY = str(Path(__file__).parents[4] / "plugins" / "trivy")


@pytest.fixture(autouse=True)
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def plan(*argv: str) -> Result:
    return CliRunner().invoke(command, argv)


def test_a_plugin_is_planned_alone() -> None:
    result = plan(TRIVY, "--with", "scan-type=fs", "--with", "target=.")
    assert result.exit_code == 0
    assert "run      trivy fs --format json" in result.output
    assert "…        what follows depends on what `trivy fs` prints" in result.output


@pytest.mark.parametrize(
    ("said", "advice"),
    [("trivvy", "did you mean `trivy`?"), ("x", "the pipelines and plugins are buildx, cosign")],
)
def test_a_plugin_that_is_not_there_is_suggested(said: str, advice: str) -> None:
    error = plan(said).exception
    assert isinstance(error, UsageError)
    assert advice in str(error)


def test_secrets_are_named_and_need_not_be_there() -> None:
    argv = ("--with", "scan-type=image", "--with", "target=ghcr.io/org/app:v1")
    result = plan(TRIVY, *argv, "--with", "username=bot", "--with", "password=${{ GHCR_TOKEN }}")
    assert "login    ghcr.io: bot, <secret GHCR_TOKEN>" in result.output


def test_a_secret_on_the_command_line_is_not_repeated() -> None:
    argv = ("--with", "scan-type=image", "--with", "target=ghcr.io/org/app:v1")
    result = plan(TRIVY, *argv, "--with", "username=bot", "--with", "password=canary-7Yq2")
    assert result.exit_code == 0
    assert "canary" not in result.output


def test_json_has_the_same(checkout: Path) -> None:
    result = plan(TRIVY, "--with", "target=.", "--json")
    (job,) = json.loads(result.stdout)["jobs"]
    assert job["run"]["steps"][0]["words"][:2] == ["trivy", "fs"]
    assert job["run"]["unknown"][-1] == "UNKNOWN"


@pytest.mark.parametrize(
    ("more", "outside"),
    [
        ((), ["signs ghcr.io/org/app", "writes to the log of rekor.sigstore.dev"]),
        (("--with", "tlog=false"), ["signs ghcr.io/org/app"]),
        (("--with", "action=verify"), []),
    ],
)
def test_what_leaves_this_machine_is_named_with_the_public_log(
    more: tuple[str, ...], outside: list[str]
) -> None:
    cosign = str(Path(TRIVY).with_name("cosign"))
    argv = ("--with", "image=ghcr.io/org/app:v1", "--with", "key-content=${{ KEY }}", *more, "--json")
    result = plan(cosign, *argv)
    (job,) = json.loads(result.stdout)["jobs"]
    assert job["publications"] == outside
    assert [f"outside  {each}" in plan(cosign, *argv[:-1]).output for each in outside] == [True] * len(
        outside
    )


def test_wrong_inputs_end_with_2() -> None:
    result = plan(TRIVY, "--with", "severity=HIHG")
    assert result.exit_code == 2
    assert "error: with.severity:" in result.output


@pytest.mark.parametrize(("mode", "known"), [("docker", True), ("k8s-shared", True), ("k8s-isolated", False)])
def test_an_engine_may_lose_an_input(mode: str, known: bool) -> None:
    result = plan(TRIVY, "--with", "scan type=fs", "--as", mode)
    assert (result.exit_code == 0) is known


def test_a_pipeline_outside_of_git_has_stand_ins_for_its_revision(checkout: Path) -> None:
    (checkout / ".gocdnext").mkdir()
    file = checkout / ".gocdnext" / "scan.yaml"
    file.write_text(
        "name: scan\nstages: [scan]\nvariables: {APP: ghcr.io/org/app}\njobs:\n  scan:\n    stage: scan\n"
        "    uses: ghcr.io/klinux/gocdnext-plugin-trivy@v1\n"
        "    with: {scan-type: image, target: '${APP}:${CI_COMMIT_SHORT_SHA}'}\n"
    )
    result = plan(str(file), "--var", "APP=ghcr.io/org/other")
    assert result.exit_code == 0
    assert "look up  ghcr.io/org/other:<commit>: <digest of ghcr.io/org/other:<commit>>" in result.output


def test_a_mistake_in_a_pipeline_is_told_with_its_place(checkout: Path) -> None:
    file = checkout / "scan.yaml"
    file.write_text(
        "name: scan\nstages: [scan]\njobs:\n  scan:\n    stage: scan\n"
        "    uses: ghcr.io/klinux/gocdnext-plugin-trivy@v1\n"
        "    with:\n      scan-type: repo\n      severity: HIHG\n"
    )
    result = plan(str(file))
    assert result.exit_code == 2
    assert f"  error: {file}:9:17: with.severity: " in result.output
    assert f"  error: {file}:4:3: with.target: is required" in result.output


def test_what_the_platform_ignores_is_noted_beside_the_plan(checkout: Path) -> None:
    (checkout / "p.yaml").write_text(
        "stages: [a]\njobs:\n  x: {stage: a, image: alpine, script: [ls], retry: 3}\n"
    )
    result = plan("p.yaml")
    assert result.exit_code == 0
    assert result.stderr.startswith("note: p.yaml:3:")
    assert "the platform ignores `retry`" in result.stderr
    assert "note" not in result.stdout


def test_a_plugin_of_ones_own_is_found_by_the_images_name(checkout: Path) -> None:
    from gocdnext_sdk.host.scaffold import scaffold

    scaffold("word-check", checkout / "plugins" / "word-check")
    file = checkout / "check.yaml"
    file.write_text(
        "name: check\nstages: [check]\njobs:\n  words:\n    stage: check\n"
        "    uses: registry.example.com/team/gocdnext-plugin-word-check@v1\n    with: {path: check.yaml}\n"
    )
    assert "its code is not here" in plan(str(file)).output
    assert "output   FOUND=0" in plan(str(file), "--plugins", "plugins").output


def test_a_plan_ends_where_a_module_is_not_installed_and_the_other_jobs_are_planned(checkout: Path) -> None:
    folder = checkout / "plugins" / "lost"
    folder.mkdir(parents=True)
    (folder / "plugin.py").write_text(
        "from gocdnext_sdk import Plugin, PluginInputs\n\n\n"
        'class Lost(Plugin[PluginInputs]):\n    name, inputs = "gocdnext-plugin-lost", PluginInputs\n\n'
        "    def run(self, inputs, job):\n        import boto3_not_here\n"
    )
    (folder / "plugin.yaml").write_text("name: lost\n")
    file = checkout / "check.yaml"
    file.write_text(
        "name: check\nstages: [check]\njobs:\n"
        "  lost: {stage: check, uses: registry.example.com/team/gocdnext-plugin-lost@v1}\n"
        "  scan:\n    stage: check\n    uses: ghcr.io/klinux/gocdnext-plugin-trivy@v1\n"
        "    with: {scan-type: fs, target: .}\n"
    )
    done = plan(str(file), "--plugins", "plugins")
    assert done.exit_code == 0, done.output
    assert f"{folder}/plugin.py:8: No module named 'boto3_not_here'" in done.stdout
    assert "run      trivy fs" in done.stdout


def test_inputs_are_for_a_plugin_only(checkout: Path) -> None:
    file = checkout / "check.yaml"
    file.write_text("name: check\n")
    assert plan(str(file), "--with", "a=b").exit_code == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--tag", "v1"), "--tag is for --event tag, and the event is manual"),
        (("--pr", "7", "--event", "push"), "--pr is for --event pull_request, and the event is push"),
        (("--event", "tag"), "--event tag: no tag is checked out; pass --tag NAME"),
    ],
)
def test_an_option_of_an_event_goes_with_it(checkout: Path, options: tuple[str, ...], message: str) -> None:
    (checkout / "p.yaml").write_text("stages: [s]\njobs:\n  a: {stage: s, image: i, script: [x]}\n")
    result = plan("p.yaml", *options)
    assert isinstance(result.exception, UsageError)
    assert str(result.exception) == message


def test_a_variable_that_the_platform_sets_is_noted(checkout: Path) -> None:
    (checkout / "p.yaml").write_text("stages: [s]\njobs:\n  a: {stage: s, uses: x/y@v1}\n")
    said = "the platform sets CI_JOB_NAME itself, over what is given"
    assert said in plan("p.yaml", "--var", "CI_JOB_NAME=b").output
    assert said not in plan("p.yaml", "--var", "CI_TAG_NAME=v1").output
