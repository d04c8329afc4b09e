"""Whether what is released is clean, by the gate of the release pipeline and a database of public advisories.

The seven images on the engine go to a throw-away registry, with the database. Every one of them is scanned as
the release does it, by the trivy plugin with the very inputs of ``.gocdnext/release.yaml``, and once more
without what ``.trivyignore.yaml`` accepts, so that the table can say how much that is. So are the locks of
Python packages. A database that finds nothing would prove nothing: what is known to be vulnerable has to be
found too.

The database has no advisories about Debian's packages: each of them must be the newest that Debian offers.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from gocdnext_sdk.host.harness import LocalRegistry, RunOptions, RunReport, Session, run_pipeline
from gocdnext_sdk.host.harness.engine.docker import DockerEngine
from gocdnext_sdk.host.harness.report.interface import Status
from testbed import advisories, debian, engine, images, rehearsal, tools, trivydb
from testbed.advisories import Source
from testbed.cache import SetupError, run, say, step
from testbed.pins import ROOT, Pin, pins

ACCEPTED = ".trivyignore.yaml"
EVERYTHING = {"ignorefile": "", "exit-code": "0"}

Inputs = dict[str, str]

CONTROLS: dict[str, Inputs] = {
    "go": {"scan-type": "rootfs", "target": "control/go"},
    "python": {"scan-type": "fs", "target": "control/python"},
}
"""Scans of what is known to be vulnerable, by the source that knows it."""
OLD_PROGRAM = "cosign-2"
"""A program of 2025: its Go had vulnerabilities that are fixed since."""
OLD_LOCK = "requests==2.19.1\n"  # PYSEC-2018-28


@dataclass(frozen=True)
class Found:
    """What a scan saw, whatever is accepted.

    Args:
        packages: how many, by what brought them.
        vulnerabilities: as Trivy reports them.
        system: the packages of the distribution, and their versions.
    """

    packages: Counter[str]
    vulnerabilities: tuple[Mapping[str, Any], ...]
    system: Mapping[str, str]

    @classmethod
    def read(cls, report: Path) -> Found:
        """Read a report of Trivy's in JSON."""
        packages: Counter[str] = Counter()
        vulnerabilities: list[Mapping[str, Any]] = []
        system: dict[str, str] = {}
        for result in json.loads(report.read_text()).get("Results") or ():
            listed = result.get("Packages") or ()
            packages[result["Type"]] += len(listed)
            listing = result.get("Vulnerabilities") or ()
            vulnerabilities += [{**each, "Target": result["Target"]} for each in listing]
            if result["Class"] == "os-pkgs":
                system |= {each["Name"]: version(each) for each in listed}
        return cls(packages, tuple(vulnerabilities), system)


def version(package: Mapping[str, Any]) -> str:
    """Return the version of a Debian package, out of the three parts that Trivy makes of it."""
    epoch = f"{package['Epoch']}:" if package.get("Epoch") else ""
    release = f"-{package['Release']}" if package.get("Release") else ""
    return f"{epoch}{package['Version']}{release}"


def main() -> None:
    """Scan everything, and print what was found.

    Raises:
        SetupError: something is not clean, or could not be scanned.
    """
    known = sources()
    with tempfile.TemporaryDirectory() as folder:
        problems, table = scan(known, Path(folder))
    print(table)
    if problems:
        raise SetupError("not clean: " + "; ".join(problems))


def sources() -> list[Source]:
    """Return the advisories that can be had; those about Go modules always."""
    known = [advisories.go()]
    try:
        known.append(advisories.python())
    except SetupError as error:
        say(f"WITHOUT advisories about Python packages. {error}")
    return known


def scan(known: Sequence[Source], folder: Path) -> tuple[list[str], str]:
    """Scan the images on the engine and the locks; return what is wrong, and a table of what was found.

    Args:
        known: the advisories.
        folder: a new one, for the database, and for what the jobs read and write.
    """
    archive = trivydb.build_public(folder / "db.tar.gz", known)
    checkout = folder / "checkout"
    prepare(checkout)
    with Session(DockerEngine()) as session:
        registry = session.start_registry()
        database = f"{registry.address}/trivy/db:2"
        trivydb.push(database, registry.username, registry.password, archive)
        targets = {name: {"scan-type": "image", "target": push(name, registry)} for name in rehearsal.IMAGES}
        targets["locks"] = {"scan-type": "fs", "target": "locks"}
        controls = {each.name: CONTROLS[each.name] for each in known}
        file = checkout / ".gocdnext" / "scan.yaml"
        file.parent.mkdir()
        file.write_text(yaml.safe_dump(pipeline(database, targets, controls), sort_keys=False))
        report = _run(file, session, registry)
    found = {name: Found.read(checkout / report_of(name)) for name in targets}
    table = f"{advisories.count(known)}\n\n{listing(report, found)}"
    return list(wrong(report, targets, controls, found)), table


def prepare(checkout: Path) -> None:
    """Put into a folder what the jobs need: what is accepted, the locks, and what is known as vulnerable."""
    for lock in locks():
        # Trivy knows them by this name only.
        (target := checkout / "locks" / lock).mkdir(parents=True)
        shutil.copy(ROOT / lock, target / "requirements.txt")
    shutil.copy(ROOT / ACCEPTED, checkout)
    for each in CONTROLS.values():
        (checkout / each["target"]).mkdir(parents=True)
    (checkout / CONTROLS["python"]["target"] / "requirements.txt").write_text(OLD_LOCK)
    tools.get(OLD_PROGRAM)
    shutil.copy(tools.binary(OLD_PROGRAM), checkout / CONTROLS["go"]["target"])


def locks() -> list[str]:
    """Return the files that lock Python packages; the oldest that work are installed by a test alone."""
    listed = run("git", "ls-files", "-z", "*requirements*.lock", cwd=ROOT)
    return list(filter(None, listed.split("\0")))


def push(name: str, registry: LocalRegistry) -> str:
    """Push an image of the release from the engine to a registry; return its reference there."""
    local = {"base": images.BASE, "sigstore": images.SIGSTORE}.get(name) or images.plugin_tag(name)
    repository = f"{registry.address}/{rehearsal.IMAGES[name]}"
    login = {"username": registry.username, "password": registry.password}
    with step(f"pushing {local}"), engine.client(engine.up(), timeout=600) as host:
        host.images.get(local).tag(repository, "scan")
        try:
            for line in host.images.push(repository, "scan", auth_config=login, stream=True, decode=True):
                if "error" in line:
                    raise SetupError(f"{repository}: {line['error']}")
        finally:
            host.images.remove(f"{repository}:scan")
    return f"{repository}:scan"


def pipeline(database: str, targets: Mapping[str, Inputs], controls: Mapping[str, Inputs]) -> dict[str, Any]:
    """Return a pipeline of scans with the inputs that the release gives to its own."""
    gate = yaml.safe_load(rehearsal.PIPELINE.read_text())["jobs"][".scan"]
    skipped = {"skip-files": "\n".join(pin.path for pin in stand_ins())}
    jobs = {}
    for name, inputs in targets.items():
        jobs[f"gate-{name}"] = inputs | (skipped if inputs["scan-type"] == "image" else {})
        jobs[f"all-{name}"] = inputs | EVERYTHING | {"reports": f"json={report_of(name)}"}
    for name, inputs in controls.items():
        jobs[f"control-{name}"] = inputs | {"ignorefile": ""}
    return {
        "name": "scan",
        "stages": ["scan"],
        "variables": {"TRIVY_DB": database},
        "jobs": {name: {**gate, "with": _with(gate["with"], inputs)} for name, inputs in jobs.items()},
    }


def _with(gate: Inputs, inputs: Inputs) -> Inputs:
    """Return the gate's inputs with others in their place; an empty one leaves the gate's out."""
    merged = gate | inputs
    if inputs["scan-type"] != "image":  # the login is the database's then
        merged |= {f"db-{key}": merged.pop(key) for key in ("username", "password")}
    return {key: value for key, value in merged.items() if value}


def report_of(name: str) -> str:
    return f"reports/{name}.json"


def stand_ins() -> list[Pin]:
    """Return the programs that have another version here than in the release, and so say nothing of it."""
    return [] if engine.can_pull(engine.up()) else [pin for pin in pins().values() if pin.go_version]


def _run(file: Path, session: Session, registry: LocalRegistry) -> RunReport:
    options = RunOptions(
        workspace=file.parent.parent,
        registry=registry,
        use_images={"gocdnext-plugin-trivy": images.plugin_tag("trivy")},
        parallel=2,
    )
    return run_pipeline(file, options, session=session)


def wrong(
    report: RunReport, targets: Iterable[str], controls: Iterable[str], found: Mapping[str, Found]
) -> Iterator[str]:
    """Yield what is not as it has to be."""
    status = {job.name: job.status for job in report.jobs}
    for name in targets:
        if status[f"gate-{name}"] is not Status.PASSED:
            yield f"{name} did not pass"
        if not found[name].packages.total():
            yield f"nothing was seen in {name}"
    for name in controls:
        if status[f"control-{name}"] is not Status.FAILED:
            yield f"what is known to be vulnerable was not found by the advisories about {name}"
    for name, newest in debian.outdated(found["base"].system).items():
        yield f"{name} {found['base'].system[name]} is in the base, and Debian has {newest}"


def listing(report: RunReport, found: Mapping[str, Found]) -> str:
    """Give a table: what was seen, how much of it is vulnerable and how much of that counts."""
    status = {job.name: job.status for job in report.jobs}
    skipped = {pin.path.lstrip("/") for pin in stand_ins()}
    lines = [f"{'':<16}{'packages':>9}{'found':>7}{'stand-in':>9}  gate"]
    for name, each in found.items():
        passed_over = sum(one["Target"] in skipped for one in each.vulnerabilities)
        gate = status[f"gate-{name}"].value
        counted = (each.packages.total(), len(each.vulnerabilities), passed_over)
        lines.append(f"{name:<16}{counted[0]:>9}{counted[1]:>7}{counted[2]:>9}  {gate}")
    return "\n".join(lines)
