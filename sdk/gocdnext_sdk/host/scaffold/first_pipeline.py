"""A first pipeline for a project, from what is in its folder."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gocdnext_sdk.host.scaffold import ScaffoldError

_FILE: Final = Path(".gocdnext") / "ci.yaml"


@dataclass(frozen=True)
class Language:
    """How the projects of a language are known, and tested.

    Args:
        name: its name.
        files: one of these is in its projects.
        image: what the tests run in.
        script: the tests; `{install}` is what brings the dependencies.
        cache: what saves time: a variable, the folder that it names, and files that say what is in it.
    """

    name: str
    files: tuple[str, ...]
    image: str
    script: tuple[str, ...]
    cache: tuple[str, str, tuple[str, ...]] | None = None


_LANGUAGES: Final = (
    Language(
        "go",
        ("go.mod",),
        "docker.io/library/golang:1",
        ("go vet ./...", "go test ./..."),
        ("GOMODCACHE", ".cache/go/", ("go.sum",)),
    ),
    Language(
        "python",
        ("pyproject.toml", "requirements.txt", "setup.py"),
        "docker.io/library/python:3.13-slim",
        ("{install}", "python -m pytest"),
        ("PIP_CACHE_DIR", ".cache/pip/", ("requirements.txt", "pyproject.toml")),
    ),
    Language(
        "node",
        ("package.json",),
        "docker.io/library/node:22-slim",
        ("{install}", "npm test"),
        ("npm_config_cache", ".cache/npm/", ("package-lock.json", "package.json")),
    ),
    Language("rust", ("Cargo.toml",), "docker.io/library/rust:1", ("cargo test",)),
    Language("maven", ("pom.xml",), "docker.io/library/maven:3-eclipse-temurin-21", ("mvn -B verify",)),
    Language(
        "gradle",
        ("build.gradle", "build.gradle.kts"),
        "docker.io/library/gradle:8-jdk21",
        ("gradle check",),
    ),
)

_HEAD: Final = """\
# Written by `gocdnext-plugin init`; it is yours to change.
#   gocdnext-plugin lint             checks it
#   gocdnext-plugin run --registry   runs it here, with a throw-away registry for what it builds
name: ci
when:
  event: [push, pull_request]
stages: [{stages}]
"""

_REGISTRY: Final = """\
variables:
  # Where the image goes; `run --registry` replaces it with its own registry.
  REGISTRY: ghcr.io
"""

_IMAGE: Final = """\
  build: # there is a Dockerfile
    stage: build
    uses: ghcr.io/klinux/gocdnext-plugin-buildx@v1
    docker: true
    secrets: [REGISTRY_USERNAME, REGISTRY_PASSWORD]
    with:
      image: ${REGISTRY}/NAME
      # A tag for a branch or a pull request, and one for the commit; docs/tags.md has more.
      tags: |
        type=ref,event=branch
        type=ref,event=pr
        type=sha
      username: ${{ REGISTRY_USERNAME }}
      password: ${{ REGISTRY_PASSWORD }}
    outputs:
      reference: REFERENCE
  scan:
    stage: scan
    uses: ghcr.io/klinux/gocdnext-plugin-trivy@v1
    needs: [build]
    secrets: [REGISTRY_USERNAME, REGISTRY_PASSWORD]
    with:
      scan-type: image
      # The built image, by its digest: a tag could have moved.
      target: ${{ needs.build.outputs.reference }}
      severity: HIGH,CRITICAL
      ignore-unfixed: "true"
      username: ${{ REGISTRY_USERNAME }}
      password: ${{ REGISTRY_PASSWORD }}
"""


@dataclass(frozen=True)
class FirstPipeline:
    """A pipeline that was made.

    Args:
        text: its YAML.
        reasons: why it is what it is, a line each.
    """

    text: str
    reasons: tuple[str, ...]

    def write(self, folder: Path) -> Path:
        """Write it below a folder, and return where.

        Raises:
            ScaffoldError: there are pipelines already, or it cannot be written.
        """
        file = folder / _FILE
        if there := sorted(file.parent.glob("*.y*ml")):
            raise ScaffoldError(f"{there[0]} is there already", "--print shows what would be written")
        try:
            file.parent.mkdir(exist_ok=True)
            file.write_text(self.text, encoding="utf-8")
        except OSError as error:
            raise ScaffoldError(f"{file}: cannot be written: {error.strerror}") from None
        return file


def first_pipeline(folder: Path) -> FirstPipeline:
    """Return a pipeline that tests, builds and scans what is in a folder, as far as it is known.

    Raises:
        ScaffoldError: nothing in it is known.
    """
    stages: list[str] = []
    jobs: list[str] = []
    reasons: list[str] = []
    tested = [(each, file) for each in _LANGUAGES if (file := _first(folder, each.files))]
    for language, file in tested:
        name = "test" if len(tested) == 1 else f"test-{language.name}"
        stages = ["test"]
        jobs += [f"{line}\n" for line in _test(name, language, file, folder)]
        reasons.append(f"{file}: the job `{name}` runs its tests in {language.image}")
    if (folder / "Dockerfile").is_file():
        stages += ["build", "scan"]
        jobs.append(_IMAGE.replace("/NAME\n", f"/{_name(folder)}\n"))
        reasons.append("Dockerfile: `build` builds and pushes the image, `scan` checks what was pushed")
    if not jobs:
        known = ", ".join(["Dockerfile", *(name for each in _LANGUAGES for name in each.files)])
        raise ScaffoldError(f"{folder.resolve()} has nothing to build or test", f"`init` looks for {known}")
    registry = _REGISTRY if "build" in stages else ""
    text = f"{_HEAD.format(stages=', '.join(stages))}{registry}jobs:\n{''.join(jobs)}"
    return FirstPipeline(text, tuple(reasons))


def _test(name: str, language: Language, file: str, folder: Path) -> Iterator[str]:
    yield f"  {name}: # there is a {file}"
    yield "    stage: test"
    yield f"    image: {language.image}"
    if language.cache and (key := _first(folder, language.cache[2])):
        variable, path, _ = language.cache
        yield "    variables:"
        yield f"      {variable}: /workspace/{path.rstrip('/')}"
        yield "    cache: # kept between runs until that file changes"
        yield f"      - key: '{name}-{{{{ hash \"{key}\" }}}}'"
        yield f"        paths: [{path}]"
    yield "    script:"
    for line in language.script:
        yield f"      - {line.format(install=_install(language, folder))}"


def _install(language: Language, folder: Path) -> str:
    if language.name == "node":
        return "npm ci" if (folder / "package-lock.json").is_file() else "npm install"
    if (folder / "requirements.txt").is_file():
        return "pip install -r requirements.txt pytest"
    return "pip install . pytest"


def _name(folder: Path) -> str:
    """Return the image's repository: as package.json says, or the folder's name."""
    name = folder.resolve().name
    with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        name = json.loads((folder / "package.json").read_text(encoding="utf-8"))["name"].removeprefix("@")
    parts = [re.sub(r"[^a-z0-9]+", "-", part.lower()).strip("-") for part in name.split("/")]
    slug = "/".join(filter(None, parts)) or "app"
    return slug if "/" in slug else f"org/{slug}"


def _first(folder: Path, names: tuple[str, ...]) -> str:
    return next((name for name in names if (folder / name).is_file()), "")
