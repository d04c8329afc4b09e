"""Images in files: each platform of one is scanned by itself, as in a registry.

Trivy takes the first image that it finds in a layout, and no archive of a layout. So it is given layouts that
name one image each, and share what is there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from gocdnext_sdk import Job, Reference, Registry, RegistryError, ToolError
from gocdnext_sdk.oci.descriptor import Descriptor
from gocdnext_sdk.oci.layout import choose, layout_digest, read_archive, unpack
from gocdnext_sdk.oci.layout_registry import LayoutRegistry
from gocdnext_sdk.oci.source import Source

from .inputs import TrivyInputs
from .subjects import Subject, wanted_images

_HERE = Reference(Registry("files.invalid"), "image")
"""The name by which a layout's client asks; no registry has it."""


@contextmanager
def in_files(inputs: TrivyInputs, source: Source, job: Job) -> Iterator[list[Subject]]:
    """Find what there is to scan; it is there while the block runs.

    Raises:
        Error: there is not exactly one image that is meant.
        InputMismatch: it does not have a platform that is asked for.
        ToolError: it is not complete.
    """
    with TemporaryDirectory(prefix="gocdnext-", dir=job.temporary()) as folder:
        yield _subjects(inputs, source, job, Path(folder))


def _subjects(inputs: TrivyInputs, source: Source, job: Job, folder: Path) -> list[Subject]:
    path = job.workspace / str(source.path)
    layout = path
    if path.is_dir():
        digest = layout_digest(path, source.name)
    else:
        archive = read_archive(path)
        image = choose(archive.entries, source.name, path)
        if not archive.is_layout:
            if len({each.id for each in archive.entries}) > 1:
                what = f"{path} holds several images, and Trivy cannot be told which one is meant"
                raise ToolError(what, "write one with `docker save`")
            argv, wanted = ("--input", str(path)), tuple(inputs.platforms)
            return [Subject(str(source.path), argv, in_files=True, wanted=wanted)]
        digest, layout = image.id, folder / "layout"
        unpack(path, layout)
    job.say(f"{source} is {digest}")
    job.output(DIGEST=digest)
    name = f"{source.path}@{digest}"
    try:
        client, whole = LayoutRegistry(layout).client(), _HERE.with_digest(digest)
        found, _ = client.manifest(whole)
        images = wanted_images(client, whole, inputs.platforms, name) if found.is_index else [found]
    except RegistryError:
        raise ToolError(
            f"{source} is not complete: it lacks what its index names", "write it again"
        ) from None
    return [
        Subject(
            name,
            ("--input", str(_view(layout, each, folder / str(number)))),
            each.platform or "",
            each.digest,
            in_files=True,
            wanted=("all",) if each.platform else tuple(inputs.platforms),
        )
        for number, each in enumerate(images)
    ]


def _view(layout: Path, image: Descriptor, folder: Path) -> Path:
    """Make a layout that names one image of another layout."""
    folder.mkdir()
    entry = {"mediaType": image.media_type, "digest": image.digest, "size": image.size}
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    (folder / "blobs").symlink_to((layout / "blobs").resolve())
    return folder
