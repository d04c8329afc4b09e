"""What jobs keep between runs, as the platform's agent does it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from click.testing import CliRunner

from gocdnext_sdk.host.cli.cache import command
from gocdnext_sdk.host.harness import RunOptions, RunReport, Session, Status, run_pipeline
from gocdnext_sdk.host.harness.caches import entries
from gocdnext_sdk.host.harness.engine.memory import MemoryContainer, MemoryEngine
from gocdnext_sdk.host.harness.snapshot import Snapshot
from gocdnext_sdk.host.pipeline import syntax

PIPELINE = """
stages: [a]
jobs:
  scan: {stage: a, uses: "one/scan@v1", cache: [{key: KEY, paths: [.cache/db, nothing]}]}
"""


def run(engine: MemoryEngine, project: Path, folder: Path | None, key: str = "db") -> RunReport:
    file = project / ".gocdnext" / "test.yaml"
    file.write_text(PIPELINE.replace("KEY", key))
    with Session(engine) as session:
        return run_pipeline(file, RunOptions(caches=folder), session=session)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "caches"


@pytest.fixture(autouse=True)
def scan(engine: MemoryEngine, project: Path) -> list[bool]:
    """Whether each run found the database; one that did not fetches it."""
    found: list[bool] = []

    def run(box: MemoryContainer) -> None:
        found.append(".cache/db/index" in box.files)
        box.files[".cache/db/index"] = b"database"
        box.files[".cache/other"] = b"other"

    engine.behaviours["one/scan:v1"] = run
    (project / ".gitignore").write_text(".cache\n")
    return found


def again(project: Path) -> None:
    """Remove what the last run brought back."""
    for each in (project / ".cache").rglob("*"):
        if each.is_file():
            each.unlink()


def test_the_second_run_finds_what_the_first_one_stored(
    engine: MemoryEngine, project: Path, folder: Path, scan: list[bool]
) -> None:
    first = run(engine, project, folder)["scan"].text
    again(project)
    second = run(engine, project, folder)["scan"].text
    assert scan == [False, True]
    assert "cache db: there is none yet" in first
    assert "cache db: restored" in second
    assert "cache db: stored (" in second
    assert not list(folder.glob("*.[0-9a-f]*"))


def test_without_a_folder_nothing_is_kept(engine: MemoryEngine, project: Path, scan: list[bool]) -> None:
    for _ in range(2):
        run(engine, project, None)
        again(project)
    assert scan == [False, False]


def test_checkouts_and_keys_do_not_share(
    engine: MemoryEngine, project: Path, folder: Path, tmp_path: Path, scan: list[bool]
) -> None:
    run(engine, project, folder)
    again(project)
    run(engine, project, folder, key="other")
    (tmp_path / "second" / ".gocdnext").mkdir(parents=True)
    run(engine, tmp_path / "second", folder)
    assert scan == [False, False, False]
    assert len(list(entries(folder))) == 3


def test_a_job_that_fails_stores_nothing(engine: MemoryEngine, project: Path, folder: Path) -> None:
    def fail(box: MemoryContainer) -> int:
        box.files[".cache/db/index"] = b"half"
        return 1

    engine.behaviours["one/scan:v1"] = fail
    run(engine, project, folder)
    assert list(entries(folder)) == []


def test_a_path_out_of_the_workspace_is_not_stored_and_the_job_passes(
    engine: MemoryEngine, project: Path, folder: Path
) -> None:
    file = project / ".gocdnext" / "test.yaml"
    file.write_text(PIPELINE.replace("KEY", "db").replace(".cache/db", "../up"))
    with Session(engine) as session:
        report = run_pipeline(file, RunOptions(caches=folder), session=session)
    assert report.passed
    assert "cache db: not stored: ../up has a `..`" in report["scan"].text


def test_a_key_follows_the_files_it_names(
    engine: MemoryEngine, project: Path, folder: Path, scan: list[bool]
) -> None:
    key = "'db-{{ hash \"*.lock\" }}'"
    (project / "one.lock").write_text("1")
    run(engine, project, folder, key)
    # As the agent makes it: each file's name and content, each with a line's end.
    assert [each.key for each in entries(folder)] == [
        "db-" + hashlib.sha256(b"one.lock\n1\n").hexdigest()[:12]
    ]
    again(project)
    (project / "one.lock").write_text("2")
    run(engine, project, folder, key)
    assert scan == [False, False]


def test_a_key_that_names_no_file_fails_the_job(
    engine: MemoryEngine, project: Path, folder: Path, scan: list[bool]
) -> None:
    report = run(engine, project, folder, "'db-{{ hash \"*.lock\" }}'")
    assert (report["scan"].status, scan) == (Status.FAILED, [])
    assert 'hash "*.lock" fits no file' in report["scan"].reason


@pytest.mark.parametrize(
    ("pattern", "path", "fits"),
    [
        ("go.sum", "go.sum", True),
        ("*.lock", "yarn.lock", True),
        ("*.lock", ".lock", True),
        ("*.lock", "web/yarn.lock", False),
        ("*/go.mod", "api/go.mod", True),
        ("**/go.mod", "a/b/go.mod", False),
        ("./a?c", "abc", True),
        ("[^a]", "b", True),
        ("[^a]", "a", False),
    ],
)
def test_a_glob_is_read_as_go_reads_it(pattern: str, path: str, fits: bool) -> None:
    assert syntax.matches_path(pattern, path) is fits


def test_a_snapshot_gives_the_content_of_its_files(project: Path) -> None:
    long = "n" * 200
    for name, content in (("empty", b""), ("block", bytes(512)), (long, b"x" * 700)):
        (project / name).write_bytes(content)
    (project / "link").symlink_to("block")
    with Snapshot(project) as snapshot:
        (project / "block").write_bytes(b"changed since")
        assert snapshot.read("empty") == b""
        assert snapshot.read("block") == bytes(512)
        assert snapshot.read(long) == b"x" * 700
        assert snapshot.read("link") is snapshot.read("nothing") is None


def test_the_command_lists_and_clears(
    engine: MemoryEngine, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = tmp_path / "gocdnext-plugin" / "jobs"
    for key in ("one", "two"):
        run(engine, project, folder, key)
    listed = CliRunner().invoke(command, ["list"]).output
    assert [line.split()[-2:] for line in listed.splitlines()] == [
        [str(project), "one"],
        [str(project), "two"],
    ]
    assert CliRunner().invoke(command, ["clear", "three"]).exit_code == 2
    assert CliRunner().invoke(command, ["clear", "one"]).output.startswith("1 deleted")
    assert CliRunner().invoke(command, ["clear"]).output.startswith("1 deleted")
    assert list(folder.iterdir()) == []
