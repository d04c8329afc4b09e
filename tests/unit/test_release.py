"""The pipeline that releases this project: what it promises, read from the file itself."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from testbed.pins import pins
from testbed.rehearsal import IMAGES, PLUGINS, SHELL_TAGS, SHELLS, TAGS, VERSION, tags_of

from gocdnext_sdk.host.cli import plan, verify_images
from gocdnext_sdk.host.cli.run import command as run_command
from gocdnext_sdk.host.manifest.find import find_plugin
from gocdnext_sdk.host.manifest.load import load_plugin
from gocdnext_sdk.host.pipeline import Graph, Revision, Run, Sources, Tag, parse_file
from gocdnext_sdk.host.planning.plan_pipeline import Planner
from gocdnext_sdk.inputs.reader import read_inputs

ROOT = Path(__file__).parents[2]
FILE = ROOT / ".gocdnext" / "release.yaml"
TEXT = FILE.read_text()
JOBS: dict[str, dict[str, Any]] = yaml.safe_load(TEXT)["jobs"]
ANNOTATED = "index,manifest:org.opencontainers.image."


def references(job: str) -> set[str]:
    """Return the jobs whose image a job's inputs name."""
    return set(re.findall(r"needs\.([\w-]+)\.outputs\.reference", str(JOBS[job])))


def needed(job: str) -> set[str]:
    """Return all jobs that come before one."""
    found = set(JOBS[job].get("needs", []))
    return found.union(*(needed(each) for each in found))


def test_every_image_is_built_scanned_signed_and_published_or_none_is() -> None:
    assert references("publish") == IMAGES.keys()
    assert references("publish-shell") == SHELLS.keys()
    assert references("check") == IMAGES.keys() | SHELLS.keys()
    assert needed("publish") == {
        "check",
        *IMAGES,
        *SHELLS,
        *(f"scan-{name}" for name in IMAGES),
        *(f"sign-{name}" for name in IMAGES),
    }
    assert "publish" in needed("publish-shell")
    for name in IMAGES:
        assert references(f"scan-{name}") == {name}
        assert references(f"sign-{name}") == {name} | ({f"{name}-shell"} & SHELLS.keys())
        assert {"check", f"scan-{name}"} <= needed(f"sign-{name}")


def test_every_image_says_what_it_is_and_what_it_is_made_of() -> None:
    sources = Sources(run=Run(revision=Revision("a" * 40), cause="tag", tag=Tag(f"v{VERSION}")))
    plans = list(Planner(sources, ROOT, find_plugin).plan(Graph.of(parse_file(FILE))))
    runs = {each.name: each.run for each in plans if each.run}
    for name, repository in (IMAGES | SHELLS).items():
        lines = runs[name].inputs["annotations"].split(ANNOTATED)
        stated = dict(line.rstrip(",").split("=", 1) for line in lines if line)
        assert stated.keys() == {"title", "description", "licenses", "source", "revision"}
        assert stated["title"] == repository
        assert stated["revision"] == "a" * 40
        assert ("with a shell" in stated["description"]) == (name in SHELLS)
        assert all(stated.values())


def test_an_image_with_a_shell_is_the_image_of_this_run_and_a_layer() -> None:
    for name in PLUGINS:
        contexts = JOBS[f"{name}-shell"]["with"]["build-contexts"].splitlines()
        assert contexts[0] == f"plugin=docker-image://${{{{ needs.{name}.outputs.reference }}}}"
    last = (ROOT / "sdk" / "shell" / "Dockerfile").read_text().rpartition("\nFROM ")[2].splitlines()
    assert last[0] == "plugin"
    assert {line.partition(" ")[0] for line in last[1:]} - {"#"} == {"COPY", "ENV"}


def test_plugins_are_built_on_the_base_of_this_run_and_on_no_tag() -> None:
    for name in (*PLUGINS, "sigstore"):
        contexts = JOBS[name]["with"]["build-contexts"].splitlines()
        replaced = {
            each.partition("=")[0] for each in contexts if each.endswith("needs.base.outputs.reference }}")
        }
        stages = re.findall(
            r"^FROM (?:--platform=\S+ )?(\S+gocdnext-plugin-base:\S+) AS (\S+)",
            (ROOT / JOBS[name]["with"].get("dockerfile", f"plugins/{name}/Dockerfile")).read_text(),
            re.MULTILINE,
        )
        assert stages
        assert all({image, stage} & replaced for image, stage in stages), name


def test_a_version_gets_its_tags_and_a_pre_release_none_that_others_follow(tmp_path: Path) -> None:
    plugin = load_plugin(ROOT / "plugins" / "docker-push")
    given = {"PLUGIN_SOURCE": "a.example/b:c", "PLUGIN_TARGET": "b.example/b"}
    given["PLUGIN_TAGS"] = JOBS[".publish"]["with"]["tags"]

    def tags(name: str, flavor: str = "") -> list[str]:
        from gocdnext_sdk.runtime.ci import Ci

        extra = {"CI_TAG_NAME": name, "PLUGIN_FLAVOR": flavor}
        inputs = read_inputs(plugin.inputs, given | extra, tmp_path)
        return [str(each.tag) for each in inputs.targets(Ci.of({"CI_TAG_NAME": name}, tmp_path))]

    assert tags(f"v{VERSION}") == list(TAGS)
    assert tags("v1.2.3") == ["1.2.3", "1.2", "1", "v1", "latest"]
    assert tags("v2.0.0-rc.1") == ["2.0.0-rc.1"]
    shell = JOBS["publish-shell"]["with"]["flavor"]
    assert tags(f"v{VERSION}", shell) == list(SHELL_TAGS)
    assert tags("v2.0.0-rc.1", shell) == ["2.0.0-rc.1-shell"]


def test_the_rehearsal_expects_the_same_tags() -> None:
    assert tags_of("1.2.3") == ("1.2.3", "1.2", "1", "v1", "latest")
    assert tags_of("2.0.0-rc.1") == ("2.0.0-rc.1",)


@pytest.mark.parametrize("version", ["1.2.3", "10.20.30", "1.3.0-rc.1"])
def test_a_user_verifies_every_release_and_nothing_else(version: str) -> None:
    text = (ROOT / "docs" / "versions.md").read_text()
    signer = f"https://ci.example.com/gocdnext-plugins/release@tag/v{version}"
    patterns = re.findall(r"identity-regexp '(.+)'", text)
    assert len(patterns) == 3
    for pattern in patterns:
        assert re.search(pattern, signer)
        for other in (
            f"{signer}/x",
            f"{signer}@x",
            signer.replace("tag/v", "branch/v"),
            f"https://x/{signer}",
        ):
            assert not re.search(pattern, other)


def test_the_package_is_verified_as_it_was_signed() -> None:
    sources = Sources(run=Run(revision=Revision("a" * 40), cause="tag", tag=Tag(f"v{VERSION}")))
    plans = Planner(sources, ROOT, find_plugin).plan(Graph.of(parse_file(FILE), ["sign-package"]))
    (run,) = (each.run for each in plans if each.name == "sign-package")
    assert run
    documented = [
        command
        for command in commands(ROOT / "docs" / "versions.md", "## Verify")
        if command[:2] == ["cosign", "verify-blob"]
    ]
    flags = [[word for word in command if word.startswith("--")] for command in documented]
    signed = shlex.split(run.outputs["VERIFY_COMMAND"])
    assert flags == [
        [word.replace("-identity", "-identity-regexp") for word in signed if word.startswith("--")]
    ]
    (bundle, file) = documented[0][3], documented[0][-1]
    assert bundle == f"{file}.sigstore.json"
    assert "dist/*.sigstore.json" in (ROOT / "RELEASING.md").read_text().partition("## After")[2]


def test_after_a_release_every_plugin_is_verified_and_a_pipeline_runs_on_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(ROOT)
    verify, run = commands(ROOT / "RELEASING.md", "## After")
    parsed = verify_images.command.make_context(verify[1], verify[2:]).params
    assert {each.name for each in verify_images.used(parsed["files"])} >= {
        f"ghcr.io/klinux/gocdnext-plugin-{name}" for name in PLUGINS
    }
    assert parsed["identity"]
    assert parsed["issuer"]
    assert run[1] == "run"
    parsed = run_command.make_context(run[1], run[2:]).params
    # The published images, and nothing older or of one's own; what it publishes stays on this machine.
    assert parsed["pull"] == "always"
    assert parsed["registry"]
    assert parsed["sigstore"]
    assert not any(parsed[name] for name in ("local", "use_images", "publish"))
    used = {each.name.rpartition("/")[2] for each in verify_images.used([Path(parsed["target"])])}
    assert used == {f"gocdnext-plugin-{name}" for name in PLUGINS if name != "kaniko"}


def commands(page: Path, heading: str) -> list[list[str]]:
    """Return the commands in the shell blocks below a heading."""
    section = page.read_text().partition(f"{heading}\n")[2].partition("\n## ")[0]
    blocks = re.findall(r"^```sh\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def test_what_was_published_under_a_full_version_never_moves() -> None:
    from fnmatch import fnmatchcase

    pattern = JOBS[".publish"]["with"]["immutable-tags"]
    tags = (*TAGS, *SHELL_TAGS, "2.0.0-rc.1", "1.2")
    assert [tag for tag in tags if fnmatchcase(tag, pattern)] == [VERSION, f"{VERSION}-shell", "2.0.0-rc.1"]


def test_the_package_is_uploaded_last() -> None:
    assert {"publish", "sign-package"} <= needed("publish-package")
    assert all("publish-package" not in needed(name) for name in JOBS if not name.startswith("."))


@pytest.mark.parametrize("missing", ["SECRETS", "SIGNER", "ISSUER"])
@pytest.mark.parametrize("given", [None, "", " "])
def test_nothing_is_published_by_hand_without_a_signer_to_verify(missing: str, given: str | None) -> None:
    known: dict[str, str | None]
    known = {"SECRETS": "secrets.env", "SIGNER": "release@example.com", "ISSUER": "https://idp.example.com"}
    assert dry_publish(known).returncode == 0
    done = dry_publish(known | {missing: given})
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert f"needs {missing}" in line


def dry_publish(variables: dict[str, str | None]) -> subprocess.CompletedProcess[str]:
    """Ask make what it would do."""
    given = [f"{name}={value}" for name, value in variables.items() if value is not None]
    argv = ["make", "--dry-run", "publish", *given]
    environ = {"PATH": os.environ["PATH"]}
    return subprocess.run(argv, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)


def test_it_is_planned_whole_with_the_code_of_all_its_plugins() -> None:
    tag, plugins = f"v{VERSION}", FILE.parent / "plugins"
    argv = [str(FILE), "--event", "tag", "--tag", tag, "--plugins", str(plugins), "--json"]
    done = CliRunner().invoke(plan.command, argv)
    assert done.exit_code == 0, done.output
    planned = {each["name"]: each for each in json.loads(done.stdout)["jobs"]}
    assert planned.keys() == {name for name in JOBS if not name.startswith(".")}
    assert {name for name, each in planned.items() if not each["run"]} == set()
    signer = f"https://ci.example.com/gocdnext-plugins/release@tag/{tag}"
    for name in (*(f"sign-{each}" for each in IMAGES), "sign-package", "publish", "publish-shell"):
        assert signer in str(planned[name]["run"]["steps"]), name


def test_the_sbom_generator_is_the_pinned_one() -> None:
    assert f"generator={pins()['sbom-generator'].image}" in TEXT


def test_an_accepted_finding_has_a_reason_and_an_end() -> None:
    accepted = yaml.safe_load((ROOT / ".trivyignore.yaml").read_text())
    assert unexplained(accepted) == []


def unexplained(accepted: dict[str, list[dict[str, Any]]]) -> list[str]:
    """Return the findings that lack a reason, or an end within a quarter."""
    latest = date.today() + timedelta(days=90)  # noqa: DTZ011 - a day more or less does not matter
    return [
        str(each.get("id"))
        for each in accepted.get("vulnerabilities", [])
        if not each.get("statement")
        or not isinstance(until := each.get("expired_at"), date)
        or until > latest
    ]


@pytest.mark.parametrize(
    "entry",
    [
        {"statement": "not reached"},
        {"expired_at": date(2026, 1, 1)},
        {"statement": "no", "expired_at": date.max},
    ],
)
def test_one_without_them_is_told(entry: dict[str, Any]) -> None:
    assert unexplained({"vulnerabilities": [{"id": "CVE-1", **entry}]}) == ["CVE-1"]
