"""The manifests of plugins that are known by nothing but their image, where the engine has it already.

Nothing is fetched and nothing is started: a container is created, its file read, and the container removed.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Final

from gocdnext_sdk.errors import DaemonError
from gocdnext_sdk.host.harness.engine.interface import ContainerSpec, Engine, Pull
from gocdnext_sdk.host.harness.engine.local import is_on_this_machine, local_engine
from gocdnext_sdk.host.harness.job_files import read_file
from gocdnext_sdk.host.harness.session import Session
from gocdnext_sdk.host.manifest.load import FolderError
from gocdnext_sdk.host.manifest.model import Manifest
from gocdnext_sdk.host.manifest.plugin_yaml import parse_catalog

PATH: Final = "/gocdnext/plugin/plugin.yaml"
"""Where the SDK's Dockerfiles put it."""


def manifests_here(images: Iterable[str]) -> dict[str, Manifest]:
    """Return the manifests in images of this machine's own engine; one over a network is not asked."""
    return manifests_in(local_engine(), images) if is_on_this_machine() else {}


def manifests_in(engine: Engine, images: Iterable[str]) -> dict[str, Manifest]:
    """Return the manifests that are in images, by image; those that cannot be had are left out.

    Args:
        engine: asked for its own images only. It need not be there.
        images: references.
    """
    found: dict[str, Manifest] = {}
    with suppress(DaemonError), Session(engine) as session:
        for number, image in enumerate(images):
            with suppress(DaemonError, FolderError):
                found[image] = _read(session, image, session.name(f"manifest-{number}"))
    return found


def _read(session: Session, image: str, name: str) -> Manifest:
    engine = session.engine
    engine.ensure_image(image, Pull.NEVER, lambda: False)
    container = engine.create(ContainerSpec(name=name, image=image, labels=session.labels))
    text = read_file(engine.get(container, PATH)).decode("utf-8", "replace")
    return parse_catalog(text, f"{PATH} of {image}")
