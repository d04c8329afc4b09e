"""The trivy plugin's decisions, without trivy: inputs, argv, counting, merging, judging."""

from __future__ import annotations

import fcntl
import io
import json
import tarfile
from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gocdnext_sdk import (
    Completed,
    ContainerError,
    Error,
    Findings,
    InputError,
    InputMismatch,
    Job,
    Secret,
    ToolError,
)
from gocdnext_sdk.errors import report
from gocdnext_sdk.host.manifest.load import load_plugin
from gocdnext_sdk.inputs.reader import read_inputs
from gocdnext_sdk.oci.descriptor import OCI_INDEX, OCI_MANIFEST, digest_of
from gocdnext_sdk.runtime.masking import Masker
from gocdnext_sdk.runtime.outputs import OutputFile
from gocdnext_sdk.runtime.secret_files import SecretFiles
from gocdnext_sdk.runtime.signals import Signals
from gocdnext_sdk.runtime.temporary import temporary
from gocdnext_sdk.tools.csv import fields

FOLDER = Path(__file__).parents[3] / "plugins" / "trivy"
PACKAGE = load_plugin(FOLDER).__module__.rpartition(".")[0]
trivy = SimpleNamespace(
    **{
        name: value
        for module in sorted(file.stem for file in FOLDER.glob("*.py"))
        for name, value in vars(import_module(f"{PACKAGE}.{module}")).items()
    }
)

DIGEST = "sha256:" + "a" * 64
AMD64, ARM64 = (trivy.Subject("app", (), f"linux/{arch}") for arch in ("amd64", "arm64"))

META = trivy._META.pack(trivy._MAGIC, 4096, 2, 1).ljust(4096)
"""A page of a file of bbolt that has two pages."""


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def given(environ: dict[str, str] | None = None, **inputs: str) -> Any:
    variables = {f"PLUGIN_{key.upper()}": value for key, value in inputs.items()}
    return read_inputs(trivy.TrivyInputs, variables | (environ or {}))


def mistakes(environ: dict[str, str] | None = None, **inputs: str) -> list[str]:
    with pytest.raises(InputError) as caught:
        given(environ, **inputs)
    return caught.value.lines()


def scan_argv(**inputs: str) -> list[str]:
    return trivy.scan_command(given(**inputs), trivy.Subject("it", ("it",)), "cache")


# --- inputs


def test_the_defaults_are_those_of_the_bash_plugin() -> None:
    inputs = given()
    assert (inputs.scan_type, inputs.severity, inputs.exit_code) == ("fs", ("HIGH", "CRITICAL"), 1)
    assert (inputs.ignore_unfixed, inputs.skip_db_update, inputs.format) == (True, False, "table")


def test_severities_are_read_in_any_case_and_checked() -> None:
    assert given(severity="high, Critical").severity == ("HIGH", "CRITICAL")
    (line,) = mistakes(severity="HIHG")
    assert "with.severity" in line
    assert '"HIHG"' in line
    assert 'did you mean "HIGH"?' in line


@pytest.mark.parametrize("scan_type", ["repo", "rootfs", "sbom", "image"])
def test_a_scan_without_a_default_target_needs_one(scan_type: str) -> None:
    (line,) = mistakes(scan_type=scan_type)
    assert line.startswith("with.target: ")


def test_an_image_is_named_or_an_archive_is_given_but_not_both(workspace: Path) -> None:
    (workspace / "image.tar").touch()
    assert given(scan_type="image", archive="image.tar").image is None
    (line,) = mistakes(scan_type="image", archive="image.tar", target="ghcr.io/org/app")
    assert line.startswith('with.archive: cannot be combined with "target"')


@pytest.mark.parametrize(
    ("scan_type", "ignored"),
    [
        ("config", {"scanners": "vuln"}),
        ("config", {"pkg_types": "os"}),
        ("fs", {"platforms": "linux/amd64"}),
        ("fs", {"image_source": "docker"}),
        ("sbom", {"skip_dirs": "vendor"}),
        ("config", {"skip_db_update": "true"}),
        ("config", {"db_repository": "mirror.example/db"}),
        ("config", {"ignore_unfixed": "false"}),
        ("config", {"grace": "7"}),
    ],
)
def test_an_input_that_would_be_ignored_is_a_mistake(
    scan_type: str, ignored: dict[str, str], workspace: Path
) -> None:
    (workspace / "bom.json").touch()
    target = {"target": "bom.json"} if scan_type == "sbom" else {}
    (line, *_) = mistakes(scan_type=scan_type, **target, **ignored)
    assert f"has no effect with scan-type: {scan_type}" in line


@pytest.mark.parametrize(
    ("with_", "key"),
    [
        ({"scanners": "secret", "skip_db_update": "true"}, "skip-db-update"),
        ({"scanners": "license", "db_repository": "mirror.example/db"}, "db-repository"),
        ({"scanners": "secret", "java_db_repository": "mirror.example/db"}, "java-db-repository"),
        ({"scanners": "secret,misconfig", "grace": "7"}, "grace"),
        ({"scanners": "secret", "pkg_types": "os"}, "pkg-types"),
        ({"offline": "true", "db_repository": "mirror.example/db"}, "db-repository"),
        ({"insecure_registries": "registry:5000"}, "insecure-registries"),
    ],
)
def test_what_the_scan_does_not_look_at_is_refused(with_: dict[str, str], key: str) -> None:
    assert any(line.startswith(f"with.{key}: has no effect ") for line in mistakes(**with_))


def test_a_default_and_what_holds_anyway_may_stand_in_every_scan() -> None:
    given(scan_type="config", target=".", ignore_unfixed="true", platforms="all", offline="true", grace="0")
    given(scanners="license", target=".", java_db_repository="mirror.example/java", pkg_types="os")


@pytest.mark.parametrize("target", ["u:token@ghcr.io/o/a", "https://token@ghcr.io/o/a"])
def test_credentials_before_an_image_are_a_mistake(target: str) -> None:
    (line,) = mistakes(scan_type="image", target=target)
    assert line.startswith("with.target: has credentials")
    assert "token" not in line


def test_a_repository_has_one_token() -> None:
    login = {"username": "me", "password": "the-password"}
    (line,) = mistakes(scan_type="repo", target="https://u:other@git.example/o/a", **login)
    assert line.startswith("with.target: has a token")
    given(scan_type="repo", target="https://git.example/o/a", **login)


def test_files_that_are_named_must_be_there(workspace: Path) -> None:
    lines = mistakes(ignorefile="no", config="no", target="no", format="template", template="@no.tpl")
    assert {line.split(":")[0] for line in lines} == {
        "with.ignorefile",
        "with.config",
        "with.target",
        "with.template",
    }


def test_an_image_without_its_scan_type_is_told_to_name_it() -> None:
    (line,) = mistakes(target="ghcr.io/org/app:1")
    assert line.endswith("an image is scanned with scan-type: image")


@pytest.mark.parametrize("text", ["10", "five minutes", "5m; rm", "-5m"])
def test_a_timeout_is_a_duration(text: str) -> None:
    assert "is not a duration" in mistakes(timeout=text)[0]


def test_the_daemon_as_image_source_needs_a_daemon() -> None:
    image = {"scan_type": "image", "target": "app", "image_source": "docker"}
    assert "docker: true" in mistakes(**image)[0]
    assert given({"DOCKER_HOST": "unix:///var/run/docker.sock"}, **image).image_source == "docker"


@pytest.mark.parametrize("scan_type", ["image", "fs"])
def test_a_token_in_the_target_is_never_quoted(scan_type: str) -> None:
    lines = mistakes(scan_type=scan_type, target="https://user:s3cr3t-t0ken@host/x")
    assert "s3cr3t-t0ken" not in "\n".join(lines)


# --- images in files


def layout(folder: Path, *architectures: str) -> str:
    """Write a layout with an image for each, and return the digest of their index."""

    def blob(content: dict[str, Any], media_type: str) -> dict[str, Any]:
        data = json.dumps(content).encode()
        found = {"mediaType": media_type, "digest": digest_of(data), "size": len(data)}
        path = folder / "blobs" / found["digest"].replace(":", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return found

    children = [
        {**blob({"of": each}, OCI_MANIFEST), "platform": {"os": "linux", "architecture": each}}
        for each in architectures
    ]
    root = blob({"mediaType": OCI_INDEX, "manifests": children}, OCI_INDEX)
    (folder / "index.json").write_text(json.dumps({"manifests": [root]}))
    return str(root["digest"])


def found_in(archive: str, **inputs: str) -> list[tuple[str, str, str]]:
    """Return name, platform and the digest that Trivy is given, of each image that is scanned."""
    given_ = given(scan_type="image", archive=archive, **inputs)
    job: Any = SimpleNamespace(
        workspace=Path.cwd(),
        temporary=lambda: Path.cwd(),
        say=lambda said: None,
        output=lambda **values: None,
    )
    with trivy.subjects_of(given_, job) as subjects:
        views = [json.loads(Path(each.argv[1], "index.json").read_text()) for each in subjects]
        assert [len(view["manifests"]) for view in views] == [1] * len(views)
        digests = [view["manifests"][0]["digest"] for view in views]
        assert digests == [each.digest for each in subjects]
        return [(each.name, each.platform, each.digest[:10]) for each in subjects]


def test_every_platform_of_a_layout_is_given_to_trivy_by_itself(workspace: Path) -> None:
    (workspace / "dist").mkdir()
    digest = layout(workspace / "dist", "amd64", "arm64")
    found = found_in("dist")
    assert [(name, platform) for name, platform, _ in found] == [
        (f"dist@{digest}", "linux/amd64"),
        (f"dist@{digest}", "linux/arm64"),
    ]
    assert found == found_in(f"oci:dist:{digest}")
    assert [platform for _, platform, _ in found_in("dist", platforms="linux/arm64")] == ["linux/arm64"]
    with tarfile.open(workspace / "dist.tar", "w") as archive:
        archive.add(workspace / "dist", ".")
    assert [platform for _, platform, _ in found_in("dist.tar")] == ["linux/amd64", "linux/arm64"]


def test_a_report_names_the_files_and_not_where_they_were_put() -> None:
    subject = trivy.Subject("dist/app@sha256:1", ("--input", "/tmp/x/0"), in_files=True)
    report = {"ArtifactName": "/tmp/x/0", "Results": [{"Target": "/tmp/x/0 (debian 13)"}, {"Target": "app"}]}
    trivy.name_files(report, subject)
    assert report["ArtifactName"] == "dist/app@sha256:1"
    assert [each["Target"] for each in report["Results"]] == ["dist/app@sha256:1 (debian 13)", "app"]  # type: ignore[index]


def test_which_of_several_images_in_files_is_meant_is_never_guessed(workspace: Path) -> None:
    (workspace / "dist").mkdir()
    digests = [layout(workspace / "dist", each) for each in ("amd64", "arm64")]
    entries = [{"digest": each} for each in digests]
    (workspace / "dist" / "index.json").write_text(json.dumps({"manifests": entries}))
    with pytest.raises(Error, match="holds 2 images"):
        found_in("dist")
    assert [platform for _, platform, _ in found_in(f"dist:{digests[1]}")] == ["linux/arm64"]
    saved = [{"Config": f"{each}.json", "RepoTags": None, "Layers": []} for each in "ab"]
    (workspace / "manifest.json").write_text(json.dumps(saved))
    with tarfile.open(workspace / "saved.tar", "w") as archive:
        archive.add(workspace / "manifest.json", "manifest.json")
    with pytest.raises(Error, match="holds 2 images"):
        found_in("saved.tar")


def test_an_image_that_is_not_complete_is_no_clean_one(workspace: Path) -> None:
    (workspace / "dist").mkdir()
    digest = layout(workspace / "dist", "amd64")
    (workspace / "dist" / "blobs" / digest.replace(":", "/")).unlink()
    with pytest.raises(ToolError, match="is not complete"):
        found_in("dist")


def test_files_that_are_not_there_are_a_mistake() -> None:
    (line,) = mistakes(scan_type="image", archive="dist/app")
    assert line == 'with.archive: there is no "dist/app" in the workspace'
    (line,) = mistakes(scan_type="image", archive="../app.tar")
    assert "outside the workspace" in line


# --- logins


def test_each_login_is_bound_to_its_own_host() -> None:
    inputs = given(
        scan_type="image",
        target="ghcr.io/org/app:1",
        username="alice",
        password="image-password",
        db_repository="mirror.example.com/trivy-db:2 ghcr.io/aquasecurity/trivy-db:2",
        db_username="bob",
        db_password="db-password",
    )
    logins = {str(each.registry): each.username for each in inputs.all_credentials}
    assert logins == {"ghcr.io": "alice", "mirror.example.com": "bob"}


def test_two_logins_for_one_host_are_refused() -> None:
    (line,) = mistakes(
        scan_type="image",
        target="ghcr.io/org/app:1",
        username="alice",
        password="image-password",
        db_repository="ghcr.io/mirror/trivy-db:2",
        db_username="bob",
        db_password="db-password",
    )
    assert line.startswith("with.db-username: ghcr.io has credentials already")


def test_a_database_login_needs_the_database() -> None:
    (line,) = mistakes(db_username="bob", db_password="db-password")
    assert line.startswith("with.db-repository: ")


@pytest.mark.parametrize(
    ("url", "clean", "token"),
    [
        ("https://github.com/org/repo", "https://github.com/org/repo", None),
        ("https://user:to%2Fken@host/x", "https://host/x", "to/ken"),
        ("https://token@host/x", "https://host/x", "token"),
        ("HTTPS://user:token@host/x", "HTTPS://host/x", "token"),
        ("https://user:to@ken@host/x", "https://host/x", "to@ken"),
        ("user:token@host/x", "host/x", "token"),
        ("git@host:org/repo", "git@host:org/repo", None),
        ("ghcr.io/org/app@" + DIGEST, "ghcr.io/org/app@" + DIGEST, None),
    ],
)
def test_a_login_is_taken_out_of_a_url(url: str, clean: str, token: str | None) -> None:
    assert trivy.without_login(url) == (clean, Secret(token) if token else None)


@pytest.mark.parametrize(
    "target",
    [
        "https://h.example/g/p.git?private_token=hunter2hunter2",
        "h.example/g/p.git?private_token=hunter2hunter2",
        "https://h.example/g/p.git#hunter2hunter2",
        "ssh://git:hunter2hunter2@h.example/p",
        "git+ssh://git:hunter2hunter2@h.example/p",
        "https://user:hunter2/hunter2@h.example/p",
        "https://hunter2/hunter2@h.example/p",
    ],
)
def test_a_repository_whose_address_would_show_a_token_is_refused(target: str) -> None:
    (line,) = mistakes(scan_type="repo", target=target)
    assert line.startswith("with.target: ")
    assert "hunter2" not in line
    assert "`password`" in line


@pytest.mark.parametrize(
    ("target", "word"),
    [
        ("ssh://git@h.example:22/org/repo", "ssh://git@h.example:22/org/repo"),
        ("git@h.example:org/repo", "git@h.example:org/repo"),
        ("https://h.example/~org/repo.git", "https://h.example/~org/repo.git"),
        ("https://user:hunter2hunter2@h.example/p", "https://h.example/p"),
        ("user:hunter2hunter2@h.example/p", "h.example/p"),
        ("a#b@c", "a#b@c"),
    ],
)
def test_any_other_repository_is_trivys_last_word(workspace: Path, target: str, word: str) -> None:
    (workspace / "a#b@c").mkdir()
    inputs = given(scan_type="repo", target=target)
    (subject,) = trivy.find_subjects(inputs, SimpleNamespace())
    assert trivy.scan_command(inputs, subject, "cache")[-1] == word


@pytest.mark.parametrize(
    ("target", "token"),
    [
        ("https://github.com/org/repo", "github-token"),
        ("github.com/org/repo", "github-token"),
        ("https://gitlab.com/org/repo", "gitlab-token"),
        ("https://git.example.com/org/repo", None),
        ("https://github.com.example.com/org/repo", None),
        ("https://x:own-token@git.example.com/org/repo", "own-token"),
    ],
)
def test_a_git_token_of_the_job_goes_to_its_own_host_only(target: str, token: str | None) -> None:
    environ = {"GITHUB_TOKEN": "github-token", "GITLAB_TOKEN": "gitlab-token"}
    login = trivy.git_login(given(scan_type="repo", target=target), environ)
    assert login == ({"GITHUB_TOKEN": Secret(token)} if token else {})


# --- argv


def test_a_config_scan_gets_no_flag_about_packages(workspace: Path) -> None:
    argv = scan_argv(scan_type="config", offline="true", skip_dirs="a,b")
    assert argv[0] == "config"
    assert not {"--ignore-unfixed", "--skip-db-update", "--offline-scan", "--no-progress"} & set(argv)
    assert argv[-5:] == ["--skip-dirs", "a", "--skip-dirs", "b", "it"]


def test_what_is_given_wins_over_trivys_configuration_and_the_jobs_variables() -> None:
    """Source: Trivy 0.74 `pkg/flag/options.go`, by which a flag that is not there is read from these."""
    assert "--ignore-unfixed" in scan_argv()
    assert "--ignore-unfixed=false" in scan_argv(ignore_unfixed="false")
    assert {"--skip-db-update=false", "--offline-scan=false"} <= set(
        scan_argv(skip_db_update="false", offline="false")
    )
    assert "--offline-scan=false" in scan_argv(skip_db_update="true", offline="false")
    assert not any("=false" in each for each in scan_argv() if each != "--insecure=false")
    argv = scan_argv(skip_db_update="false", offline="true")
    assert argv.index("--skip-db-update") > argv.index("--skip-db-update=false")


@pytest.mark.parametrize(
    ("text", "globs"),
    [
        ("a,b\nc", ["a", "b", "c"]),
        ("**/{test,tests}, *.{js,ts}", ["**/{test,tests}", "*.{js,ts}"]),
        ("{a,{b,c}},d # {", ["{a,{b,c}}", "d"]),
        ("[,;]x,[{],b", ["[,;]x", "[{]", "b"]),
        (r"\{a,b\,c", [r"\{a", r"b\,c"]),
        ('a"b', ['a"b']),
        ("a]", ["a]"]),
        ("[!]],[^]]", None),
        ("[]a]", None),
        ("{a,b\nc}", None),
        ("{a,b", None),
        ("a}", None),
        ("[a", None),
        ("a\\", None),
        ("a/{b/../c}", None),  # Trivy cleans the path first: a/c}
    ],
)
@pytest.mark.parametrize("key", ["skip_dirs", "skip_files"])
def test_globs_are_those_of_doublestar(key: str, text: str, globs: list[str] | None) -> None:
    """A malformed one would disable all after it. Source: doublestar 4.10 `doValidatePattern`."""
    if globs is None:
        (line,) = mistakes(**{key: text})
        assert line.startswith(f"with.{key.replace('_', '-')}: item "), line
    else:
        argv, flag = scan_argv(**{key: text}), f"--{key.replace('_', '-')}"
        words = [word for name, word in pairwise(argv) if name == flag]
        assert [fields(each) for each in words] == [(each,) for each in globs]


def test_of_an_sbom_the_vex_documents_that_it_names_are_fetched(workspace: Path) -> None:
    """Source: Trivy 0.74 `pkg/vex/vex.go`, `NewSource`."""
    (workspace / "bom.json").touch()
    sbom = {"scan_type": "sbom", "target": "bom.json"}
    assert "sbom-ref" in scan_argv(**sbom, vex="sbom-ref")
    assert scan_argv(**sbom, vex="repository", offline="true")[-3:-1] == ["--vex", "repository"]
    (line,) = mistakes(**sbom, vex="sbom-ref", offline="true")
    assert line.startswith('with.vex: "sbom-ref" fetches')
    (line,) = mistakes(vex="sbom-ref")
    assert line.startswith('with.vex: "sbom-ref" is for scan-type: sbom')


@pytest.mark.parametrize("scan_type", ["fs", "config", "rootfs", "sbom", "repo"])
def test_a_target_outside_the_workspace_is_a_mistake(scan_type: str, workspace: Path) -> None:
    (workspace / "link").symlink_to(workspace.parent)
    for target in ("..", str(workspace.parent), "link"):
        (line,) = mistakes(scan_type=scan_type, target=target)
        assert line.startswith(f'with.target: "{target}" is outside the workspace'), line


def test_trivys_own_exit_code_is_never_asked_for_findings() -> None:
    argv = scan_argv(exit_code="5")
    assert argv[argv.index("--exit-code") + 1] == "0"


def test_the_report_may_show_more_than_what_counts() -> None:
    argv = scan_argv(severity="CRITICAL", report_severity="LOW,HIGH")
    assert argv[argv.index("--severity") + 1] == "CRITICAL,HIGH,LOW"


def test_offline_forbids_every_update() -> None:
    flags = {"--skip-db-update", "--skip-java-db-update", "--offline-scan", "--skip-check-update"}
    assert flags <= set(scan_argv(offline="true"))
    assert not {"--skip-db-update", "--skip-java-db-update", "--offline-scan"} & set(scan_argv())


def test_scan_and_conversion_agree_on_what_is_ignored(workspace: Path) -> None:
    (workspace / "ignore").touch()
    (workspace / "trivy.conf").touch()
    inputs = given(ignorefile="ignore", config="trivy.conf")
    for argv in (
        trivy.scan_command(inputs, trivy.Subject("it", ("it",)), "cache"),
        trivy.convert_command(inputs, "table", "r"),
    ):
        assert argv[argv.index("--ignorefile") + 1] == "ignore"
        assert argv[argv.index("--config") + 1] == "trivy.conf"


# --- reports

REPORT = {
    "SchemaVersion": 2,
    "ArtifactName": "app",
    "Metadata": {"ImageConfig": {"os": "linux", "architecture": "arm", "variant": "v7"}},
    "Results": [
        {
            "Target": "lib",
            "Vulnerabilities": [{"Severity": "HIGH"}, {"Severity": "LOW"}],
            "Secrets": [{"Severity": "CRITICAL"}],
            "Licenses": [{}],
            "Misconfigurations": [
                {"Severity": "HIGH", "Status": "FAIL"},
                {"Severity": "HIGH", "Status": "PASS"},
            ],
        },
        {"Target": "clean"},
    ],
}
CLEAN = {"SchemaVersion": 2, "ArtifactName": "app"}


def test_every_kind_of_finding_counts_and_passed_checks_do_not() -> None:
    assert trivy.count(REPORT) == Counter(HIGH=2, LOW=1, CRITICAL=1, UNKNOWN=1)
    assert trivy.count(CLEAN) == Counter()


@pytest.mark.parametrize(
    ("report", "wanted", "which"),
    [
        (REPORT, "linux/arm64", "linux/arm/v7, which `platforms` does not name"),
        (CLEAN, "linux/arm64", "no platform that it names"),
        (CLEAN, "all", None),
        (REPORT, "linux/arm", None),
    ],
)
def test_what_is_not_for_the_platform_has_no_result(
    workspace: Path, report: dict[str, Any], wanted: str, which: str | None
) -> None:
    inputs = given(scan_type="image", target="app", scanners="misconfig")
    job = SimpleNamespace(workspace=workspace, environ={}, temporary=lambda: workspace)
    done = Completed(0, json.dumps(report).encode())
    tool = SimpleNamespace(capture_each=lambda argvs: [done for _ in argvs])
    subject = trivy.Subject("app", ("app",), wanted=(wanted,))
    with nullcontext() if which is None else pytest.raises(ToolError, match=f"app is for {which}"):
        assert len(trivy.scan(inputs, job, tool, [subject])) == 1


def test_the_platform_is_read_from_the_image() -> None:
    assert trivy.platform_of(REPORT) == "linux/arm/v7"
    assert trivy.platform_of(CLEAN) == ""


def test_an_error_names_the_database_that_was_asked() -> None:
    own = {"db_repository": "mirror.example/db:2", "java_db_repository": "mirror.example/java:1"}
    assert trivy.after_download(given(), {}) == " with the database of the Trivy project"
    assert "mirror.example/db:2, mirror.example/java:1" in trivy.after_download(given(**own), {})
    ambient = {"TRIVY_DB_REPOSITORY": "other.example/db:2"}
    assert trivy.after_download(given(), ambient) == " with the database of other.example/db:2"
    assert "other.example" not in trivy.after_download(given(**own), ambient)
    assert trivy.after_download(given(**own, skip_db_update="true"), {}) == ""
    for more in ({"offline": "true"}, {"scanners": "secret"}):
        assert trivy.after_download(given(**more), {}) == ""


@pytest.mark.parametrize("text", [b"", b"usage: trivy", b"[]", b'{"ID": "docker-cis"}'])
def test_anything_but_a_report_is_a_failure(text: bytes) -> None:
    with pytest.raises(ToolError, match="no JSON report"):
        trivy.read_report(text)


def test_the_report_of_one_image_is_trivys_own() -> None:
    assert trivy.merge({trivy.Subject("app", (), "linux/arm/v7"): REPORT}) is REPORT


def test_a_merged_report_names_the_index_and_each_results_platform() -> None:
    merged = trivy.merge(
        {
            trivy.Subject(f"app@{DIGEST}", (), "linux/amd64"): REPORT,
            trivy.Subject(f"app@{DIGEST}", (), "linux/arm64"): CLEAN,
        }
    )
    assert merged["ArtifactName"] == f"app@{DIGEST}"
    assert "ImageConfig" not in merged["Metadata"]
    assert [result["Target"] for result in merged["Results"]] == ["linux/amd64: lib", "linux/amd64: clean"]
    assert trivy.count(merged) == trivy.count(REPORT)


def sarif(*results: str) -> str:
    """A log of Trivy's with a finding for each text, a rule for each too."""
    rules = [{"id": each} for each in results]
    found = [
        {"ruleId": each, "ruleIndex": number, "message": {"text": f"about {each}"}}
        for number, each in enumerate(results)
    ]
    run = {"tool": {"driver": {"name": "Trivy", "rules": rules}}, "results": found}
    return json.dumps({"version": "2.1.0", "runs": [run]})


def test_equal_results_of_several_platforms_are_one_in_sarif() -> None:
    merged = json.loads(trivy.merge_sarif({AMD64: sarif("b", "a"), ARM64: sarif("a", "c")}))
    (run,) = merged["runs"]
    rows = {each["ruleId"]: each["properties"]["platforms"] for each in run["results"]}
    assert rows == {"b": ["linux/amd64"], "a": ["linux/amd64", "linux/arm64"], "c": ["linux/arm64"]}
    rules = [each["id"] for each in run["tool"]["driver"]["rules"]]
    assert all(rules[each["ruleIndex"]] == each["ruleId"] for each in run["results"])
    assert run["results"][1]["message"]["text"] == "about a\nPlatforms: linux/amd64, linux/arm64"
    assert run["properties"]["platforms"] == ["linux/amd64", "linux/arm64"]


def vulnerability(name: str, package: str = "p", **more: Any) -> dict[str, Any]:
    return {"VulnerabilityID": name, "PkgName": package, "InstalledVersion": "1", "Severity": "HIGH"} | more


def test_equal_findings_of_several_platforms_are_one_row() -> None:
    """The system's packages are named after the image of their platform, and carry its architecture."""

    def report(image: str, *found: dict[str, str]) -> dict[str, Any]:
        target = f"{image} (debian 13)"
        result = {"Target": target, "Class": "os-pkgs", "Type": "debian", "Vulnerabilities": [*found]}
        return {"SchemaVersion": 2, "ArtifactName": image, "Results": [result]}

    united = trivy.unite(
        {
            AMD64: report("r@1", vulnerability("A", PkgIdentifier="amd64"), vulnerability("B")),
            ARM64: report("r@2", vulnerability("A", PkgIdentifier="arm64"), vulnerability("B", "other")),
        }
    )
    rows = {
        result["Target"]: [each["VulnerabilityID"] for each in result["Vulnerabilities"]]
        for result in united["Results"]
    }
    assert rows == {
        "linux/amd64, linux/arm64: app (debian 13)": ["A"],
        "linux/amd64: app (debian 13)": ["B"],
        "linux/arm64: app (debian 13)": ["B"],
    }


def test_a_platform_without_findings_keeps_its_line() -> None:
    united = trivy.unite({AMD64: REPORT, ARM64: {**REPORT, "Results": [{"Target": "lib"}]}})
    assert [each["Target"] for each in united["Results"]] == [
        "linux/amd64: lib",
        "linux/arm64: lib",
        "linux/amd64: clean",
    ]
    assert trivy.count(united) == trivy.count(REPORT)


class TestReports:
    def test_each_has_a_format_and_a_file(self) -> None:
        inputs = given(reports="sarif=a.sarif\n# for people\nhtml = out/b.html\n")
        assert [tuple(each) for each in inputs.wanted] == [("sarif", "a.sarif"), ("html", "out/b.html")]
        assert inputs.in_log.format == "table"
        assert given(format="json").in_log.format == "json"
        assert [str(each) for each in given(format="json", output="x").wanted] == ["json=x"]

    @pytest.mark.parametrize(
        ("text", "what"),
        [
            ("sarif", "item 1 is not FORMAT=PATH"),
            ("sarif=", "item 1 is not FORMAT=PATH"),
            ("json=a\nserif=b", 'did you mean "sarif"?'),
            ("json=a\nsarif=a", "item 2 has the path of an earlier one"),
            ("json=a/b\nsarif=./a//b", "item 2 has the path of an earlier one"),
            ("json=../a", "is outside the workspace"),
            ("template=a", "with.template: is required"),
            ("json=.", "is a directory"),
        ],
    )
    def test_what_is_none_is_a_mistake(self, text: str, what: str) -> None:
        (line,) = mistakes(reports=text)
        assert what in line

    def test_no_report_is_lost_in_the_log_beside_the_table(self) -> None:
        (line,) = mistakes(format="json", reports="sarif=a.sarif")
        assert line.startswith("with.format: json has no file")
        for path in ("a", "./a"):
            (line,) = mistakes(format="json", output=path, reports="sarif=a")
            assert line.startswith("with.reports: ")

    def test_a_platform_in_the_path_makes_a_file_for_each(self) -> None:
        wanted = trivy.Wanted("cyclonedx", "sbom/{platform}.json")
        assert dict(trivy.places(wanted, {AMD64: 0, ARM64: 0})) == {
            "sbom/linux-amd64.json": AMD64,
            "sbom/linux-arm64.json": ARM64,
        }
        assert dict(trivy.places(trivy.Wanted("json", "a"), {AMD64: 0, ARM64: 0})) == {"a": None}
        # An image that names no platform still has its file.
        assert [*dict(trivy.places(wanted, {trivy.Subject("app", ()): 0}))] == ["sbom/image.json"]

    def test_what_describes_one_image_needs_a_file_for_each(self) -> None:
        images = [AMD64, ARM64]
        trivy.refuse_reports(given(reports="cyclonedx={platform}.json"), images)
        trivy.refuse_reports(given(reports="cyclonedx=a.json"), images[:1])
        for inputs in ({"reports": "cyclonedx=a.json"}, {"format": "spdx"}):
            with pytest.raises(InputMismatch):
                trivy.refuse_reports(given(**inputs), images)

    def test_no_report_takes_the_file_of_another(self) -> None:
        trivy.refuse_reports(given(reports="json={platform}.json\nsarif=all.json"), [AMD64, ARM64])
        with pytest.raises(InputMismatch, match="linux-amd64"):
            trivy.refuse_reports(
                given(reports="json=r/{platform}.json\nsarif=./r/linux-amd64.json"), [AMD64, ARM64]
            )
        bases = [replace(AMD64, base=each) for each in ("org/app", "org-app")]
        with pytest.raises(InputMismatch):
            trivy.refuse_reports(given(reports="cyclonedx={platform}.json"), bases)

    def test_trivys_own_templates_are_beside_it_and_not_in_the_checkout(self, workspace: Path) -> None:
        def template(report_format: str, **inputs: str) -> str:
            argv = trivy.convert_command(given(**inputs), report_format, "r", "/usr/local/bin/trivy")
            return argv[argv.index("--template") + 1]

        asked = {"format": "template", "template": "@contrib/html.tpl"}
        assert template("template", **asked) == "@/contrib/html.tpl"
        (workspace / "contrib").mkdir()
        (workspace / "contrib" / "html.tpl").touch()
        assert template("html") == "@/contrib/html.tpl"
        assert template("template", **asked) == "@contrib/html.tpl"


class TestAtTheSameTime:
    """On which databases scans run."""

    def test_a_database_is_due_as_trivy_has_it(self, workspace: Path) -> None:
        folder = workspace / "db"
        assert trivy.is_due(folder)
        folder.mkdir()
        now = datetime.now(UTC)

        def metadata(next_update: timedelta, downloaded: timedelta) -> None:
            times = {"NextUpdate": now + next_update, "DownloadedAt": now + downloaded}
            text = {key: f"{value:%Y-%m-%dT%H:%M:%S}.123456789Z" for key, value in times.items()}
            (folder / "metadata.json").write_text(json.dumps(text))

        metadata(timedelta(hours=1), timedelta(days=-1))
        assert not trivy.is_due(folder)
        metadata(timedelta(hours=-1), timedelta(minutes=-59))
        assert not trivy.is_due(folder)
        metadata(timedelta(hours=-1), timedelta(minutes=-61))
        assert trivy.is_due(folder)
        (folder / "metadata.json").write_text("[]")
        assert trivy.is_due(folder)

    def test_only_one_scan_may_fetch_the_index_of_java(self, workspace: Path) -> None:
        for name in ("db", "java-db"):
            (workspace / "cache" / name).mkdir(parents=True)
        with trivy.caches_beside(workspace / "cache", 1, workspace, java=False) as (beside,):
            assert {each.name for each in Path(beside).iterdir()} == {"db", "fanal"}
        assert not Path(beside).exists()
        with trivy.caches_beside(workspace / "cache", 1, workspace, java=True) as (beside,):
            assert {each.name for each in Path(beside).iterdir()} == {"db", "java-db", "fanal"}

    def test_each_scan_keeps_layers_in_a_file_of_its_own(self, workspace: Path) -> None:
        cache = workspace / "cache"
        cache.mkdir()
        with trivy.caches_beside(cache, 2, workspace, java=True) as beside:
            for each in beside:
                assert trivy.keeps_layers(Path(each))
                (Path(each) / trivy.LAYERS).write_text(each)
            kept = [(cache / f"fanal-{number}.db").read_text() for number in (2, 3)]
        assert kept == beside

    def test_a_cache_that_is_not_there_yet_keeps_the_layers_of_one_scan(self, workspace: Path) -> None:
        with trivy.caches_beside(workspace / "cache", 1, workspace, java=True) as (beside,):
            assert not trivy.keeps_layers(Path(beside))
            assert trivy.keeps_layers(workspace / "cache")

    def test_layers_are_kept_where_nobody_else_has_them_open(self, workspace: Path) -> None:
        cache = workspace / "cache"
        assert trivy.keeps_layers(cache)
        assert not cache.exists()
        layers = cache / trivy.LAYERS
        layers.parent.mkdir(parents=True)
        with layers.open("wb") as file:
            assert trivy.keeps_layers(cache)
            fcntl.flock(file, fcntl.LOCK_EX)
            assert not trivy.keeps_layers(cache)
        assert trivy.keeps_layers(cache)

    @pytest.mark.parametrize(
        ("content", "whole"),
        [(b"", True), (META + META, True), (META, False), (META[:20], False), (b"\0" * 8192, False)],
    )
    def test_layers_that_have_lost_their_end_are_removed(
        self, workspace: Path, content: bytes, whole: bool
    ) -> None:
        layers = workspace / trivy.LAYERS
        layers.parent.mkdir(parents=True)
        layers.write_bytes(content)
        assert trivy.keeps_layers(workspace)
        assert layers.exists() is whole

    def test_what_another_scan_opened_first_is_done_without(self, workspace: Path) -> None:
        class Late:
            """A tool that finds the layers locked, as where two jobs have looked at once."""

            def __init__(self) -> None:
                self.backends: list[str] = []

            def capture_each(self, argvs: list[list[str]]) -> list[Completed | ToolError]:
                asked = [argv[argv.index("--cache-backend") + 1] for argv in argvs]
                self.backends += asked
                said = b"unable to initialize cache: cache may be in use by another process: timeout"
                return [Completed(0) if each == "memory" else ToolError("x", said=said) for each in asked]

        (workspace / "cache").mkdir()
        log = Log()
        job = SimpleNamespace(workspace=workspace, environ={}, temporary=lambda: workspace, say=log.say)
        inputs, tool = given(scan_type="image", target="app", scanners="vuln"), Late()
        ended = trivy.Scans(inputs, job, tool, "cache").all(
            [replace(each, argv=("app",)) for each in (AMD64, ARM64)]
        )
        assert ended == [Completed(0), Completed(0)]
        assert tool.backends == ["fs", "fs", "memory", "memory"]

    @pytest.mark.parametrize(
        ("lines", "base"),
        [
            ("ADD, -CMD sh, RUN x, -CMD y", 1),
            ("ADD, -/bin/sh -c #(nop)  CMD sh, RUN x", 1),
            ("ADD, -ENV a=b, RUN x, -CMD sh, -LABEL c, COPY y, -ENTRYPOINT z, -CMD z", 2),
            ("ADD, -CMD sh, RUN x, -CMD y, RUN z", 2),
            ("ADD, -CMD sh", 0),
            ("ADD, -ENTRYPOINT sh, RUN x", 0),
            ("ADD, CMD sh, RUN x", 0),
            ("-CMD sh, ADD", 0),
            ("-CMD sh", 0),
            ("", 0),
        ],
    )
    def test_the_layers_of_the_base_are_those_trivy_takes_for_it(self, lines: str, base: int) -> None:
        history = [
            {"created_by": each.lstrip("-"), "empty_layer": each.startswith("-")}
            for each in filter(None, lines.split(", "))
        ]
        layers = [f"sha256:{number}" for number, each in enumerate(history) if not each["empty_layer"]]
        configuration = {"history": history, "rootfs": {"diff_ids": layers}}
        assert trivy.base_layers(configuration) == layers[:base]
        assert (trivy.telling_apart(configuration, "") == trivy.telling_apart({}, "")) == (not base)

    @pytest.mark.parametrize("odd", [{}, {"history": 3}, {"history": [3], "rootfs": 4}, {"rootfs": {}}])
    def test_a_configuration_may_be_odd(self, odd: dict[str, Any]) -> None:
        assert trivy.telling_apart(odd, "") == trivy.telling_apart({}, "")

    def test_what_another_trivy_has_found_is_no_answer(self, workspace: Path) -> None:
        """Its rules for secrets change, and the name under which it keeps what they find does not."""
        (one, other) = (workspace / name for name in ("one", "other"))
        one.write_text("Trivy 1")
        other.write_text("Trivy 1.1")
        assert trivy.telling_apart({}, str(one)) != trivy.telling_apart({}, str(other))

    def test_layers_are_not_kept_without_end(self, workspace: Path) -> None:
        small, large = workspace / trivy.LAYERS, workspace / "fanal-2.db"
        small.parent.mkdir()
        small.write_bytes(b"12")
        with large.open("wb") as file:
            file.truncate(257 * 1024 * 1024)
        trivy.drop_large(workspace)
        assert small.exists()
        assert not large.exists()


def test_a_database_says_when_it_was_made(workspace: Path) -> None:
    assert trivy.database_date(workspace) == ""
    (workspace / "db").mkdir()
    (workspace / "db" / "metadata.json").write_text('{"UpdatedAt": "2026-01-02T03:04:05Z"}')
    assert trivy.database_date(workspace) == "2026-01-02T03:04:05Z"


# --- the verdict


class Log:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)


def test_findings_end_the_job_with_the_code_asked_for_and_say_where_they_are() -> None:
    counts = {AMD64: Counter(HIGH=2, LOW=9), ARM64: Counter(LOW=9)}
    with pytest.raises(Findings) as caught:
        trivy.judge(given(exit_code="7"), Log(), counts)
    assert caught.value.exit_code == 7
    assert str(caught.value) == "findings: 2 HIGH in app (linux/amd64: 2 HIGH; linux/arm64: none)"


def test_findings_are_advisory_with_exit_code_0() -> None:
    log = Log()
    trivy.judge(given(exit_code="0"), log, {trivy.Subject(".", ()): Counter(CRITICAL=1)})
    assert log.lines == ["findings: 1 CRITICAL in .; advisory, as `exit-code` is 0"]


def test_what_does_not_count_leaves_it_clean() -> None:
    log = Log()
    trivy.judge(given(), log, {AMD64: Counter(LOW=9), ARM64: Counter()})
    assert log.lines == ["clean: nothing HIGH or CRITICAL in app (linux/amd64, linux/arm64)"]


def test_the_outputs_count_the_report_and_what_matters() -> None:
    outputs = trivy.summarize(given(), {AMD64: Counter(HIGH=2, LOW=9), ARM64: Counter(CRITICAL=1)})
    assert outputs == {
        "CRITICAL": "1",
        "HIGH": "2",
        "MEDIUM": "0",
        "LOW": "9",
        "UNKNOWN": "0",
        "FINDINGS": "3",
        "PLATFORMS": "linux/amd64,linux/arm64",
    }
    assert set(outputs) <= set(trivy.Trivy.outputs)


class TestSeveralImagesOfOnePlatform:
    """As an index has for each version of Windows: only their digests tell them apart."""

    SUBJECTS = tuple(
        trivy.Subject("app", (digit,), "windows/amd64", f"sha256:{digit * 64}") for digit in ("1", "2")
    )

    def test_each_is_named_in_the_sarif_log(self) -> None:
        texts = dict(zip(self.SUBJECTS, (sarif("x"), sarif("y")), strict=True))
        (run,) = json.loads(trivy.merge_sarif(texts))["runs"]
        assert len({str(each["properties"]["platforms"]) for each in run["results"]}) == 2

    def test_each_counts_in_the_verdict(self) -> None:
        counts = dict(zip(self.SUBJECTS, (Counter(CRITICAL=2), Counter[str]()), strict=True))
        with pytest.raises(Findings) as caught:
            trivy.judge(given(), Log(), counts)
        assert f"windows/amd64 sha256:{'1' * 64}: 2 CRITICAL" in str(caught.value)
        assert f"windows/amd64 sha256:{'2' * 64}: none" in str(caught.value)
        assert trivy.summarize(given(), counts)["PLATFORMS"] == "windows/amd64"

    def test_each_has_its_place_in_table_and_report(self) -> None:
        assert str(trivy.unite(dict.fromkeys(self.SUBJECTS, REPORT))).count("windows/amd64 sha256:") == 4
        merged = trivy.merge(dict.fromkeys(self.SUBJECTS, REPORT))
        assert len({result["Target"] for result in merged["Results"]}) == 2 * len(REPORT["Results"])


def test_a_path_that_is_too_long_is_not_there() -> None:
    (line,) = mistakes(scan_type="fs", target="x/" * 5000)
    assert line.startswith("with.target: there is no")


def test_an_ignore_file_that_trivy_passes_over_is_told_of(workspace: Path) -> None:
    assert not list(trivy.ignored_ignorefiles(given(), {}, workspace))
    (workspace / ".trivyignore").write_text("CVE-2024-1\n")
    assert not list(trivy.ignored_ignorefiles(given(), {}, workspace))
    (workspace / ".trivyignore.yaml").write_text("vulnerabilities: []\n")
    (line,) = trivy.ignored_ignorefiles(given(), {}, workspace)
    assert line.startswith(".trivyignore.yaml is not used")
    assert not list(trivy.ignored_ignorefiles(given(ignorefile=".trivyignore.yaml"), {}, workspace))
    named = {"TRIVY_IGNOREFILE": ".trivyignore.yaml"}
    assert not list(trivy.ignored_ignorefiles(given(), named, workspace))
    assert not list(trivy.honoured_files(given(), named, workspace))
    (workspace / ".trivyignore").write_text("vulnerabilities:\n  - id: CVE-2024-1\n")
    (line,) = mistakes()
    assert line.startswith("with.ignorefile: .trivyignore:1 is YAML")


def report_of(*found: dict[str, Any], target: str = "t", kind: str = "Vulnerabilities") -> dict[str, Any]:
    return {"SchemaVersion": 2, "Results": [{"Target": target, kind: [*found]}]}


class TestWhatIsLetPass:
    NOW = datetime(2026, 6, 8, 12, tzinfo=UTC)

    def allowed(self, found: Any, baseline: Any = None, subject: Any = AMD64, **inputs: str) -> Any:
        return trivy.allow(given(**inputs), {subject: found}, baseline, self.NOW)

    def test_a_finding_of_the_baseline_is_known_whatever_its_version(self) -> None:
        before = trivy.Baseline.of(
            "old", {"linux/amd64": report_of(vulnerability("A", InstalledVersion="0"))}
        )
        found = report_of(vulnerability("A"), vulnerability("A", "other"), vulnerability("B"))
        allowed = self.allowed(found, before)
        assert allowed.known == ["A (p)"]
        assert allowed.left[AMD64] == Counter(HIGH=2)

    def test_a_platform_is_held_against_its_own_and_a_new_one_against_any(self) -> None:
        before = trivy.Baseline.of(
            "old", {"linux/amd64": report_of(), "linux/arm64": report_of(vulnerability("A"))}
        )
        found = report_of(vulnerability("A"))
        assert not self.allowed(found, before).known
        assert self.allowed(found, before, subject=ARM64).known
        assert self.allowed(found, before, subject=trivy.Subject("app", (), "linux/s390x")).known

    @pytest.mark.parametrize("kind", ["Secrets", "Misconfigurations"])
    def test_a_secret_in_another_file_is_new(self, kind: str) -> None:
        secret = {"RuleID": "r", "ID": "r", "Severity": "HIGH", "Status": "FAIL"}
        before = trivy.Baseline("old", {"": frozenset(trivy._keys(report_of(secret, target="a", kind=kind)))})
        assert self.allowed(report_of(secret, target="a", kind=kind), before).known
        assert not self.allowed(report_of(secret, target="b", kind=kind), before).known

    def test_a_report_of_several_platforms_is_a_baseline(self, workspace: Path) -> None:
        merged = trivy.merge({AMD64: report_of(vulnerability("A")), ARM64: report_of()})
        (workspace / "old.json").write_text(json.dumps(merged))
        inputs = given(baseline="old.json")
        before = trivy.read_baseline(inputs, workspace, {})
        assert self.allowed(report_of(vulnerability("A")), before).known
        assert not self.allowed(report_of(vulnerability("A")), before, subject=ARM64).known

    def test_a_report_of_several_bases_is_a_baseline(self, workspace: Path) -> None:
        secret = {"RuleID": "r", "Severity": "HIGH"}
        bases = [replace(AMD64, base=each) for each in ("python:3.13", "ghcr.io/org/base:1")]
        found = report_of(secret, target="a", kind="Secrets")
        (workspace / "old.json").write_text(json.dumps(trivy.merge({bases[0]: found, bases[1]: report_of()})))
        before = trivy.read_baseline(given(baseline="old.json"), workspace, {})
        assert self.allowed(found, before, subject=bases[0]).known

    def test_a_file_that_is_no_report_is_no_baseline(self, workspace: Path) -> None:
        (workspace / "old.json").write_text("{}")
        with pytest.raises(InputMismatch):
            trivy.read_baseline(given(baseline="old.json"), workspace, {})

    @pytest.mark.parametrize(
        ("published", "new"),
        [
            ("2026-06-01T12:00:01.123Z", True),
            ("2026-06-01T12:00:00Z", False),
            ("2027-01-01T00:00:00Z", True),
            ("", False),
            ("soon", False),
        ],
    )
    def test_grace_ends_after_its_days(self, published: str, new: bool) -> None:
        found = report_of(vulnerability("A", PublishedDate=published))
        assert bool(self.allowed(found, grace="7d").in_grace) == new
        assert not self.allowed(found).in_grace

    def test_what_does_not_count_anyway_is_not_let_pass(self) -> None:
        found = report_of(vulnerability("A", Severity="LOW"))
        allowed = self.allowed(found, trivy.Baseline.of("old", {"linux/amd64": found}))
        assert not allowed.known
        assert allowed.left[AMD64] == Counter(LOW=1)

    @pytest.mark.parametrize(
        ("inputs", "key"),
        [
            ({"baseline": "no.json"}, "baseline"),
            ({"baseline": "ghcr.io/org/app:1"}, "baseline"),
            ({"baseline": DIGEST}, "baseline"),
            ({"grace": "1w"}, "grace"),
            ({"grace": "-1"}, "grace"),
        ],
    )
    def test_a_baseline_that_cannot_be_one_is_a_mistake(self, inputs: dict[str, str], key: str) -> None:
        (line,) = mistakes(**inputs)
        assert line.startswith(f"with.{key}: ")

    def test_the_last_line_says_what_was_let_pass(self) -> None:
        log = Log()
        trivy.judge(given(), log, {AMD64: Counter()}, "2 known")
        assert log.lines == ["clean: nothing HIGH or CRITICAL in app (linux/amd64); let pass: 2 known"]


class TestBaseImages:
    def dockerfile(self, workspace: Path, *lines: str) -> None:
        (workspace / "Dockerfile").write_text("\n".join(lines) + "\n")

    def names(self, **inputs: str) -> list[str]:
        model = given(scan_type="dockerfile", **inputs)
        return [str(each) for each in model.bases({}, Path()).values()]

    def test_stages_scratch_and_repetitions_are_none(self, workspace: Path) -> None:
        self.dockerfile(
            workspace,
            "ARG BASE=debian",
            "FROM golang:1.26 AS build",
            "FROM ${BASE}:13",
            "COPY --from=busybox /x /x",
            "FROM build AS test",
            "FROM scratch",
            "FROM golang:1.26",
        )
        assert self.names() == ["docker.io/library/golang:1.26", "docker.io/library/debian:13"]
        assert self.names(build_args="BASE=ghcr.io/org/base")[1] == "ghcr.io/org/base:13"

    def test_an_image_that_is_left_open_is_a_mistake_with_its_line(self, workspace: Path) -> None:
        self.dockerfile(workspace, "ARG TAG", "FROM debian:$TAG")
        (line,) = mistakes(scan_type="dockerfile")
        assert "Dockerfile:2: `FROM debian:$TAG`" in line
        assert self.names(build_args="TAG=13") == ["docker.io/library/debian:13"]

    def test_a_platform_that_a_stage_names_is_the_one(self, workspace: Path) -> None:
        self.dockerfile(workspace, "FROM --platform=linux/arm64 a/b", "FROM --platform=$BUILDPLATFORM c/d")
        found = given(scan_type="dockerfile").bases({}, Path())
        assert [each.platform for each in found] == ["linux/arm64", None]

    @pytest.mark.parametrize("text", ["FROM scratch\n", "", "FROM UPPER\n", "RUN <<\n"])
    def test_what_has_no_base_is_a_mistake(self, text: str, workspace: Path) -> None:
        (workspace / "Dockerfile").write_text(text)
        (line,) = mistakes(scan_type="dockerfile")
        assert line.startswith("with.target: ")

    def test_a_login_says_whose_it_is(self, workspace: Path) -> None:
        self.dockerfile(workspace, "FROM ghcr.io/org/a", "FROM b/c")
        login = {"scan_type": "dockerfile", "username": "u", "password": "p"}
        (line,) = mistakes(**login)
        assert line.startswith("with.registry: is required")
        (found,) = given(**login, registry="ghcr.io").all_credentials
        assert str(found.registry) == "ghcr.io"

    def test_each_is_told_apart_in_the_report(self) -> None:
        images = [
            trivy.Subject("Dockerfile", (str(n),), f"linux/{arch}", base=base)
            for n, (base, arch) in enumerate((("a:1", "amd64"), ("a:1", "arm64"), ("b:2", "amd64")))
        ]
        assert [*trivy.labels(images).values()] == ["a:1 linux/amd64", "a:1 linux/arm64", "b:2 linux/amd64"]


@pytest.mark.parametrize("target", ["/not/there", "./not/there", "../not-there"])
def test_a_repository_that_is_a_path_and_not_there_is_no_host(target: str) -> None:
    (line,) = mistakes(scan_type="repo", target=target)
    assert line.startswith(f'with.target: there is no "{target}"')


def test_only_reports_of_an_image_in_a_registry_can_be_attached(workspace: Path) -> None:
    (workspace / "image.tar").touch()
    image = {"scan_type": "image", "attach": "true"}
    (line,) = mistakes(**image, target="ghcr.io/org/app")
    assert "nothing to attach" in line
    (line,) = mistakes(**image, archive="image.tar", reports="sarif=a")
    assert "needs an image in a registry" in line
    (line,) = mistakes(attach="true", reports="sarif=a")
    assert "has no effect with scan-type: fs" in line


class TestIgnoreFile:
    """An entry says what, why and until when; what is over or left over is told of."""

    NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)

    def entries(self, workspace: Path, text: str, name: str = ".trivyignore") -> Any:
        (workspace / name).write_text(text)
        return trivy.read_entries(name, workspace)

    def test_lines_have_a_reason_above_or_behind_and_a_date(self, workspace: Path) -> None:
        first, second, third, fourth = self.entries(
            workspace,
            "# Not reachable:\n# we load no templates\nCVE-1 exp:2026-12-31\nCVE-2\n"
            "\nCVE-3 # as said\n\nCVE-4\n",
        )
        assert (first.id, first.reason) == ("CVE-1", "Not reachable: we load no templates")
        assert first.expires == datetime(2026, 12, 31, tzinfo=UTC)
        assert second.reason == first.reason  # the comment is about the lines below it
        assert (third.reason, fourth.reason) == ("as said", "")
        assert str(fourth) == ".trivyignore:8: CVE-4"

    def test_yaml_has_them_in_fields(self, workspace: Path) -> None:
        entry = "- id: CVE-1\n  statement: >\n    why\n  expired_at: 2026-01-02\n"
        text = f"vulnerabilities:\n{entry}secrets:\n- id: x\n"
        first, second = self.entries(workspace, text, "accepted.yaml")
        assert (first.reason, first.expires) == ("why", datetime(2026, 1, 2, tzinfo=UTC))
        assert str(second) == "accepted.yaml: secrets[1]: x"
        assert trivy.expired((first, second), self.NOW) == (first,)

    @pytest.mark.parametrize(
        ("name", "text"),
        [
            (".trivyignore", "CVE-1 exp:31.12.2026\n"),
            ("a.yaml", "vulnerabilities:\n- id: CVE-1\n  expired_at: soon\n"),
            ("a.yaml", "vulnerabilites:\n- id: CVE-1\n"),
            ("a.yaml", "vulnerabilities: CVE-1\n"),
            ("a.yaml", "vulnerabilities:\n- CVE-1\n"),
            ("a.yaml", "a: [\n"),
            ("a.yml", "- id: CVE-1\n"),
            # What is passed over here makes an entry wider than it is written.
            ("a.yaml", "vulnerabilities:\n- id: CVE-1\n  path: [only/here.txt]\n"),
            ("a.yaml", "vulnerabilities:\n- id: CVE-1\n  paths: []\n"),
            ("a.yaml", "vulnerabilities:\n- id: CVE-1\n  paths:\n"),
            ("a.yaml", "vulnerabilities:\n- id: CVE-1\n  paths: only/here.txt\n"),
            ("a.yaml", "secrets:\n- id: x\n  purls: ['pkg:golang/stdlib']\n"),
            ("a.yaml", "vulnerabilities:\n- id: CVE-1\n  expires_at: 2030-12-31\n"),
            ("a.yaml", "vulnerabilities:\n- id: CVE-1\n  Expired_at: 2030-12-31\n"),
            ("a.yaml", "vulnerabilities:\n- id: CVE-1\n  expired_at:\n"),
            ("a.yaml", "vulnerabilities:\n- id: CVE-1\n  expired_at: 0001-01-01\n"),
            ("a.yaml", "vulnerabilities:\n- id: CVE-1\n  expired_at: '2030-12-31'\n"),
            ("a.yaml", "vulnerabilities:\n- id: CVE-1\n  expired_at: 2030-02-30\n"),
            ("a.yaml", "vulnerabilities:\n- id: CVE-1\n  id: CVE-2\n"),
            ("a.yaml", "vulnerabilities:\n- id: CVE-1\nvulnerabilities:\n- id: CVE-2\n"),
            ("a.yaml", "vulnerabilities:\n- id: ~\n"),
            ("a.yaml", "vulnerabilities:\n- id: CVE-1\n  [a, b]: c\n"),
            (".yaml", "- id: CVE-1\n"),
            (".trivyignore", "CVE-1 exp:2030-1-5\n"),
            (".trivyignore", "CVE-1 exp:2030-01-05Z\n"),
            (".trivyignore", "CVE-1 exp:٢٠٣٠-01-05\n"),
            (".trivyignore", "CVE-1 exp:0001-01-01\n"),
            (".trivyignore", "CVE-1 # until exp:soon\n"),
            (".trivyignore", "CVE-1 Exp:2030-01-05\n"),
            (".trivyignore", "CVE-1 CVE-2\n"),
            (".trivyignore", "CVE-1\fCVE-2\n"),
            (".trivyignore", "CVE-1\u2028CVE-2\n"),
        ],
    )
    def test_what_trivy_would_pass_over_is_a_mistake(self, name: str, text: str, workspace: Path) -> None:
        (workspace / name).write_text(text)
        (line,) = mistakes(**({"ignorefile": name} if name != ".trivyignore" else {}))
        assert line.startswith(f"with.ignorefile: {name}")

    def test_an_id_is_the_text_that_stands_there(self, workspace: Path) -> None:
        text = "secrets:\n- id: on\n- id: 012\n- id: 2030-01-01\n- id: 'a b'\n"
        assert [each.id for each in self.entries(workspace, text, "a.yaml")] == [
            "on",
            "012",
            "2030-01-01",
            "a b",
        ]

    @pytest.mark.parametrize(
        ("written", "read"),
        [
            ("2030-1-5", datetime(2030, 1, 5, tzinfo=UTC)),
            ("2030-01-05 10:20:30.5", datetime(2030, 1, 5, 10, 20, 30, tzinfo=UTC)),
            ("2030-01-05T10:20:30+01:00", datetime(2030, 1, 5, 9, 20, 30, tzinfo=UTC)),
            ("'2030-01-05T10:20:30Z'", datetime(2030, 1, 5, 10, 20, 30, tzinfo=UTC)),
        ],
    )
    def test_yaml_has_more_forms_of_a_date(self, written: str, read: datetime, workspace: Path) -> None:
        (entry,) = self.entries(workspace, f"secrets:\n- id: x\n  expired_at: {written}\n", "a.yaml")
        assert entry.expires == read

    def test_an_entry_may_be_made_of_another(self, workspace: Path) -> None:
        first = "- &it\n  id: CVE-1\n  paths: [a]\n  expired_at: 2026-01-02\n"
        text = f"vulnerabilities:\n{first}- &too\n  <<: *it\n  expired_at: 2027-01-02\n- *too\n"
        entries = self.entries(workspace, text, "a.yaml")
        assert [(each.id, each.expires.year) for each in entries] == [
            ("CVE-1", y) for y in (2026, 2027, 2027)
        ]

    def test_the_first_date_of_a_line_counts_in_a_comment_too(self, workspace: Path) -> None:
        text = "CVE-1 # until exp:2020-01-01\nCVE-2 exp:2030-01-01 # was exp:2020-01-01\r\n"
        first, second = self.entries(workspace, text)
        assert (first.expires.year, second.expires.year) == (2020, 2030)

    def test_what_matches_nothing_has_no_reason_or_no_date_is_told(self, workspace: Path) -> None:
        entries = self.entries(workspace, "CVE-1 exp:2026-12-31 # r\n\nCVE-2 exp:2026-12-31\n\nCVE-3 # r\n")
        suppressed = [trivy.Suppressed(frozenset({each}), "") for each in ("CVE-2", "CVE-3")]
        assert [*trivy.left_over(entries, suppressed, self.NOW)] == [
            ".trivyignore:1: CVE-1 matches nothing of this scan",
            ".trivyignore:3: CVE-2 has no reason",
            ".trivyignore:5: CVE-3 has no expiry date",
        ]
        # Of `trivy config` nobody knows what was left out.
        assert not any("matches" in each for each in trivy.left_over(entries, None, self.NOW))

    def test_what_was_left_out_is_read_from_the_report_and_not_kept_in_it(self) -> None:
        ignored = {
            "Status": "ignored",
            "Statement": "why",
            "Finding": {"ID": "DS-0002", "AVDID": "AVD-DS-0002", "Aliases": ["root"]},
        }
        vex = {"Status": "not_affected", "Finding": {"VulnerabilityID": "CVE-9"}}
        licence = {"Status": "ignored", "Finding": {"Name": "MIT AND (ISC OR BSD-2-Clause)"}}
        report = {"Results": [{"Target": "t", "ExperimentalModifiedFindings": [ignored, vex, licence]}]}
        first, second = trivy.take_suppressed([report])
        assert first == trivy.Suppressed(frozenset({"DS-0002", "AVD-DS-0002", "root"}), "why")
        assert {"MIT", "ISC", "BSD-2-Clause"} < second.ids
        assert report == {"Results": [{"Target": "t"}]}

    def test_of_two_entries_for_one_id_the_statement_tells_which_is_needed(self, workspace: Path) -> None:
        text = "vulnerabilities:\n" + "".join(
            f"- {{id: CVE-1, paths: [{each}], statement: {each}, expired_at: 2026-12-31}}\n"
            for each in ("a", "b")
        )
        entries = self.entries(workspace, text, "a.yaml")
        (line,) = trivy.left_over(entries, [trivy.Suppressed(frozenset({"CVE-1"}), "b")], self.NOW)
        assert line == "a.yaml: vulnerabilities[1]: CVE-1 matches nothing of this scan"

    def test_a_broken_file_fails_the_job_though_nothing_was_found(self) -> None:
        with pytest.raises(Findings) as caught:
            trivy.judge(given(), Log(), {AMD64: Counter()}, broken=["x has expired"])
        assert str(caught.value) == "x has expired"


class TestInsecureRegistry:
    IMAGE = {"scan_type": "image", "target": "registry:5000/app:v1", "insecure_registries": "registry:5000"}

    def test_the_scan_asks_no_other_host(self) -> None:
        argv = scan_argv(**self.IMAGE, vex="repo")
        assert {"--insecure", "--offline-scan", "--skip-java-db-update", "--skip-vex-repo-update"} <= set(
            argv
        )

    @pytest.mark.parametrize(
        "other",
        [{"target": "ghcr.io/org/app"}, {"scan_type": "fs", "target": "."}, {"image_source": "docker"}],
    )
    def test_nothing_is_insecure_for_others(self, other: dict[str, str]) -> None:
        environ = {"DOCKER_HOST": "unix:///x"}
        (line,) = mistakes(environ, **(self.IMAGE | other))
        assert line.startswith("with.insecure-registries: has no effect")
        assert not given(environ, **(self.IMAGE | other | {"insecure_registries": ""})).scans_insecurely


def test_on_a_read_only_root_one_line_is_all_that_happens(tmp_path: Path) -> None:
    # A job of which nothing else can be used.
    job: Any = SimpleNamespace(temporary=lambda: temporary({"TMPDIR": str(tmp_path / "not-there")}))
    with pytest.raises(ContainerError) as caught:
        trivy.Trivy().run(given(scan_type="fs", target="."), job)
    log = io.StringIO()
    assert report(caught.value, {}, log) == 2
    (line,) = log.getvalue().splitlines()
    assert "a writable /tmp" in line


def test_a_template_which_is_an_argument_holds_no_secret() -> None:
    environ = {"A_TOKEN": "hunter2hunter2"}
    (line,) = mistakes(environ, format="template", template="{{ . }}hunter2hunter2")
    assert line.startswith("with.template: holds a secret of the job")


class TestWhatATemplateOfTheCheckoutCanRead:
    SECRET = "hunter2hunter2"

    @pytest.fixture
    def job(self, tmp_path: Path) -> Iterator[Job]:
        tools = tmp_path.with_name(f"{tmp_path.name}-tools")
        tools.mkdir()
        (tools / "trivy").touch(mode=0o755)
        ours = dict.fromkeys(trivy.CONVERTS, "as-it-is")
        others = (
            "TOKEN",
            "PASSWORD",
            "REGISTRY_TOKEN",
            "REDIS_KEY",
            "CUSTOM_HEADERS",
            "NEW_KIND",
            "USERNAME",
        )
        environ = {
            f"TRIVY_{name}": f"Authorization:Bearer {self.SECRET},X-A:{self.SECRET}x" for name in others
        }
        environ |= {"TRIVY_CACHE_BACKEND": f"redis://u:{self.SECRET}@r", "GITHUB_TOKEN": self.SECRET}
        for name in ("HTTP_PROXY", "https_proxy", "ALL_PROXY", "no_proxy"):
            environ[name] = f"http://u:{self.SECRET}@proxy"
        with SecretFiles() as files, Signals() as signals:
            variables = {**environ, **ours, "PATH": str(tools)}
            yield Job(variables, tmp_path, Masker(), files, signals, OutputFile({}))

    def test_is_no_secret_whatever_its_variable(self, job: Job) -> None:
        environ = trivy.without_secrets(job).environ
        assert [name for name, value in environ.items() if self.SECRET in value] == []
        assert set(trivy.CONVERTS) <= environ.keys()

    def test_headers_for_a_server_are_masked_too(self, job: Job) -> None:
        values = list(trivy.secret_headers(job.environ))
        assert {self.SECRET, f"Bearer {self.SECRET}", f"{self.SECRET}x"} <= {*values}


@pytest.mark.parametrize(
    ("content", "inputs"),
    [
        ("scan:\n  security-checks: [secret]\n", {"scanners": "vuln"}),
        ("scan.security-checks: secret\n", {"scanners": "vuln"}),
        ("SCAN:\n  Security-Checks: [secret]\n", {"scanners": "vuln"}),
        ("a: &a {security-checks: [secret]}\nscan: {<<: *a}\n", {"scanners": "vuln"}),
        ("a: &a {security-checks: [secret]}\nscan: {<<: [{}, *a]}\n", {"scanners": "vuln"}),
        ("vulnerability: {type: library}\n", {"pkg_types": "os"}),
        ("vulnerability: {type: library}\n", {"pkg_types": "os", "config": "mine.yaml"}),
    ],
)
def test_a_former_name_in_trivys_file_does_not_win_over_an_input(
    workspace: Path, content: str, inputs: dict[str, str]
) -> None:
    name = inputs.get("config", "trivy.yaml")
    (workspace / name).write_text(content)
    (line,) = mistakes(scan_type="fs", **inputs)
    assert f"{name} says `" in line


def test_the_file_that_a_variable_names_is_read_like_it(workspace: Path) -> None:
    (workspace / "ci.yaml").write_text("scan:\n  security-checks: [secret]\nignorefile: accepted.yaml\n")
    (line,) = mistakes({"TRIVY_CONFIG": "ci.yaml"}, scanners="vuln")
    assert "ci.yaml says `" in line
    (workspace / "trivy.yaml").write_text("ignorefile: other\n")
    for environ, name in (({"TRIVY_CONFIG": "ci.yaml"}, "accepted.yaml"), ({}, "other")):
        assert given(environ).accepted_by(environ, workspace) == name
    assert given(ignorefile="").accepted_by({"TRIVY_IGNOREFILE": "third"}, workspace) == "third"


def test_the_ignore_file_that_trivys_file_names_is_checked_and_told_of(workspace: Path) -> None:
    (workspace / "trivy.yaml").write_text("a: &a {ignorefile: nothing}\n<<: *a\nignorefile: accepted.yaml\n")
    (workspace / "accepted.yaml").write_text("vulnerabilities:\n- id: CVE-1\n  path: x\n")
    (line,) = mistakes()
    assert line.startswith("with.ignorefile: accepted.yaml: vulnerabilities[1]: Trivy does not read")
    (workspace / "accepted.yaml").write_text("vulnerabilities:\n- id: CVE-1\n")
    notes = list(trivy.honoured_files(given(), {}, workspace))
    assert notes[1] == "accepted.yaml of the checkout is used, which accepts findings"


@pytest.mark.parametrize("backend", [{}, {"TRIVY_CACHE_BACKEND": "redis://here"}])
@pytest.mark.parametrize("elsewhere", [True, False])
def test_what_is_skipped_elsewhere_is_not_overruled(
    workspace: Path, elsewhere: bool, backend: dict[str, str]
) -> None:
    """An argument that keeps layers apart would win over `skip-files` of the job or of trivy.yaml."""
    inputs = given(scan_type="image", target="ghcr.io/org/app", cache_dir=str(workspace))
    environ = dict(backend)
    if elsewhere:
        environ["TRIVY_SKIP_FILES"] = "a"
    config = {"history": [{}, {"created_by": "CMD", "empty_layer": True}, {}], "rootfs": {"diff_ids": ["x"]}}
    registry = SimpleNamespace(
        configuration=lambda image: ("", config),
        ask_each=lambda host, ask, all_: [ask(each) for each in all_],
    )
    job = SimpleNamespace(
        workspace=workspace, environ=environ, registry=lambda *_: registry, temporary=lambda: workspace
    )
    asked: list[list[str]] = []
    tool = SimpleNamespace(path="trivy", capture_each=lambda argvs: asked.extend(argvs) or [Completed(0)])
    trivy.Scans(inputs, job, tool, str(workspace)).all([trivy.one_image("app", f"ghcr.io/org/app@{DIGEST}")])
    (argv,) = asked
    kept = argv[argv.index("--cache-backend") + 1] if "--cache-backend" in argv else "the job's"
    assert ("--skip-files" in argv, kept) == (
        (False, "memory") if elsewhere else (True, "the job's" if backend else "fs")
    )


@pytest.mark.parametrize(
    ("scan_type", "backend", "kept"),
    [("fs", "redis://here", "the job's"), ("fs", "", "memory"), ("image", "redis://here", "memory")],
)
def test_what_cannot_be_told_apart_is_kept_nowhere(
    workspace: Path, scan_type: str, backend: str, kept: str
) -> None:
    environ = {"TRIVY_CACHE_BACKEND": backend} if backend else {}
    target = {"archive": "image.tar"} if scan_type == "image" else {}
    (workspace / "image.tar").touch()
    job = SimpleNamespace(workspace=workspace, environ=environ, temporary=lambda: workspace)
    asked: list[list[str]] = []
    tool = SimpleNamespace(path="trivy", capture_each=lambda argvs: asked.extend(argvs) or [Completed(0)])
    scans = trivy.Scans(given(scan_type=scan_type, **target), job, tool, str(workspace))
    scans.all([trivy.Subject("image.tar", ("--input", "image.tar"))])
    (argv,) = asked
    assert (argv[argv.index("--cache-backend") + 1] if "--cache-backend" in argv else "the job's") == kept


@pytest.mark.parametrize(
    ("content", "inputs"),
    [
        ("scan:\n  security-checks: [secret]\n", {}),
        ("scan:\n  security-checks: [secret]\n", {"pkg_types": "os"}),
        ("scan:\n  security-checks:\n", {"scanners": "vuln"}),
        ("scan:\n  scanners: [secret]\n", {"scanners": "vuln"}),
        ("other: {security-checks: [secret]}\n", {"scanners": "vuln"}),
        ("- scan\n", {"scanners": "vuln"}),
        ("a: &a {<<: *a}\nscan: *a\n", {"scanners": "vuln"}),
        ("{", {"scanners": "vuln"}),
        ("", {"scanners": "vuln"}),
    ],
)
def test_what_trivys_file_says_otherwise_is_honoured(
    workspace: Path, content: str, inputs: dict[str, str]
) -> None:
    (workspace / "trivy.yaml").write_text(content)
    assert given(scan_type="fs", **inputs).scan_type == "fs"
