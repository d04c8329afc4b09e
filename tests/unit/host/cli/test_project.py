"""One's way in: settings, pipelines and plugins by name, a first pipeline, and what a code means."""

from __future__ import annotations

import gc
import subprocess
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner

from gocdnext_sdk.errors import UsageError
from gocdnext_sdk.host.cli import completion, doctor, explain, init, pin, plan
from gocdnext_sdk.host.cli.commands import group
from gocdnext_sdk.host.cli.project import Project, pipeline, plugin
from gocdnext_sdk.host.harness import RunOptions
from gocdnext_sdk.host.harness.doctor import examine
from gocdnext_sdk.host.harness.options import Preferred
from gocdnext_sdk.host.harness.prepare import prepare
from gocdnext_sdk.host.lint.check import lint_file
from gocdnext_sdk.host.manifest.catalog import Catalog
from gocdnext_sdk.host.pipeline import parse_file
from gocdnext_sdk.host.pipeline.model import Profile
from gocdnext_sdk.host.scaffold import ScaffoldError
from gocdnext_sdk.host.scaffold.first_pipeline import first_pipeline
from gocdnext_sdk.host.testing.fake_registry import FakeRegistry
from gocdnext_sdk.oci.client import RegistryClient

PIPELINE = """
stages: [a]
services: [{name: db, image: "docker.io/library/postgres:16"}]
jobs:
  scan: {stage: a, uses: "ghcr.io/klinux/gocdnext-plugin-trivy@v1", with: {target: "."}}
  script: {stage: a, image: "docker.io/library/python:3.13-slim", script: [make]}
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "project"
    (folder / ".gocdnext").mkdir(parents=True)
    (folder / ".git").mkdir()
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / ".gocdnext" / "release.yaml").write_text(PIPELINE)
    monkeypatch.chdir(folder)
    return folder


def run(command: object, *argv: str) -> tuple[int, str]:
    done = CliRunner().invoke(command, argv, catch_exceptions=True)  # type: ignore[arg-type]
    if isinstance(done.exception, UsageError):
        return 2, str(done.exception)
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.output


def test_the_only_pipeline_is_found_from_below_by_its_folder_and_by_name(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = project / ".gocdnext" / "release.yaml"
    for said in (None, ".", ".gocdnext", "release", ".gocdnext/release.yaml"):
        assert pipeline(said).resolve() == file
    monkeypatch.chdir(project / "deep" / "er")
    assert pipeline(None) == file
    assert pipeline("release") == file


def test_what_is_not_found_is_suggested(project: Path) -> None:
    with pytest.raises(UsageError, match="did you mean `release`"):
        pipeline("relaese")
    with pytest.raises(UsageError, match="did you mean `release`"):
        pipeline(".gocdnext/releas.yaml")
    (project / ".gocdnext" / "pr.yml").write_text(PIPELINE)
    with pytest.raises(UsageError, match="pr, release"):
        pipeline(None)
    (project / ".gocdnext" / "pr.yml").unlink()
    (project / ".gocdnext" / "release.yaml").unlink()
    with pytest.raises(UsageError, match="init"):
        pipeline(None)
    with pytest.raises(UsageError, match="did you mean `trivy`"):
        plugin("trivi")
    with pytest.raises(UsageError, match="the plugins are buildx, cosign"):
        plugin("sonar")


def test_the_search_ends_at_the_repository(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inner = project / "inner"
    (inner / ".git").mkdir(parents=True)
    (project / "gocdnext-plugin.toml").write_text("nonsense = 1\n")
    monkeypatch.chdir(inner)
    with pytest.raises(UsageError, match="init"):
        pipeline(None)
    assert Project.find() == Project()


def test_a_plugin_goes_by_its_name(project: Path) -> None:
    assert plugin("trivy").name == "trivy"
    assert plugin("gocdnext-plugin-trivy") == plugin("trivy")
    code, said = run(plan.command, "trivy", "--with", "target=.")
    assert code == 0
    assert said.startswith("trivy (all)")
    code, said = run(plan.command)
    assert code == 0
    assert "scan (a)" in said


SETTINGS = """
plugins = ["deep"]
secrets-file = "secrets.env"
[images]
"docker.io/library/python:3.13-slim" = "localhost/python"
postgres = "localhost/postgres"
unused = "localhost/unused"
[local]
trivy = "deep"
[variables]
WHERE = "here"
"""


@pytest.mark.parametrize("shared", [True, False])
def test_settings_stand_in_a_file_of_their_own_or_in_pyproject(project: Path, shared: bool) -> None:
    (project / "secrets.env").write_text("A=b\n")
    text = SETTINGS
    if shared:
        text = "[tool.gocdnext-plugin]\n" + SETTINGS.replace("[images]", "[tool.gocdnext-plugin.images]")
        text = text.replace("[local]", "[tool.gocdnext-plugin.local]")
        text = text.replace("[variables]", "[tool.gocdnext-plugin.variables]")
    (project / ("pyproject.toml" if shared else "gocdnext-plugin.toml")).write_text(text)
    found = Project.find(project / "deep" / "er")
    assert found.plugins == (project / "deep",)
    assert found.secrets_file == project / "secrets.env"
    assert found.variables == {"WHERE": "here"}
    assert found.local == {"trivy": project / "deep"}


def test_they_replace_images_of_scripts_and_services_and_unused_ones_are_no_mistake(project: Path) -> None:
    file = project / ".gocdnext" / "release.yaml"
    preferred = Preferred(
        images={
            "docker.io/library/python:3.13-slim": "localhost/python",
            "postgres": "localhost/pg",
            "x": "y",
        },
        local={"trivy": project / "deep", "nobody": project},
    )
    prepared = prepare(parse_file(file), RunOptions(preferred=preferred), project)
    assert prepared.images == {
        "docker.io/library/python:3.13-slim": "localhost/python",
        "docker.io/library/postgres:16": "localhost/pg",
        "ghcr.io/klinux/gocdnext-plugin-trivy:v1": "localhost/gocdnext-plugin-trivy:dev",
    }
    assert prepared.builds == {"localhost/gocdnext-plugin-trivy:dev": project / "deep"}
    options = RunOptions(preferred=preferred, use_images={"trivy": "localhost/given"})
    prepared = prepare(parse_file(file), options, project)
    assert prepared.images["ghcr.io/klinux/gocdnext-plugin-trivy:v1"] == "localhost/given"
    assert not prepared.builds


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("plugin = []\n", "did you mean `plugins`"),
        ("plugins = 'x'\n", "not a list"),
        ("plugins = ['nowhere']\n", "not a directory"),
        ("[images]\na = 1\n", "not a table of texts"),
        ("secrets-file = '../other.env'\n", "outside"),
        ("secrets-file = 'link.env'\n", "outside"),
        ("secrets-file = 'none.env'\n", "not there"),
        ("[", "cannot be read"),
    ],
)
def test_a_wrong_setting_is_one_line(project: Path, text: str, said: str) -> None:
    (project.parent / "other.env").write_text("A=b\n")
    (project / "link.env").symlink_to("../other.env")
    (project / "gocdnext-plugin.toml").write_text(text)
    with pytest.raises(UsageError, match=said):
        Project.find()


FILES = [
    ("Dockerfile", "FROM scratch\n"),
    ("go.mod", "module x\n"),
    ("go.sum", ""),
    ("pyproject.toml", ""),
    ("requirements.txt", ""),
    ("package.json", '{"name": "@Acme/My.App"}'),
    ("Cargo.toml", ""),
    ("pom.xml", ""),
    ("build.gradle", ""),
]


@pytest.mark.parametrize(
    "names", [[name] for name, _ in FILES if name != "go.sum"] + [[name for name, _ in FILES]]
)
def test_a_first_pipeline_is_right_by_lint_and_plan(tmp_path: Path, names: list[str]) -> None:
    for name, text in FILES:
        if name in names:
            (tmp_path / name).write_text(text)
    code, said = run(init.command, str(tmp_path))
    assert code == 0
    file = tmp_path / ".gocdnext" / "ci.yaml"
    assert not lint_file(file, Catalog.load()), file.read_text()
    assert all(
        name in said for name in names if name not in {"go.sum", "requirements.txt"} or len(names) == 1
    )
    code, planned = run(plan.command, str(file), "--branch", "main")
    assert code == 0, planned
    if names != ["Dockerfile"] and "Dockerfile" in names:
        assert "image: ${REGISTRY}/acme/my-app" in file.read_text()
    with pytest.raises(ScaffoldError, match="there already"):
        first_pipeline(tmp_path).write(tmp_path)


def test_an_empty_folder_has_no_first_pipeline(tmp_path: Path) -> None:
    with pytest.raises(ScaffoldError, match="Dockerfile"):
        first_pipeline(tmp_path)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_gets_its_completion(shell: str) -> None:
    code, said = run(completion.command, shell)
    assert code == 0
    assert "_GOCDNEXT_PLUGIN_COMPLETE" in said
    if shell == "bash":
        subprocess.run(["bash", "-n"], input=said, text=True, check=True)


def test_a_misspelt_command_is_suggested() -> None:
    code, said = run(group, "rnu")
    assert code == 2
    assert "did you mean run" in said


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("gp101", "GP101 (error): An input that the plugin does not have"),
        ("3", "DaemonError"),
        ("0", "0: done"),
        ("143", "SIGTERM"),
        ("139", "SIGSEGV"),
        ("42", "the job's own"),
        ("CacheError", "exit code 3"),
    ],
)
def test_every_code_is_explained(code: str, said: str) -> None:
    ended, text = run(explain.command, code)
    assert ended == 0
    assert said in text


def test_a_job_that_is_stopped_ends_with_its_signal() -> None:
    assert "Cancelled: exit code 128+n, where n is the signal" in run(explain.command, "Cancelled")[1]
    listed = run(explain.command, "3")[1]
    assert "Cancelled" not in listed
    assert "TimedOut" in listed


def test_a_code_that_is_none_is_suggested() -> None:
    assert "did you mean DaemonError" in run(explain.command, "DaemonEror")[1]
    assert run(explain.command, "999")[0] == 2


# The Docker client leaves the socket open with which it failed.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
def test_the_doctor_says_what_is_missing(tmp_path: Path) -> None:
    socket = tmp_path / "none.sock"
    found = {each.what: each for each in examine({"DOCKER_HOST": f"unix://{socket}", "HOME": str(tmp_path)})}
    assert found["engine"].state == "bad"
    assert found["engine"].advice
    assert {"buildx", "git", "disk", "logins"} <= set(found)
    assert all(each.advice for each in found.values() if each.state == "bad")
    assert doctor.command.name == "doctor"
    gc.collect()


def test_pinning_writes_digests_beside_tags_and_renews_them(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = FakeRegistry("ghcr.io")
    digest = registry.push("klinux/gocdnext-plugin-trivy:v1", {"layers": [], "n": 1}).digest
    monkeypatch.setattr(pin, "RegistryClient", partial(RegistryClient, transport=registry))
    file = project / ".gocdnext" / "release.yaml"
    assert run(pin.command, "--check")[0] == 1
    assert file.read_text() == PIPELINE
    assert run(pin.command)[0] == 0
    pinned = f"ghcr.io/klinux/gocdnext-plugin-trivy:v1@{digest}"
    assert file.read_text() == PIPELINE.replace("ghcr.io/klinux/gocdnext-plugin-trivy@v1", pinned)
    assert run(pin.command, "--check") == (0, "all are pinned\n")
    moved = registry.push("klinux/gocdnext-plugin-trivy:v1", {"layers": [], "n": 2}).digest
    assert run(pin.command, "--check")[0] == 1
    run(pin.command)
    assert moved in file.read_text()
    assert parse_file(file).jobs[0].action.image.endswith(moved)  # type: ignore[union-attr]


def test_runner_profiles_are_read(tmp_path: Path) -> None:
    (tmp_path / "gocdnext-plugin.toml").write_text('[profiles.fast]\nimage = "go:1"\nvariables = {A = "1"}\n')
    assert Project.find(tmp_path).profiles == {"fast": Profile("go:1", {"A": "1"})}


@pytest.mark.parametrize("text", ["profiles = 1", "[profiles]\nfast = 1", "[profiles.fast]\nimages = ''",
                                  "[profiles.fast]\nvariables = {A = 1}"])  # fmt: skip
def test_a_profile_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "gocdnext-plugin.toml").write_text(text)
    with pytest.raises(UsageError, match="profiles"):
        Project.find(tmp_path)
