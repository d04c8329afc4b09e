"""What a builder writes to files is searched for secrets, named in the outputs, and leaves nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any

import pytest

from gocdnext_sdk import Ci, Findings, ImageBuildInputs
from gocdnext_sdk.inputs.build import Build
from gocdnext_sdk.inputs.reader import read_inputs
from gocdnext_sdk.oci.descriptor import OCI_MANIFEST, digest_of
from gocdnext_sdk.oci.layout import layout_digest, read_archive
from gocdnext_sdk.runtime.job import digest_left_by_tool
from gocdnext_sdk.runtime.polling import poll

TOKEN = "npm-s3cr3t-t0ken-0123456789"
CONFIG = "application/vnd.oci.image.config.v1+json"


def build(workspace: Path, output: str, **with_: str) -> Build[Any]:
    (workspace / "Dockerfile").touch()
    job: Any = SimpleNamespace(
        ci=Ci(),
        environ={"NPM_TOKEN": TOKEN},
        workspace=workspace,
        say=lambda message: None,
        digest=digest_left_by_tool,
    )
    given = {"IMAGE": "ghcr.io/org/app", "OUTPUT": output, **with_}
    variables = {f"PLUGIN_{key}": value for key, value in given.items()}
    return Build(read_inputs(ImageBuildInputs, variables, workspace=workspace), job)


def stage(layout: Path, history: str) -> Path:
    """Write what a builder has built, with a step in its history."""

    def blob(content: dict[str, Any], media_type: str) -> dict[str, Any]:
        data = json.dumps(content).encode()
        path = layout / "blobs" / digest_of(data).replace(":", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return {"mediaType": media_type, "digest": digest_of(data), "size": len(data)}

    config = {"os": "linux", "architecture": "amd64", "history": [{"created_by": history}]}
    manifest = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": blob(config, CONFIG), "layers": []}
    (layout / "index.json").write_text(json.dumps({"manifests": [blob(manifest, OCI_MANIFEST)]}))
    return layout


@pytest.mark.parametrize(
    ("output", "written"), [("dist/app", "oci:dist/app"), ("dist/app.tar", "oci-archive:dist/app.tar")]
)
def test_the_outputs_name_the_file_and_its_digest(tmp_path: Path, output: str, written: str) -> None:
    tried = build(tmp_path, output, TAGS="v1")
    with tried.writing():
        outputs = tried.written(lambda: stage(tried.staged, "RUN make"))
    path = tmp_path / output
    digest = layout_digest(path, None) if path.is_dir() else read_archive(path).entries[0].id
    assert outputs == {
        "IMAGE": "ghcr.io/org/app",
        "IMAGES": "ghcr.io/org/app",
        "TAGS": "",
        "DIGEST": digest,
        "IMAGE_DIGEST": digest,
        "FILE": written,
    }
    assert sorted(each.name for each in tmp_path.iterdir()) == ["Dockerfile", "dist"]


def test_an_image_that_holds_a_secret_of_the_job_is_not_written(tmp_path: Path) -> None:
    tried = build(tmp_path, "dist/app")
    with (
        tried.writing(),
        pytest.raises(Findings, match=r"NPM_TOKEN in its configuration.*history\[0\]") as found,
    ):
        tried.written(lambda: stage(tried.staged, f"RUN npm login {TOKEN}"))
    assert TOKEN not in str(found.value)
    assert [each.name for each in tmp_path.iterdir()] == ["Dockerfile"]


@pytest.mark.parametrize("name", [".gocdnext-image", ".gocdnext-image.tar"])
@pytest.mark.parametrize("there", ["dangling link", "link to a directory", "file", "directory"])
def test_what_the_checkout_has_in_the_way_goes_and_no_link_is_followed(
    tmp_path: Path, name: str, there: str
) -> None:
    outside, path = tmp_path / "outside", tmp_path / "checkout" / name
    outside.mkdir()
    (outside / "kept").touch()
    path.parent.mkdir()
    match there:
        case "dangling link":
            path.symlink_to(outside / "not-there")
        case "link to a directory":
            path.symlink_to(outside)
        case "file":
            path.touch()
        case "directory":
            (path / "deep").mkdir(parents=True)
    tried = build(path.parent, "dist/app")
    with tried.writing():
        assert not path.is_symlink()
        assert not path.exists()
        tried.staged_archive.write_text("as the builder does")
    assert [each.name for each in outside.iterdir()] == ["kept"]
    assert not tried.staged_archive.exists()


def test_jobs_that_share_a_workspace_stage_one_after_the_other(tmp_path: Path) -> None:
    """Parallel steps do elsewhere: the image of one would get the tags of the other, or none."""
    first, second, third = (build(tmp_path, output) for output in ("one", "two", ""))
    said: list[str] = []
    second.job.say = said.append  # type: ignore[method-assign,assignment]
    ended: list[str] = []

    def stage_second() -> None:
        with second.writing():
            ended.append("second")

    thread = Thread(target=stage_second)
    with first.writing():
        first.staged.mkdir()
        thread.start()
        assert poll(lambda: said or None, within=10, every=0.01)
        with third.writing():  # which stages nothing
            assert first.staged.exists()
        assert first.staged.exists()
        ended.append("first")
    thread.join()
    assert ended == ["first", "second"]
    first.staged.mkdir()
    with third.writing():
        assert not first.staged.exists()
