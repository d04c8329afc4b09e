"""The small plugins of examples/plugins do what they say, with services here and real checkouts."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.runtime.test_checkout import git

from gocdnext_sdk.host.manifest.files import outdated
from gocdnext_sdk.host.testing import PluginRunner
from gocdnext_sdk.host.testing.web import LocalWeb

PLUGINS = Path(__file__).parents[3] / "examples" / "plugins"
NAMES = sorted(path.parent.name for path in PLUGINS.glob("*/plugin.py"))
TOKEN = "t0k3n-t0k3n-t0k3n"


@pytest.mark.parametrize("name", NAMES)
def test_what_is_generated_is_up_to_date_and_the_page_names_it(name: str) -> None:
    assert outdated(PLUGINS / name) == []
    assert f"]({name}/plugin.py)" in (PLUGINS / "README.md").read_text()


@pytest.mark.parametrize(("service", "field"), [("slack", "text"), ("discord", "content")])
def test_a_webhook_is_told_of_the_run(
    run_plugin: PluginRunner, gocdnext_web: LocalWeb, service: str, field: str
) -> None:
    webhook = f"{gocdnext_web.url}/services/T0ABCDEF/xyzSECRETxyz"
    env = {"CI_JOB_NAME": "build", "CI_BRANCH": "main", "CI_COMMIT_SHA": "0123456789abcdef"}
    run_plugin(
        PLUGINS / "notify", {"webhook": webhook, "service": service}, env=env, mode="function"
    ).passed()
    (received,) = gocdnext_web.received
    assert received.json() == {field: "build has run: main 01234567"}


@pytest.mark.parametrize(
    ("tag", "subjects", "version"),
    [
        (None, ["Begin"], "0.1.0"),
        ("v1.2.3", [], "1.2.3"),
        ("v1.2.3", ["docs: mend"], "1.2.3"),
        ("v1.2.3", ["fix: mend", "chore: tidy"], "1.2.4"),
        ("v1.2.3", ["fix: mend", "feat(api): add"], "1.3.0"),
        ("v1.2.3", ["feat!: turn", "fix: mend"], "2.0.0"),
        ("v1.2.3", ["fix: mend\n\nBREAKING CHANGE: turned"], "2.0.0"),
        ("v0.2.3", ["feat!: turn"], "0.3.0"),
        ("other-9.9.9", ["fix: mend"], "0.1.0"),
    ],
)
def test_the_next_version_comes_from_tags_and_commits(
    run_plugin: PluginRunner, workspace: Path, tag: str | None, subjects: list[str], version: str
) -> None:
    git(workspace, "init", "--quiet")
    git(workspace, "commit", "--quiet", "--allow-empty", "--message", "start")
    if tag:
        git(workspace, "tag", "--annotate", "--message", "x", tag)
    for number, subject in enumerate(subjects, start=1):
        git(workspace, "commit", "-q", "--allow-empty", "-m", subject, at=1_700_000_000 + number)
    outputs = run_plugin(PLUGINS / "next-version", mode="function").passed().outputs
    changed = "false" if f"v{version}" == tag else "true"
    assert outputs == {"VERSION": version, "TAG": f"v{version}", "CHANGED": changed}


def test_a_shallow_checkout_gives_no_version(
    run_plugin: PluginRunner, workspace: Path, tmp_path: Path
) -> None:
    git(tmp_path, "init", "--quiet", "app")
    for number in range(3):
        git(tmp_path / "app", "commit", "-q", "--allow-empty", "-m", f"fix: {number}")
    git(tmp_path, "clone", "--quiet", "--depth", "1", f"file://{tmp_path}/app", str(workspace))
    result = run_plugin(PLUGINS / "next-version", mode="function").exited(3)
    assert "the checkout is shallow" in result.errors[0]


def test_a_release_is_made_and_gets_its_files_once(
    run_plugin: PluginRunner, workspace: Path, gocdnext_web: LocalWeb
) -> None:
    for name in ("app.tar.gz", "app.sbom.json"):
        (workspace / name).write_bytes(name.encode() * 1000)
    release = {
        "html_url": "https://git.example/org/app/releases/1",
        "upload_url": f"{gocdnext_web.url}/upload/1/assets{{?name,label}}",
        "assets": [{"name": "app.sbom.json"}],
    }
    gocdnext_web.answer(404, {})
    gocdnext_web.answer(201, release)
    with_ = {"repository": "org/app", "tag": "v1/2", "token": TOKEN, "api": gocdnext_web.url}
    result = run_plugin(PLUGINS / "upload-release", with_ | {"files": "app.*"}, mode="function").passed()
    assert result.outputs == {"PAGE": "https://git.example/org/app/releases/1"}
    asked = [(each.method, each.path) for each in gocdnext_web.received]
    assert asked == [
        ("GET", "/repos/org/app/releases/tags/v1%2F2"),
        ("POST", "/repos/org/app/releases"),
        ("POST", "/upload/1/assets?name=app.tar.gz"),
    ]
    assert {each.headers["authorization"] for each in gocdnext_web.received} == {f"Bearer {TOKEN}"}
    assert gocdnext_web.received[-1].body == b"app.tar.gz" * 1000
    assert result.warnings == ("app.sbom.json is there already and stays as it is",)


def test_a_file_that_is_not_there_is_told_before_anything_is_sent(
    run_plugin: PluginRunner, gocdnext_web: LocalWeb
) -> None:
    with_ = {"repository": "org/app", "tag": "v1", "token": TOKEN, "api": gocdnext_web.url}
    for pattern in ("dist/*", "../*", "/etc/passwd"):
        run_plugin(PLUGINS / "upload-release", with_ | {"files": pattern}, mode="function").exited(2)
    assert gocdnext_web.received == []
