"""What jobs hand on to one another, as the platform's agent does it."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from gocdnext_sdk.host.harness import RunOptions, RunReport, Session, Status, run_pipeline
from gocdnext_sdk.host.harness.artifacts import ArtifactError, ArtifactStore
from gocdnext_sdk.host.harness.engine.memory import MemoryContainer, MemoryEngine
from gocdnext_sdk.host.pipeline.model import NeededArtifacts

PIPELINE = """
stages: [build, test]
jobs:
  make:
    stage: build
    uses: one/make@v1
    artifacts: {paths: [dist/app, web/out/], optional: [coverage.xml], when: on_success}
  use:
    stage: test
    uses: one/use@v1
    needs_artifacts: [{from_job: make}]
"""


def run(engine: MemoryEngine, project: Path, text: str = PIPELINE) -> RunReport:
    file = project / ".gocdnext" / "test.yaml"
    file.write_text(text)
    with Session(engine) as session:
        return run_pipeline(file, RunOptions(), session=session)


def made(box: MemoryContainer) -> None:
    box.files |= {"dist/app": b"app", "dist/other": b"other", "web/out/index.html": b"page", "web/src": b""}


@pytest.fixture
def got(engine: MemoryEngine) -> dict[str, bytes]:
    """The files that the job `use` finds."""
    found: dict[str, bytes] = {}
    engine.behaviours |= {"one/make:v1": made, "one/use:v1": lambda box: found.update(box.files)}
    return found


def test_a_job_gets_what_another_declared_and_nothing_else_of_it(
    engine: MemoryEngine, project: Path, got: dict[str, bytes]
) -> None:
    assert run(engine, project).passed
    assert got["dist/app"] == b"app"
    assert got["web/out/index.html"] == b"page"
    assert got["source.txt"] == b"source\n"
    assert not {"dist/other", "web/src"} & set(got)


def test_what_is_kept_stands_in_the_log_of_the_job(
    engine: MemoryEngine, project: Path, got: dict[str, bytes]
) -> None:
    text = run(engine, project)["make"].text
    assert "kept artifact dist/app (" in text
    assert "not kept: artifact coverage.xml is missing" in text


@pytest.mark.parametrize(
    ("needed", "there", "missing"),
    [
        ("paths: [dist/app]", {"dist/app"}, {"web/out/index.html"}),
        ("paths: [web/out]", {"web/out/index.html"}, {"dist/app"}),
        ("dest: in/here", {"in/here/dist/app", "in/here/web/out/index.html"}, {"dist/app"}),
        ("paths: [./dist/app], dest: ./in/", {"in/dist/app"}, {"dist/app"}),
    ],
)
def test_which_and_where(
    engine: MemoryEngine,
    project: Path,
    got: dict[str, bytes],
    needed: str,
    there: set[str],
    missing: set[str],
) -> None:
    assert run(engine, project, PIPELINE.replace("from_job: make", f"from_job: make, {needed}")).passed
    assert there <= set(got)
    assert not missing & set(got)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ("from_job: make, paths: [dist]", "dist; it kept: dist/app, web/out/"),
        ("from_job: nobody", "job nobody has kept nothing; it kept: none"),
        ("from_job: make, from_pipeline: other", "pipeline other has not run here"),
        ("from_job: make, dest: ../up", "dest ../up has a `..`"),
        ("from_job: make, dest: /etc", "dest /etc is absolute"),
    ],
)
def test_what_is_needed_and_not_there_fails_the_job_before_it_starts(
    engine: MemoryEngine, project: Path, got: dict[str, bytes], wrong: str, reason: str
) -> None:
    report = run(engine, project, PIPELINE.replace("from_job: make", wrong))
    assert report["use"].status is Status.FAILED
    assert reason in report["use"].reason
    assert engine.order == ["one/make:v1"]


def test_a_required_path_that_is_missing_fails_the_job(engine: MemoryEngine, project: Path) -> None:
    engine.behaviours["one/make:v1"] = lambda box: box.files.update({"dist/app": b"app"})
    report = run(engine, project)
    assert (report["make"].status, report["use"].status) == (Status.FAILED, Status.CANCELED)
    assert report["make"].reason == "artifact web/out/ is missing"


@pytest.mark.parametrize("path", ["../up", "/etc/passwd", ""])
def test_a_path_out_of_the_workspace_fails_the_job(engine: MemoryEngine, project: Path, path: str) -> None:
    engine.behaviours["one/make:v1"] = made
    report = run(engine, project, PIPELINE.replace("paths: [dist/app,", f"paths: ['{path}',"))
    assert report["make"].status is Status.FAILED
    assert report["make"].reason.startswith("artifact ")


@pytest.mark.parametrize(("when", "kept"), [("on_success", False), ("on_failure", True), ("always", True)])
def test_a_job_that_failed_keeps_what_it_says(
    engine: MemoryEngine, project: Path, when: str, kept: bool
) -> None:
    def fail(box: MemoryContainer) -> int:
        box.files["dist/app"] = b"app"
        return 1

    engine.behaviours["one/make:v1"] = fail
    report = run(engine, project, PIPELINE.replace("when: on_success", f"when: {when}"))
    assert report["make"].reason == "exited with 1"
    assert ("kept artifact dist/app" in report["make"].text) is kept


def test_the_cells_of_a_matrix_keep_side_by_side(
    engine: MemoryEngine, project: Path, got: dict[str, bytes]
) -> None:
    engine.behaviours["one/make:v1"] = lambda box: box.files.update({f"dist/{box.env['ARCH']}": b"app"})
    text = PIPELINE.replace("paths: [dist/app, web/out/]", "paths: [dist]").replace(
        "stage: build", "stage: build\n    parallel: {matrix: [{ARCH: [amd64, arm64]}]}", 1
    )
    assert run(engine, project, text).passed
    assert {"dist/amd64", "dist/arm64"} <= set(got)


# What a container packs is not to be trusted.


def packed(*members: tarfile.TarInfo) -> Iterator[bytes]:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for member in members:
            archive.addfile(member, io.BytesIO(bytes(member.size)))
    yield buffer.getvalue()


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", size: int = 0) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname, made.size = kind, link, size
    return made


def names(store: ArtifactStore, dest: str = "") -> dict[str, str]:
    """Return what a job gets: name to target, for links."""
    tar = b"".join(piece for each in store.needed(NeededArtifacts("job", dest=dest)) for piece in each)
    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        return {each.name: each.linkname for each in archive}


FOLDER = member("dist", tarfile.DIRTYPE)


@pytest.mark.parametrize(
    "hostile",
    [
        member("dist/../../up"),
        member("dist/link", tarfile.SYMTYPE, "../../../etc"),
        member("dist/hard", tarfile.LNKTYPE, "dist/../../../etc/shadow"),
    ],
)
def test_nothing_leaves_the_workspace(hostile: tarfile.TarInfo) -> None:
    with ArtifactStore() as store:
        store.keep("job", "dist", packed(FOLDER, hostile))
        with pytest.raises(ArtifactError):
            names(store)


def test_links_stay_links_and_devices_stay_away() -> None:
    inner = member("dist/a", tarfile.SYMTYPE, "b")
    system = member("dist/python", tarfile.SYMTYPE, "/usr/bin/python3")
    pipe, device = member("dist/pipe", tarfile.FIFOTYPE), member("dist/sda", tarfile.BLKTYPE)
    with ArtifactStore() as store:
        store.keep("job", "dist", packed(FOLDER, inner, system, pipe, device))
        assert names(store, "in") == {"in/dist": "", "in/dist/a": "b", "in/dist/python": "/usr/bin/python3"}


@pytest.mark.parametrize("tar", [b"", b"no tar", bytes(1024)])
def test_what_is_no_archive_is_refused(tar: bytes) -> None:
    with ArtifactStore() as store, pytest.raises(ArtifactError):
        store.keep("job", "dist", [tar])


def test_a_hole_takes_no_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    size = 64 << 20
    with ArtifactStore() as store:
        header = member("disk.img", size=size).tobuf()
        assert store.keep("job", "disk.img", [header, *[bytes(1 << 20)] * 64, bytes(1024)]) > size
        (file,) = tmp_path.glob("*/*")
        assert file.stat().st_blocks * 512 < 1 << 20
        assert names(store) == {"disk.img": ""}
    assert list(tmp_path.iterdir()) == []
