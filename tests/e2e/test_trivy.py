"""The trivy plugin with the real trivy, a real registry with a login, and a database of real advisories."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from fcntl import LOCK_EX, flock
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from itertools import product
from pathlib import Path
from typing import Any, Self
from xml.etree import ElementTree as ET

import pytest
from testbed import tools
from tests.servers import olareg

from gocdnext_sdk.host.harness import LocalRegistry
from gocdnext_sdk.host.manifest.load import load_plugin
from gocdnext_sdk.host.testing.result import Call, Result
from gocdnext_sdk.host.testing.run import PluginRunner
from gocdnext_sdk.inputs.model import all_constraints
from gocdnext_sdk.inputs.reader import given_texts, read_inputs

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "plugins" / "trivy"
VULNERABLE, CLEAN = "2.10", "3.1.4"

Scan = Callable[..., Result]


@dataclass(frozen=True)
class Images:
    """A database, an index of two unlike platforms, and its two images, tagged by architecture."""

    registry: LocalRegistry
    docker_config: Path

    @property
    def repository(self) -> str:
        return f"{self.registry.address}/trivy-tests/app"

    @property
    def database(self) -> str:
        return f"{self.registry.address}/trivy-tests/db:2"

    def inputs(self, tag: str) -> dict[str, str]:
        """Return what it takes to scan an image."""
        return {
            "scan_type": "image",
            "target": f"{self.repository}:{tag}",
            "db_repository": self.database,
            "username": self.registry.username,
            "password": self.registry.password,
        }

    def crane(self, *argv: str) -> str:
        environ = {**os.environ, "DOCKER_CONFIG": str(self.docker_config)}
        return subprocess.run(
            ["crane", *argv], env=environ, stdout=subprocess.PIPE, text=True, check=True
        ).stdout.strip()

    def digest(self, tag: str) -> str:
        return self.crane("digest", f"{self.repository}:{tag}")


@pytest.fixture(scope="module")
def images(registry: LocalRegistry, tmp_path_factory: pytest.TempPathFactory) -> Images:
    scratch = tmp_path_factory.mktemp("trivy")
    pair = base64.b64encode(f"{registry.username}:{registry.password}".encode()).decode()
    (scratch / "config.json").write_text(json.dumps({"auths": {registry.address: {"auth": pair}}}))
    images = Images(registry, scratch)
    subprocess.run(
        [sys.executable, "-m", "testbed", "trivy-db", "push", images.database],
        cwd=ROOT,
        env={**os.environ, **registry.secrets},
        check=True,
    )
    for architecture, version in (("amd64", VULNERABLE), ("arm64", CLEAN)):
        image = f"{images.repository}:{architecture}"
        images.crane("append", "-f", layer(version, scratch / f"{version}.tar"), "-t", image)
        images.crane("mutate", image, "--set-platform", f"linux/{architecture}", "-t", image)
    children = [word for each in ("amd64", "arm64") for word in ("-m", f"{images.repository}:{each}")]
    images.crane("index", "append", *children, "-t", f"{images.repository}:multi")
    return images


def layer(version: str, path: Path) -> str:
    """Write a layer that holds an installed Python package."""
    content = f"Metadata-Version: 2.1\nName: Jinja2\nVersion: {version}\n".encode()
    entry = tarfile.TarInfo(f"app/site-packages/Jinja2-{version}.dist-info/METADATA")
    entry.size = len(content)
    with tarfile.open(path, "w") as archive:
        archive.addfile(entry, io.BytesIO(content))
    return str(path)


@pytest.fixture(scope="module")
def database(images: Images, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A cache folder that holds the database, as inputs."""
    cache = tmp_path_factory.mktemp("cache")
    subprocess.run(
        ["trivy", "image", "--download-db-only", "--cache-dir", cache, "--db-repository", images.database],
        env={**os.environ, "DOCKER_CONFIG": str(images.docker_config)},
        check=True,
    )
    return {"cache_dir": str(cache), "skip_db_update": "true"}


@pytest.fixture
def scan(run_plugin: PluginRunner, workspace: Path) -> Scan:
    """Run the plugin in a checkout with a vulnerable requirement: ``scan(scan_type="config")``."""
    (workspace / "requirements.txt").write_text(f"jinja2=={VULNERABLE}\n")

    def scan(
        env: dict[str, str] | None = None, secrets: dict[str, str] | None = None, **inputs: str
    ) -> Result:
        with_ = {key.replace("_", "-"): value for key, value in inputs.items()}
        return run_plugin(FOLDER, with_, env=env, secrets=secrets)

    return scan


def scans(result: Result) -> list[Call]:
    """The starts of Trivy that scanned something."""
    return [
        call for call in result.calls if call.argv[0] != "convert" and "--download-db-only" not in call.argv
    ]


def last_line(result: Result) -> str:
    return result.log.splitlines()[-1]


# --- images


def test_every_platform_of_an_index_is_scanned_by_digest(images: Images, scan: Scan) -> None:
    result = scan(**images.inputs("multi")).exited(1)
    digest = images.digest("multi")
    assert last_line(result) == (
        f"error: findings: 1 HIGH in {images.repository}@{digest} (linux/amd64: 1 HIGH; linux/arm64: none)"
    )
    assert result.outputs == {
        "IMAGE": images.repository,
        "DIGEST": digest,
        "REFERENCE": f"{images.repository}@{digest}",
        "TAGS": "multi",
        "PLATFORMS": "linux/amd64,linux/arm64",
        "FINDINGS": "1",
        "CRITICAL": "0",
        "HIGH": "1",
        "MEDIUM": "0",
        "LOW": "0",
        "UNKNOWN": "0",
    }
    assert [call.argv[-1] for call in scans(result)] == [
        f"{images.repository}@{images.digest(each)}" for each in ("amd64", "arm64")
    ]


def test_a_clean_image_says_so_in_the_last_line(images: Images, scan: Scan) -> None:
    result = scan(platforms="linux/arm64", **images.inputs("multi")).passed()
    assert last_line(result).startswith("==> clean: nothing HIGH or CRITICAL in ")
    assert result.outputs["PLATFORMS"] == "linux/arm64"
    assert result.outputs["FINDINGS"] == "0"


def test_a_layer_is_read_once(images: Images, scan: Scan, workspace: Path) -> None:
    reading, debug = "Missing diff ID in cache", {"TRIVY_DEBUG": "true"}
    first, second = (scan(env=debug, **images.inputs("multi")).exited(1) for _ in range(2))
    assert (first.log.count(reading), second.log.count(reading)) == (2, 0)
    with (workspace / ".cache" / "trivy" / "fanal" / "fanal.db").open("rb") as file:
        flock(file, LOCK_EX)  # as a scan of another job has it
        third = scan(env=debug, **images.inputs("multi")).exited(1)
    assert third.log.count(reading) == 1
    assert {last_line(each) for each in (first, second, third)} == {last_line(first)}


def test_layers_that_have_lost_their_end_are_read_anew(images: Images, scan: Scan, workspace: Path) -> None:
    scan(**images.inputs("amd64")).exited(1)
    layers = import_module(".layers", load_plugin(FOLDER).__module__.rpartition(".")[0])
    kept = workspace / ".cache" / "trivy" / layers.LAYERS
    content = kept.read_bytes()
    for broken in (b"", content[:5], content[:4096], content[: len(content) // 2], bytes(len(content))):
        kept.write_bytes(broken)
        scan(**images.inputs("amd64")).exited(1)
        with kept.open("rb") as file:
            assert layers.is_whole(file)


def test_an_image_does_not_answer_for_its_base(images: Images, scan: Scan, tmp_path: Path) -> None:
    secret = f"token = ghp_{'a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8'}\n"
    below = packed("app/settings", secret)
    base = [("COPY settings", below), ("CMD sh", None)]
    for tag, lines in (("base", base), ("derived", [*base, ("COPY x", packed("app/x", "x"))])):
        pushed = str(tmp_path / tag)
        write_layout(Path(pushed), lines)
        images.crane("push", pushed, f"{images.repository}:{tag}")
    found = [scan(exit_code="0", **images.inputs(tag)).passed() for tag in ("derived", "base", "derived")]
    assert [each.outputs["FINDINGS"] for each in found] == ["0", "1", "0"]


def test_what_is_scanned_and_what_is_skipped_is_as_the_job_says(
    images: Images, scan: Scan, workspace: Path, tmp_path: Path
) -> None:
    """Trivy's `--input` wins over its argument, and `--skip-files` over the variable."""
    write_layout(workspace / "clean", [("COPY x", packed("app/x", "x"))])
    assert "TRIVY_INPUT has no effect" in scan(env={"TRIVY_INPUT": "clean"}, **images.inputs("amd64")).log
    (workspace / "trivy.yaml").write_text("image:\n  input: clean\n")
    assert last_line(scan(**images.inputs("amd64")).exited(1)).startswith("error: findings: 1 HIGH")

    secret = f"token = ghp_{'a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8'}\n"
    base = [("COPY b", packed("app/b", "b")), ("CMD sh", None)]
    pushed = tmp_path / "above"
    write_layout(pushed, [*base, ("COPY settings", packed("app/settings", secret))])
    images.crane("push", str(pushed), f"{images.repository}:above")
    scan(**images.inputs("above")).exited(1)
    scan(env={"TRIVY_SKIP_FILES": "app/settings"}, **images.inputs("above")).passed()
    (workspace / "trivy.yaml").write_text("scan:\n  skip-files: [app/settings]\n")
    scan(**images.inputs("above")).passed()


def packed(path: str, content: str) -> bytes:
    """Return a layer of one file."""
    entry, made = tarfile.TarInfo(path), io.BytesIO()
    entry.size = len(content)
    with tarfile.open(fileobj=made, mode="w") as archive:
        archive.addfile(entry, io.BytesIO(content.encode()))
    return made.getvalue()


def write_layout(folder: Path, lines: list[tuple[str, bytes | None]]) -> None:
    """Write an image as an OCI layout.

    Args:
        folder: where.
        lines: those of its history, each with its layer, if it has one.
    """
    (folder / "blobs" / "sha256").mkdir(parents=True)
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')

    def blob(kind: str, content: bytes) -> dict[str, Any]:
        digest = hashlib.sha256(content).hexdigest()
        (folder / "blobs" / "sha256" / digest).write_bytes(content)
        media_type = f"application/vnd.oci.image.{kind}"
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(content)}

    layers = [blob("layer.v1.tar", layer) for _, layer in lines if layer is not None]
    config = {
        "os": "linux",
        "architecture": "amd64",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [each["digest"] for each in layers]},
        "history": [{"created_by": line, "empty_layer": layer is None} for line, layer in lines],
    }
    made = blob("config.v1+json", json.dumps(config).encode())
    manifest = {"schemaVersion": 2, "config": made, "layers": layers}
    described = blob("manifest.v1+json", json.dumps(manifest).encode())
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [described]}))


def test_an_image_of_one_platform_names_it(images: Images, scan: Scan) -> None:
    result = scan(exit_code="7", **images.inputs("amd64")).exited(7)
    assert result.outputs["PLATFORMS"] == "linux/amd64"
    assert result.outputs["DIGEST"] == images.digest("amd64")


@pytest.mark.parametrize(("tag", "exit_code"), [("multi", 2), ("arm64", 3)])
def test_a_platform_that_is_not_there_is_never_a_clean_scan(
    tag: str, exit_code: int, images: Images, scan: Scan
) -> None:
    result = scan(platforms="linux/s390x", **images.inputs(tag)).exited(exit_code)
    assert "linux/arm64" in result.errors[0]
    assert "FINDINGS" not in result.outputs
    # A registry was asked and an output is written, so nobody says that nothing was done.
    assert result.outputs["DIGEST"]
    assert not any("nothing was done" in each for each in result.errors)


def test_platforms_are_demanded_of_what_is_scanned_and_of_nothing_else(
    images: Images, scan: Scan, workspace: Path
) -> None:
    """Not of a baseline that lacks them, nor of a base that a FROM has for another one."""
    baseline = {"baseline": f"{images.repository}:amd64", "platforms": "linux/arm64"}
    scan(**baseline, **images.inputs("multi")).passed()
    arm64, amd64 = f"--platform=linux/arm64 {images.repository}:multi", f"{images.repository}:amd64"
    (workspace / "Dockerfile").write_text(f"FROM {arm64} AS tool\nFROM {amd64}\n")
    inputs = images.inputs("") | {
        "scan_type": "dockerfile",
        "registry": images.registry.address,
        "target": "",
    }
    result = scan(platforms="linux/amd64", **inputs).exited(1)
    assert result.outputs["PLATFORMS"] == "linux/arm64,linux/amd64"


def test_an_archive_is_scanned_before_anything_is_pushed(
    images: Images, database: dict[str, str], scan: Scan, workspace: Path
) -> None:
    images.crane("pull", f"{images.repository}:amd64", str(workspace / "image.tar"))
    result = scan(scan_type="image", archive="image.tar", **database).exited(1)
    assert last_line(result) == "error: findings: 1 HIGH in image.tar (linux/amd64: 1 HIGH)"


def test_a_missing_image_and_a_missing_login_are_no_findings(images: Images, scan: Scan) -> None:
    assert "not found" in last_line(scan(**images.inputs("nope")).exited(3))
    anonymous = scan(scan_type="image", target=f"{images.repository}:multi").exited(3)
    assert "requires credentials" in last_line(anonymous)


# --- other scan types


def test_findings_can_be_advisory(database: dict[str, str], scan: Scan) -> None:
    result = scan(exit_code="0", **database).passed()
    assert last_line(result) == "==> findings: 1 HIGH in .; advisory, as `exit-code` is 0"
    assert result.outputs["HIGH"] == "1"
    assert "IMAGE" not in result.outputs


def test_a_config_scan_with_defaults_works(scan: Scan, workspace: Path) -> None:
    (workspace / "Dockerfile").write_text("FROM scratch\nUSER root\nCOPY x /x\n")
    assert last_line(scan(scan_type="config").exited(1)) == "error: findings: 1 HIGH in ."
    (workspace / "Dockerfile").write_text("FROM scratch\nUSER 1000\nCOPY x /x\n")
    scan(scan_type="config").passed()


def test_an_sbom_made_here_is_scanned_there(database: dict[str, str], scan: Scan) -> None:
    scan(format="cyclonedx", output="sbom.json", exit_code="0", **database).passed()
    scan(scan_type="sbom", target="sbom.json", **database).exited(1)


def test_a_repository_is_cloned_with_a_token_that_no_argv_shows(database: dict[str, str], scan: Scan) -> None:
    with recorder() as server:
        target = f"http://anna:t0ken-of-anna@{server.address}/org/repo"
        secrets = {"ANNAS_TOKEN": "t0ken-of-anna"}
        result = scan(scan_type="repo", target=target, secrets=secrets, **database).exited(3)
    assert last_line(result).startswith("error: the scan of")
    assert result.call("trivy", "repo").argv[-1] == f"http://{server.address}/org/repo"
    assert server.passwords == {"t0ken-of-anna"}


# --- reports


def test_a_template_sees_no_login(run_plugin: PluginRunner, workspace: Path) -> None:
    """It may be a file of the checkout, and it can print what is in Trivy's environment."""
    (workspace / "report.tpl").write_text('{{ env "GITHUB_TOKEN" }}{{ env "TRIVY_TOKEN" }}')
    inputs = {"scan_type": "repo", "target": ".", "scanners": "secret", "output": "report.txt"}
    inputs |= {"format": "template", "template": "@report.tpl"}
    inputs |= {"username": "somebody", "password": "canary-password"}
    run_plugin(FOLDER, inputs, secrets={"TRIVY_TOKEN": "canary-token"}).passed()
    assert (workspace / "report.txt").read_text() == ""


@pytest.mark.parametrize("report_format", ["json", "sarif", "template", "table"])
def test_one_scan_gives_the_report_and_the_table(
    report_format: str, images: Images, scan: Scan, workspace: Path
) -> None:
    (workspace / "short.tpl").write_text("{{ range . }}[{{ .Target }}]{{ end }}")
    template = {"template": "@short.tpl"} if report_format == "template" else {}
    report = f"reports/deep/report.{report_format}"
    inputs = images.inputs("multi") | template
    result = scan(format=report_format, output=report, **inputs).exited(1)
    assert [call.argv[-1] for call in scans(result)] == [
        f"{images.repository}@{images.digest(each)}" for each in ("amd64", "arm64")
    ]
    assert "│ Jinja2 (METADATA) │ CVE-2019-10906 │ HIGH" in result.log
    text = (workspace / report).read_text()
    match report_format:
        case "json":
            targets = [each["Target"] for each in json.loads(text)["Results"]]
            assert targets == ["linux/amd64: Python", "linux/arm64: Python"]
        case "sarif":
            (run,) = json.loads(text)["runs"]
            assert [finding["ruleId"] for finding in run["results"]] == ["CVE-2019-10906"]
            assert run["results"][0]["properties"]["platforms"] == ["linux/amd64"]
        case "template":
            assert text == "[linux/amd64: Python][linux/arm64: Python]"
        case _:
            assert text in result.log


def test_an_sbom_describes_one_image(images: Images, scan: Scan, workspace: Path) -> None:
    inputs = images.inputs("multi") | {"format": "cyclonedx", "output": "sbom.json"}
    refused = scan(**inputs).exited(2)
    assert "describes one image" in refused.errors[0]
    assert not scans(refused)
    scan(platforms="linux/arm64", **inputs).passed()
    assert json.loads((workspace / "sbom.json").read_text())["bomFormat"] == "CycloneDX"


EVERY_FORMAT = """
sarif=out/trivy.sarif
cyclonedx=out/{platform}.cdx.json
spdx=out/{platform}.spdx
spdx-json=out/{platform}.spdx.json
cosign-vuln=out/{platform}.vuln.json
github=out/{platform}.github.json
html=out/trivy.html
junit=out/junit.xml
gitlab=out/gl-container-scanning.json
gitlab-codequality=out/gl-code-quality.json
asff=out/asff.json
json=out/trivy.json
table=out/trivy.txt
"""


def test_one_scan_gives_every_report(images: Images, scan: Scan, workspace: Path) -> None:
    result = scan(reports=EVERY_FORMAT, **images.inputs("multi")).exited(1)
    assert len(scans(result)) == 2  # one of each platform
    found = {file.name: file.read_text() for file in (workspace / "out").iterdir()}
    assert len(found) == 18  # eight about both platforms, five about each
    for name, text in found.items():
        if name.endswith((".json", ".sarif")):
            json.loads(text)
    ET.fromstring(found["junit.xml"])
    for name in ("trivy.html", "junit.xml", "gl-container-scanning.json", "asff.json", "trivy.txt"):
        assert "CVE-2019-10906" in found[name], name
    # Each SBOM is of its own platform's image, by digest: what an attestation of it is about.
    for each in ("amd64", "arm64"):
        bom = json.loads(found[f"linux-{each}.cdx.json"])
        assert bom["metadata"]["component"]["purl"].count(images.digest(each)) == 1
    sboms = dict(entry.split("=") for entry in result.outputs["SBOMS"].split(","))
    assert sboms[f"{images.repository}@{images.digest('arm64')}"] == "out/linux-arm64.cdx.json"
    assert found["trivy.txt"] in result.log


def test_the_image_has_trivys_own_templates() -> None:
    """Those of its release: its repository's at that version, as its official image has them too."""
    tool = Path(shutil.which("trivy") or "").resolve()
    assert {each.name for each in (tool.parents[3] / "contrib").iterdir()} >= {
        f"{name}.tpl" for name in ("html", "junit", "gitlab", "gitlab-codequality", "asff")
    }


def test_what_is_accepted_stays_out_of_scan_and_report(
    database: dict[str, str], scan: Scan, workspace: Path
) -> None:
    (workspace / "accepted").write_text("CVE-2019-10906 exp:2099-01-01 # no sandbox here\n")
    assert "CVE-2019-10906" not in scan(ignorefile="accepted", **database).passed().log


def test_accepted_findings_have_an_end_and_a_need(
    database: dict[str, str], scan: Scan, workspace: Path
) -> None:
    """An entry that is over fails; one that is not needed is told of, or fails where the job is strict."""
    accepted = workspace / ".trivyignore.yaml"
    text = "vulnerabilities:\n- {id: CVE-2019-10906, statement: why, expired_at: 2099-01-01}\n"
    inputs = database | {"ignorefile": accepted.name}
    accepted.write_text(text)
    assert not scan(ignorefile_check="strict", **inputs).passed().warnings
    accepted.write_text(text.replace("2099", "2020"))
    over = scan(**inputs).exited(1)
    assert "has expired on 2020-01-01" in last_line(over)
    assert "findings: 1 HIGH" in last_line(over)
    accepted.write_text(text + "- {id: CVE-1, statement: why, expired_at: 2099-01-01}\n")
    (line,) = scan(**inputs).passed().warnings
    assert "CVE-1 matches nothing" in line
    scan(ignorefile_check="strict", **inputs).exited(1)


def test_what_the_image_before_has_already_does_not_stop_this_one(
    images: Images, scan: Scan, workspace: Path
) -> None:
    inputs = images.inputs("multi")
    result = scan(baseline=f"{images.repository}:amd64", reports="json=old.json", **inputs).passed()
    assert "CVE-2019-10906 (Jinja2)" in result.log
    assert {key: result.outputs[key] for key in ("FINDINGS", "KNOWN", "HIGH")} == {
        "FINDINGS": "0",
        "KNOWN": "1",
        "HIGH": "1",
    }
    scan(baseline="old.json", **inputs).passed()
    # Against a clean one it is new; one that is not there yet lets nothing pass.
    assert scan(baseline=images.digest("arm64"), **inputs).exited(1).outputs["KNOWN"] == "0"
    scan(baseline=f"{images.repository}:nope", **inputs).exited(1)


def test_a_fresh_advisory_has_its_days_of_grace(database: dict[str, str], scan: Scan) -> None:
    assert scan(grace="99999d", **database).passed().outputs["IN_GRACE"] == "1"
    assert scan(grace="365d", **database).exited(1).outputs["IN_GRACE"] == "0"


def test_the_base_images_of_a_dockerfile_are_scanned_by_digest(
    images: Images, scan: Scan, workspace: Path
) -> None:
    (workspace / "Dockerfile").write_text(
        f"ARG TAG=multi\nFROM {images.repository}:$TAG AS a\nFROM {images.repository}:arm64\nFROM a\n"
    )
    inputs = images.inputs("") | {"scan_type": "dockerfile", "registry": images.registry.address}
    inputs["target"] = "."
    result = scan(**inputs).exited(1)
    assert [call.argv[-1] for call in scans(result)] == [
        f"{images.repository}@{images.digest(each)}" for each in ("amd64", "arm64", "arm64")
    ]
    assert result.outputs["BASES"] == ",".join(
        f"{images.repository}@{images.digest(each)}" for each in ("multi", "arm64")
    )
    scan(build_args="TAG=arm64", **inputs).passed()


@contextmanager
def with_reports(has_api: bool, images: Images, database: dict[str, str], scan: Scan) -> Iterator[str]:
    """Give an image with its reports attached, in a registry with or without the referrers API."""
    with olareg(f"--api-referrer={str(has_api).lower()}") as address:
        image = f"{address}/org/app"
        environ = {**os.environ, "DOCKER_CONFIG": str(images.docker_config)}
        subprocess.run(
            ["crane", "copy", f"{images.repository}:multi", f"{image}:v1"], env=environ, check=True
        )
        reports = "sarif=out/trivy.sarif\ncyclonedx=out/{platform}.cdx.json"
        inputs = database | {"scan_type": "image", "target": f"{image}:v1", "reports": reports}
        scan(attach="true", **inputs).exited(1)
        yield image


@pytest.mark.parametrize("has_api", [True, False], ids=["with the referrers API", "without it"])
def test_reports_are_attached_to_the_images_they_are_about(
    has_api: bool, images: Images, database: dict[str, str], scan: Scan
) -> None:
    with with_reports(has_api, images, database, scan) as image:
        for digest, kind, count in (
            (images.digest("multi"), "application/sarif+json", 1),
            (images.digest("arm64"), "application/vnd.cyclonedx+json", 1),
            (images.digest("arm64"), "application/sarif+json", 0),
        ):
            argv = [
                "regctl",
                "--host",
                f"reg={image.partition('/')[0]},tls=disabled",
                "artifact",
                "list",
                f"{image}@{digest}",
            ]
            argv += ["--filter-artifact-type", kind, "--format", "{{json .}}"]
            listed = subprocess.run(argv, stdout=subprocess.PIPE, check=True).stdout
            assert len(json.loads(listed)["descriptors"] or ()) == count, (digest, kind)


@pytest.mark.soak
@pytest.mark.parametrize("has_api", [True, False])
def test_oras_discovers_and_pulls_the_reports(
    has_api: bool, images: Images, database: dict[str, str], scan: Scan, tmp_path: Path
) -> None:
    (folder,) = tools.get("oras")
    with with_reports(has_api, images, database, scan) as image:
        for about, kind in (("v1", "application/sarif+json"), ("arm64", "application/vnd.cyclonedx+json")):
            named = f"{image}:v1" if about == "v1" else f"{image}@{images.digest(about)}"
            argv = [str(folder / "oras"), "discover", "--plain-http", "--format", "json", named]
            found = json.loads(subprocess.run(argv, stdout=subprocess.PIPE, check=True).stdout)
            (artifact,) = found["referrers"]
            assert artifact["artifactType"] == kind
            pull = [str(folder / "oras"), "pull", "--plain-http", "-o", str(tmp_path), artifact["reference"]]
            subprocess.run(pull, check=True, capture_output=True)
        assert json.loads((tmp_path / "out" / "trivy.sarif").read_text())["runs"]
        assert json.loads((tmp_path / "out" / "linux-arm64.cdx.json").read_text())["components"]


def test_severities_that_do_not_count_can_be_shown(database: dict[str, str], scan: Scan) -> None:
    result = scan(severity="CRITICAL", report_severity="HIGH", **database).passed()
    assert "CVE-2019-10906" in result.log
    assert (result.outputs["HIGH"], result.outputs["FINDINGS"]) == ("1", "0")


# --- failures and air-gapped hosts


def test_a_failing_tool_is_no_finding(scan: Scan) -> None:
    result = scan(skip_db_update="true", cache_dir="empty", exit_code="7").exited(3)
    assert last_line(result).startswith("error: the scan of")
    assert "FINDINGS" not in result.outputs


def test_trivys_own_configuration_cannot_pass_findings_off_as_a_failure(
    database: dict[str, str], scan: Scan, workspace: Path
) -> None:
    (workspace / "trivy.yaml").write_text("output: elsewhere\nformat: table\nexit-code: 9\nseverity: [LOW]\n")
    result = scan(**database).exited(1)
    assert last_line(result) == "error: findings: 1 HIGH in ."
    assert not (workspace / "elsewhere").exists()


@pytest.mark.parametrize("kind", ["files", "image"])
def test_scans_at_the_same_time_share_a_cache(
    kind: str, images: Images, database: dict[str, str], tmp_path: Path
) -> None:
    image = {key: value for key, value in images.inputs("multi").items() if key != "db_repository"}
    inputs = database | (image | {"exit_code": "0"} if kind == "image" else {})

    def scan(name: str) -> Result:
        checkout = tmp_path / name
        checkout.mkdir()
        (checkout / "requirements.txt").write_text(f"jinja2=={CLEAN}\n")
        runner = PluginRunner(checkout, tmp_path / f"{name}-private", pytest.fail)
        return runner(FOLDER, {key.replace("_", "-"): value for key, value in inputs.items()})

    with ThreadPoolExecutor() as threads:
        for result in threads.map(scan, ("one", "two", "three", "four")):
            result.passed()


def test_a_cached_database_needs_no_network(database: dict[str, str], scan: Scan) -> None:
    nowhere = {"HTTPS_PROXY": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9"}
    result = scan(offline="true", cache_dir=database["cache_dir"], env=nowhere).exited(1)
    assert "==> vulnerability database of " in result.log


def test_the_images_password_never_reaches_the_databases_host(images: Images, scan: Scan) -> None:
    ambient = {"TRIVY_USERNAME": "someone", "TRIVY_PASSWORD": "ambient-password"}
    inputs = images.inputs("arm64")
    with recorder() as server:
        inputs["db_repository"] = f"{server.address}/trivy/db:2"
        result = scan(secrets=ambient, **inputs).exited(3)
    assert server.requests > 0
    assert server.passwords == set()
    assert any(line.startswith("TRIVY_PASSWORD is ignored") for line in result.warnings)

    with recorder() as server:
        inputs["db_repository"] = f"{server.address}/trivy/db:2"
        scan(db_username="bob", db_password="pass-of-bob", **inputs).exited(3)
    assert server.passwords == {"pass-of-bob"}


# --- the image


def test_the_image_scans_as_the_source_does(
    images: Images, run_plugin: PluginRunner, workspace: Path
) -> None:
    inputs = {key.replace("_", "-"): value for key, value in images.inputs("multi").items()}
    # What only an image can lack: Trivy's templates, and what reads YAML.
    (workspace / "accepted.yaml").write_text("vulnerabilities:\n- id: CVE-1\n")
    inputs |= {"reports": "html=out/trivy.html", "ignorefile": "accepted.yaml"}
    result = run_plugin(FOLDER, inputs, mode="image", network=images.registry.network).exited(1)
    # The engine keeps no order between a container's two streams, so this need not be the last line.
    assert result.errors[-1].startswith("findings: 1 HIGH in ")
    assert result.outputs["DIGEST"] == images.digest("multi")
    assert {".cache/trivy/db/trivy.db", "out/trivy.html"} <= set(result.changed)
    assert any("CVE-1 matches nothing" in each for each in result.warnings)


def test_the_daemons_images_are_scanned_where_the_job_has_a_daemon(
    images: Images, run_plugin: PluginRunner, workspace: Path
) -> None:
    tag = f"{images.repository}:amd64"
    archive = workspace.parent / "image.tar"
    images.crane("pull", tag, str(archive))
    subprocess.run(["docker", "load", "--quiet", "--input", archive], check=True)
    try:
        inputs = {key.replace("_", "-"): value for key, value in images.inputs("amd64").items()}
        inputs["image-source"] = "docker"
        options = {"docker": True, "network": images.registry.network}
        result = run_plugin(FOLDER, inputs, mode="image", **options).exited(1)
    finally:
        subprocess.run(["docker", "rmi", tag], check=True)
    assert result.call("trivy", "image").argv[-3:] == ("--image-src", "docker", tag)
    assert result.outputs["IMAGE"] == images.repository
    assert "DIGEST" not in result.outputs


class recorder:  # noqa: N801 - reads as a context manager
    """A server that requires credentials, accepts none, and remembers the passwords it was sent."""

    def __init__(self) -> None:
        self.passwords: set[str] = set()
        self.requests = 0
        recorder = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                recorder.requests += 1
                scheme, _, value = self.headers.get("Authorization", "").partition(" ")
                if scheme == "Basic":
                    recorder.passwords.add(base64.b64decode(value).decode().partition(":")[2])
                elif scheme:
                    recorder.passwords.add(value)
                self.send_response(401)
                self.send_header("WWW-Authenticate", 'Basic realm="test"')
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_HEAD = do_POST = do_GET  # noqa: N815 - http.server's names

            def log_message(self, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"localhost:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


# --- flags


def test_every_flag_exists(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(workspace)
    trivy = load_plugin(FOLDER)
    commands = import_module(".commands", trivy.__module__.rpartition(".")[0])
    (workspace / "file.tpl").touch()
    (workspace / "ignored").touch()
    everything = {
        "severity": "LOW",
        "ignore-unfixed": "true",
        "ignorefile": "ignored",
        "config": "file.tpl",
        "timeout": "1h",
        "skip-db-update": "true",
        "db-repository": "a.example/db b.example/db",
        "java-db-repository": "a.example/db",
        "platforms": "linux/amd64",
        "scanners": "vuln",
        "pkg-types": "os",
        "vex": "repo",
        "skip-dirs": "a",
        "skip-files": "a",
    }
    emitted: dict[str, set[str]] = {}
    for scan_type, offline in product(("image", "fs", "repo", "config", "rootfs", "sbom"), ("true", "false")):
        inputs = everything | {"scan-type": scan_type, "target": ".", "offline": offline}
        inputs |= {"target": "ghcr.io/org/app"} if scan_type == "image" else {}
        given = given_texts(trivy.inputs, inputs)
        for rule in all_constraints(trivy.inputs):
            for problem in rule.problems(given):  # what does not count with this scan
                inputs.pop(problem.key, None)
        variables = {f"PLUGIN_{key.upper().replace('-', '_')}": value for key, value in inputs.items()}
        model = read_inputs(trivy.inputs, variables)
        for image_argv in (("--image-src", "remote", "x"), ("--input", "x")):
            argv = image_argv if scan_type == "image" else ("x",)
            planned = commands.scan_command(model, commands.Subject("x", argv), "cache")
            emitted.setdefault(planned[0], set()).update(
                w.partition("=")[0] for w in planned if w.startswith("--")
            )
        for report_format in ("table", "template"):
            planned = commands.convert_command(model, report_format, "x")
            emitted.setdefault(planned[0], set()).update(
                w.partition("=")[0] for w in planned if w.startswith("--")
            )
    assert set(emitted) == {"image", "fs", "repo", "config", "rootfs", "sbom", "convert"}
    for command, flags in emitted.items():
        usage = subprocess.run(
            ["trivy", command, "--help"], capture_output=True, text=True, check=True
        ).stdout
        known = set(re.findall(r"(?<!\S)--[a-z0-9-]+", usage))
        assert flags <= known, f"trivy {command} has no {flags - known}"
