"""Local runners of other CI systems, for ``make test-ci``: act for GitHub's workflows, gitlab-ci-local."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from pathlib import Path

from testbed import bases, engine, images, tools
from testbed.cache import SetupError, arriving, cache_dir, lock, on_path, run, step
from testbed.debian import bootstrap, install
from testbed.pins import ROOT, pins

PACKAGES = ROOT / "testbed" / "tools"
NODE = (20, 0)


def act() -> Path:
    """Give the program ``act``."""
    tools.get("act")
    return tools.binary("act")


def gitlab_ci_local() -> Path:
    """Give the program ``gitlab-ci-local``; the host needs Node and rsync."""
    install(rsync="rsync")
    return _modules("gitlab-ci-local") / ".bin" / "gitlab-ci-local"


def ajv() -> Path:
    """Give the ``node_modules`` with ajv, the validator of JSON Schema in editors; the host needs Node."""
    return _modules("ajv")


def _modules(name: str) -> Path:
    """Give the ``node_modules`` of a tool, from npm by its lock file."""
    node, npm = on_path("node"), on_path("npm")
    if not node or not npm or _version(node) < NODE:
        raise SetupError(f"{name} needs Node 20 or newer with npm: https://nodejs.org")
    package = PACKAGES / name
    lock_file = (package / "package-lock.json").read_bytes()
    target = cache_dir() / "tools" / f"{name}-{hashlib.sha256(lock_file).hexdigest()[:8]}"
    with lock(target.name):
        if not target.exists():
            with step(f"installing {name}"), arriving(target) as scratch:
                for file in package.iterdir():
                    shutil.copy(file, scratch)
                run(npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", cwd=scratch)
    return target / "node_modules"


def _version(node: str) -> tuple[int, ...]:
    return tuple(int(part) for part in run(node, "--version").strip().lstrip("v").split("."))


def image() -> str:
    """Give the image with a shell and rsync in which both run steps of their own; made if missing."""
    packages = pins()["runner"].debian
    tag = f"localhost/gocdnext-runner:{hashlib.sha256(repr(packages).encode()).hexdigest()[:8]}"
    with lock("image-runner"):
        if not images.exists(tag):
            with step("making an image with a shell"), tempfile.TemporaryDirectory() as scratch:
                tar = Path(scratch, "tree.tar")
                bootstrap(tar, packages, "--variant=extract", *bases.HOOKS)
                name, _, version = tag.rpartition(":")
                with engine.client(engine.up(), timeout=600) as host:
                    host.api.import_image(src=str(tar), repository=name, tag=version)
    return tag
