"""What two inputs of trivy must agree on, and what must be in the checkout."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from gocdnext_sdk import Credentials, Invalid, Problem, Reference, quoted
from gocdnext_sdk.workspace import exists, is_file, is_in_workspace

from .allowance import baseline_reference
from .configuration import overruled
from .entries import read_entries
from .inputs import TrivyInputs, without_login

_NO_SECRET = re.compile(r"([A-Za-z+]+://)?([\w.-]+@)?[^@?#]*")
"""A repository by an address with nothing secret in it: a user at most, as `git@` is for SSH."""

_VEX = ("repo", "repository", "oci", "sbom-ref")
"""What is no path of a VEX document. Source: Trivy 0.74 `pkg/vex/vex.go`, `NewSource`."""

_FOR = {
    frozenset({"vuln"}): ("skip-db-update", "db-repository", "db-username", "vex", "grace"),
    frozenset({"vuln", "license"}): ("java-db-repository", "pkg-types"),
}
"""What counts only where one of some scanners runs."""


def problems(inputs: TrivyInputs, environ: Mapping[str, str], workspace: Path) -> Iterator[Problem]:
    """Yield what is wrong beyond a single input."""
    wrong_target = list(_check_target(inputs, workspace))
    yield from wrong_target
    yield from _check_template(inputs, environ)
    yield from _check_scanners(inputs)
    if inputs.image_source == "docker" and "DOCKER_HOST" not in environ:
        yield Problem("image-source", "the job has no Docker daemon", "add `docker: true` to the job")
    yield from _check_files(inputs, workspace)
    given = {key for key, value in (("scanners", inputs.scanners), ("pkg-types", inputs.pkg_types)) if value}
    yield from overruled(inputs.configured_by(environ), given, workspace)
    yield from inputs.check_reports(workspace)
    yield from _check_ignorefile(inputs, environ, workspace)
    yield from _check_baseline(inputs, workspace)
    yield from _check_attach(inputs)
    yield from _check_vex(inputs, workspace)
    yield from _check_cache(inputs, environ, workspace)
    if inputs.scan_type == "dockerfile":
        yield from _check_bases(inputs, environ, workspace)
    elif not wrong_target:
        yield from _check_logins(inputs, workspace)
    if inputs.db_username and not inputs.db_repository:
        yield Problem("db-repository", "is missing, and `db-username` needs it", "name the database")
    elif inputs.db_username and not wrong_target and inputs.image:
        yield from _check_one_login(inputs, inputs.credentials(inputs.image.registry))


def _check_target(inputs: TrivyInputs, workspace: Path) -> Iterator[Problem]:
    target, token = without_login(inputs.target or "")
    if inputs.scan_type == "repo" and token and inputs.password:
        yield Problem("target", "has a token, and so has `password`, which wins", "keep one")
    if inputs.scan_type == "image" and token:
        yield Problem("target", "has credentials before the image", "give `username` and `password`")
    elif inputs.scan_type == "image":
        if target and inputs.archive:
            yield Problem("archive", 'cannot be combined with "target"', "keep one of the two")
        elif not target and not inputs.archive:
            yield Problem("target", "is required with scan-type: image", "give it, or `archive`")
        elif target:
            try:
                Reference.parse(target)
            except ValueError as error:
                yield Problem.of("target", error)
    elif inputs.scan_type == "dockerfile":
        if not is_in_workspace(target, workspace):
            yield Problem("target", "is outside the workspace", "give the path of a Dockerfile")
    elif inputs.scan_type != "repo" and "://" in target:
        yield Problem("target", "is a URL", "a repository is scanned with scan-type: repo")
    elif inputs.scan_type == "repo" and not exists(workspace / target) and not _NO_SECRET.fullmatch(target):
        what = "may hold a token, which any process on the host can read in Trivy's arguments"
        yield Problem("target", what, "leave out login, ? and #, and give the token as `password`")
    elif exists(workspace / target) and not is_in_workspace(target, workspace):
        yield Problem("target", f"{quoted(target)} is outside the workspace", "give a path inside it")
    elif target.startswith("-") or (
        not exists(workspace / target) and (inputs.scan_type != "repo" or target.startswith(("/", ".")))
    ):
        # A reference that came from a needed job is masked in the message, so always tell of images.
        what = f"there is no {quoted(target)} in the workspace"
        yield Problem("target", what, "an image is scanned with scan-type: image")


def _check_template(inputs: TrivyInputs, environ: Mapping[str, str]) -> Iterator[Problem]:
    if not inputs.template:
        return
    from gocdnext_sdk.inputs.public_texts import ARGUMENT, check_public
    from gocdnext_sdk.runtime.exposure import Exposure, secrets_of

    yield from check_public({"template": inputs.template}, Exposure(secrets_of(environ)), ARGUMENT)


def _check_scanners(inputs: TrivyInputs) -> Iterator[Problem]:
    for scanners, keys in _FOR.items():
        if not inputs.scanners or not scanners.isdisjoint(inputs.scanners):
            continue
        for key in keys:
            if getattr(inputs, key.replace("-", "_")):
                what = f"has no effect with scanners: {', '.join(inputs.scanners)}"
                yield Problem(key, what, f"leave it out, or add {' or '.join(sorted(scanners))}")
    if inputs.scan_type == "sbom" and not {"vuln", "license"}.issuperset(inputs.scanners):
        yield Problem("scanners", "an SBOM can be scanned for vuln and license only")


def _check_files(inputs: TrivyInputs, workspace: Path) -> Iterator[Problem]:
    if inputs.archive and not exists(workspace / str(inputs.archive.path)):
        yield Problem("archive", f"there is no {quoted(inputs.archive.path)} in the workspace")
    for name in ("ignorefile", "config"):
        if (path := getattr(inputs, name)) and not is_file(workspace / path):
            yield Problem(name, f"there is no file {quoted(path)} in the workspace")


def _check_ignorefile(inputs: TrivyInputs, environ: Mapping[str, str], workspace: Path) -> Iterator[Problem]:
    try:
        read_entries(inputs.accepted_by(environ, workspace), workspace)
    except Invalid as error:
        yield Problem.of("ignorefile", error)


def _check_baseline(inputs: TrivyInputs, workspace: Path) -> Iterator[Problem]:
    try:
        reference = baseline_reference(inputs, workspace)
    except ValueError as error:
        yield Problem.of("baseline", error)
        return
    if inputs.baseline and inputs.baseline.endswith(".json") and not is_file(workspace / inputs.baseline):
        yield Problem("baseline", f"there is no file {quoted(inputs.baseline)} in the workspace")
    if inputs.baseline and not is_in_workspace(inputs.baseline, workspace):
        yield Problem("baseline", f"{quoted(inputs.baseline)} is outside the workspace")
    if reference and inputs.scan_type != "image":
        what = f"an image is no baseline for scan-type: {inputs.scan_type}"
        yield Problem("baseline", what, "give the JSON report of an earlier scan")


def _check_attach(inputs: TrivyInputs) -> Iterator[Problem]:
    if inputs.attach and (inputs.archive or inputs.image_source == "docker"):
        yield Problem("attach", "needs an image in a registry", "leave it out")
    if inputs.attach and not inputs.wanted:
        yield Problem("attach", "has nothing to attach", "name the reports in `reports`")


def _check_vex(inputs: TrivyInputs, workspace: Path) -> Iterator[Problem]:
    for source in inputs.vex:
        if source == "sbom-ref" and inputs.scan_type != "sbom":
            yield Problem("vex", f"{quoted(source)} is for scan-type: sbom", "leave it out")
        elif source == "sbom-ref" and inputs.offline:
            what = f"{quoted(source)} fetches what the SBOM names, and `offline` is set"
            yield Problem("vex", what, "give the paths of the documents")
        elif source not in _VEX and not is_in_workspace(source, workspace):
            yield Problem("vex", f"{quoted(source)} is outside the workspace", "give a path inside it")


def _check_cache(inputs: TrivyInputs, environ: Mapping[str, str], workspace: Path) -> Iterator[Problem]:
    """Check that the checkout does not bring the databases by which it is judged."""
    cache = Path(inputs.cached_in(environ))
    if not cache.is_absolute() and not is_in_workspace(cache, workspace):
        yield Problem("cache-dir", "leads out of the workspace", "give an absolute path, or remove the link")
    elif is_committed(cache, workspace):
        what = f"{quoted(cache)} is part of the repository, so that it says itself what is found in it"
        yield Problem("cache-dir", what, "remove it there, or name another directory")


def is_committed(folder: Path, workspace: Path) -> bool:
    """Tell whether git has files in a folder of the checkout, by their paths in its index.

    Source: git's index-format, versions 2 and 3; version 4, which is had on demand only, cuts paths.
    """
    try:
        name = (workspace / folder).resolve().relative_to(workspace.resolve())
        index = (workspace / ".git" / "index").read_bytes()
    except (OSError, ValueError):
        return False
    return f"{name.as_posix()}/".encode(errors="surrogateescape") in index


def _check_bases(inputs: TrivyInputs, environ: Mapping[str, str], workspace: Path) -> Iterator[Problem]:
    try:
        images = inputs.bases(environ, workspace).values()
    except Invalid as error:
        yield Problem.of("target", error)
        return
    if inputs.username and not inputs.registry:
        yield Problem("registry", "is required, since the bases may be in several", "name the login's")
    else:
        yield from inputs.check_registry(
            (*(each.registry for each in images), *inputs.read_beside(workspace))
        )
    if inputs.insecure_registries:
        yield Problem("insecure-registries", "has no effect with scan-type: dockerfile", "leave it out")


def _check_logins(inputs: TrivyInputs, workspace: Path) -> Iterator[Problem]:
    databases = inputs.read_beside(workspace)
    if not inputs.image:
        yield from inputs.check_further(databases)
        yield from inputs.check_insecure_registries(())
        return
    yield from inputs.check_registry((inputs.image.registry, *databases))
    scanned = [inputs.image.registry] if inputs.image_source == "registry" else []
    yield from inputs.check_insecure_registries([*scanned, *inputs.baseline_registries(workspace)])


def _check_one_login(inputs: TrivyInputs, logins: Credentials) -> Iterator[Problem]:
    registry = inputs.db_repository[0].registry
    if logins.get(registry):
        what = f"{registry} has credentials already"
        yield Problem("db-username", what, "leave it out; the same credentials serve both")
