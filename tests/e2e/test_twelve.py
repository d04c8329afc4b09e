"""A pipeline of twelve jobs with all that stands between jobs.

The platform has run the same file (docs/pipeline.md, "Compared with the platform"). What is expected here is
what was seen there.
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from gocdnext_sdk.host.harness import NullListener, RunOptions, Session, run_pipeline
from gocdnext_sdk.host.harness.engine.docker import DockerEngine
from gocdnext_sdk.host.harness.report.interface import JobReport

pytestmark = pytest.mark.soak

HERE = Path(__file__).with_name("twelve")
TAG = os.environ.get("GOCDNEXT_TESTBED_TAG", "test")

# Prints the files that a job finds, but for Git's own and the output file.
LOOK = """
import os
for folder, folders, names in os.walk("."):
    folders[:] = sorted(each for each in folders if each not in {".git", "outputs"})
    for name in sorted(names):
        print("FILE", os.path.join(folder, name)[2:])
"""
ASK = """
import sys, time, urllib.request
for _ in range(100):
    try:
        print(urllib.request.urlopen(sys.argv[1], timeout=5).status)
        break
    except OSError:
        time.sleep(0.1)
else:
    sys.exit("no answer")
"""
CHECKOUT = {
    "look.py": LOOK,
    "ask.py": ASK,
    "requirements.txt": "flask==3\n",
    "Dockerfile": "FROM scratch\nCOPY src/app.txt /\n",
    "src/app.txt": "an application\n",
    # In two parts, so that no scanner of this repository stumbles over it.
    "src/settings.ini": "token = ghp_" + "k9Zq2Xw7Lm4Tn8Vb3Rc6Yd1Fh5Gj0PsAeUiO\n",
    "Dockerfile.dockerignore": "*\n!src/app.txt\n",
}

OUTCOME = {
    "version": "passed",
    "deps": "passed",
    "unit [PART=one]": "passed",
    "unit [PART=two]": "passed",
    "coverage": "passed",
    "style": "passed",
    "api": "passed",
    "image": "passed",
    "notes": "passed",
    "scan-files": "failed",
    "scan-image": "passed",
    "ship": "canceled",
}


class Notices(NullListener):
    def __init__(self) -> None:
        self.ended: list[str] = []

    def job_finished(self, report: JobReport) -> None:
        self.ended.append(f"{report.name} {report.status.value}")


def checkout(folder: Path, images: dict[str, str]) -> Path:
    """Make the checkout of the pipeline, a Git repository, and return the pipeline's file."""
    for name, text in CHECKOUT.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    text = (HERE / "pipeline.yaml").read_text()
    for name, image in images.items():
        text = text.replace(f": {name}\n", f": {image}\n")
    file = folder / ".gocdnext" / "twelve.yaml"
    file.parent.mkdir()
    file.write_text(text)
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.com")
    for argv in (("init", "-q", "-b", "main"), ("add", "-A"), (*identity, "commit", "-qm", "first")):
        subprocess.run(["git", "-C", folder, *argv], check=True)
    return file


def plugin(name: str) -> str:
    return f"localhost/gocdnext-plugin-{name}:{TAG}"


def found(report: JobReport) -> set[str]:
    """Return the files that a job found, but for those that every job finds."""
    files = {line.removeprefix("FILE ") for line in report.text.splitlines() if line.startswith("FILE ")}
    assert files >= {*CHECKOUT, ".gocdnext/twelve.yaml"}
    return files - {*CHECKOUT, ".gocdnext/twelve.yaml"}


def test_order_files_and_outcome_are_the_platforms(tmp_path: Path) -> None:
    project = tmp_path / "twelve"
    project.mkdir()
    images = {"BASE": os.environ["BASE"], "BUILDX": plugin("buildx"), "TRIVY": plugin("trivy")}
    file = checkout(project, images)
    told = Notices()
    options = RunOptions(caches=tmp_path / "caches", brought_back=tmp_path / "brought-back")
    with Session(DockerEngine()) as session:
        report = run_pipeline(file, replace(options, notify=True), session=session, listener=told)
        again = run_pipeline(file, replace(options, jobs=["deps"]), session=session)

    assert {job.name: job.status.value for job in report.jobs} == OUTCOME, "\n".join(
        f"{job.name}: {job.reason}\n{job.text}"
        for job in report.jobs
        if job.status.value != OUTCOME[job.name]
    )
    assert report.exit_code == 1
    ran = [name for each in told.ended if (name := each.rpartition(" ")[0]) in OUTCOME and report[name].log]
    assert {*OUTCOME} - {*ran} == {"ship"}
    stages = [report[name].stage for name in ran]
    assert stages == sorted(stages, key=["prepare", "test", "build", "scan"].index)

    # A job finds the checkout and the artifacts that it asks for, and nothing else.
    vendor = "vendor/lib/requirements.txt"
    assert found(report["version"]) == found(report["coverage"]) == found(report["api"]) == set()
    assert found(report["deps"]) == set()
    assert found(report["unit [PART=one]"]) == found(report["unit [PART=two]"]) == {vendor}
    assert found(report["style"]) == {f"third/{vendor}"}
    assert found(report["notes"]) == {"units/out/one.xml", "units/out/two.xml", "answer.txt"}

    assert found(again["deps"]) == {".deps/requirements.txt"}  # from the cache
    assert report["version"].outputs["version"].startswith("1.2.3-")
    assert report["image"].outputs["digest"].startswith("sha256:")
    assert report["scan-files"].exit_code == 1
    coverage, tests = report["coverage"].coverage, report["unit [PART=one]"].tests
    assert coverage is not None
    assert tests is not None
    assert "75" in str(coverage)
    assert "1" in str(tests)
    assert (project / "found.json").is_file()
    assert told.ended[-1] == "_notify_0 passed"
