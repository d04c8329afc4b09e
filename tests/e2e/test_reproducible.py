"""Equal content has equal digests: of a checkout with another umask, at another place, on another day."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from testbed.pins import ROOT
from testbed.rehearsal import PLUGINS

from gocdnext_sdk.host.harness.build import build_contexts, find_buildx

NAMES = ("sdk", "plugins", "pyproject.toml", "LICENSE")


def checkout(folder: Path, *, umask: int, date: int) -> Path:
    """Copy what images are built from, as a clone made with that umask has it."""
    for name in NAMES:
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, target)
    for path in folder.rglob("*"):
        path.chmod((0o777 if path.is_dir() else 0o666) & ~umask)
        os.utime(path, (date, date))
    return folder


def digest(root: Path, image: Image, out: Path) -> str:
    """Build an image for one platform, anew in every step; return the digest of its manifest."""
    argv = [*find_buildx(), "build", "--provenance=false", "--no-cache", "--progress", "plain"]
    argv += ["--platform", image.platform]
    for name, value in build_contexts().items():
        if image.dockerfile != BASE.dockerfile or name in ("python", "native"):
            argv += ["--build-context", f"{name}={value}"]
    argv += ["--output", f"type=oci,dest={out},rewrite-timestamp=true"]
    argv += ["--file", str(root / image.dockerfile)]
    environ = os.environ | {"SOURCE_DATE_EPOCH": "0"}
    done = subprocess.run([*argv, str(root / image.context)], env=environ, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()[-3000:]
    with tarfile.open(out) as layout:
        index = layout.extractfile("index.json")
        assert index is not None
        (manifest,) = json.load(index)["manifests"]
    return str(manifest["digest"])


@dataclass(frozen=True)
class Image:
    """What is built: a Dockerfile, its context, and for which platform."""

    dockerfile: str
    context: str
    platform: str = "linux/amd64"

    def __str__(self) -> str:
        return self.dockerfile.removesuffix("/Dockerfile")


# For the platform that this machine is not: nothing of it is run.
BASE = Image("sdk/Dockerfile", ".", "linux/arm64")
OTHERS = [
    BASE,
    Image("sdk/sigstore/Dockerfile", "sdk"),
    *(Image(f"plugins/{name}/Dockerfile", f"plugins/{name}") for name in PLUGINS if name != "cosign"),
]


@pytest.mark.parametrize(
    "image",
    [
        Image("plugins/cosign/Dockerfile", "plugins/cosign"),
        *(pytest.param(each, marks=pytest.mark.soak) for each in OTHERS),
    ],
    ids=str,
)
def test_two_checkouts_give_the_same_manifest(image: Image, tmp_path: Path) -> None:
    here = checkout(tmp_path / "here", umask=0o022, date=1_700_000_000)
    there = checkout(tmp_path / "another" / "place", umask=0o077, date=1_000_000_000)
    assert digest(here, image, tmp_path / "one.tar") == digest(there, image, tmp_path / "two.tar")
