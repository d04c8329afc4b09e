"""The trivy plugin with the real trivy, a real registry with a login, and a database of real advisories."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import product
from pathlib import Path
from typing import Any, Self

import pytest

from gocdnext_sdk.contract.outputs import parse
from gocdnext_sdk.harness import Session
from gocdnext_sdk.harness.docker_engine import DockerEngine
from gocdnext_sdk.harness.registry import Registry
from gocdnext_sdk.inputs.reader import read_inputs
from gocdnext_sdk.manifest.load import load_plugin

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "plugins" / "trivy"
VULNERABLE, CLEAN = "2.10", "3.1.4"


@dataclass(frozen=True)
class Ended:
    exit_code: int
    log: str
    outputs: dict[str, str]

    @property
    def last_line(self) -> str:
        return self.log.splitlines()[-1]


@dataclass(frozen=True)
class Host:
    """A registry with a database and three images: an index of two unlike platforms, and each of them."""

    registry: Registry
    docker_config: Path

    @property
    def repository(self) -> str:
        return f"{self.registry.address}/team/app"

    @property
    def login(self) -> dict[str, str]:
        return {"username": self.registry.username, "password": self.registry.password}

    @property
    def database(self) -> str:
        return f"{self.registry.address}/trivy/db:2"

    def crane(self, *argv: str) -> str:
        environ = {**os.environ, "DOCKER_CONFIG": str(self.docker_config)}
        done = subprocess.run(["crane", *argv], env=environ, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def scan(self, workspace: Path, *, env: dict[str, str] | None = None, **inputs: str) -> Ended:
        """Run the plugin as a process, its streams in one, in the order it wrote them."""
        outputs = workspace.parent / f"{workspace.name}.env"
        outputs.touch()
        environ = {key: os.environ[key] for key in ("PATH", "HOME")}
        environ |= {f"PLUGIN_{key.upper()}": value for key, value in inputs.items()}
        environ |= {"GOCDNEXT_OUTPUT_FILE": str(outputs), **(env or {})}
        done = subprocess.run(
            [sys.executable, str(FOLDER / "plugin.py")],
            cwd=workspace,
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return Ended(done.returncode, done.stdout, dict(parse(outputs.read_bytes())))


def layer(version: str, path: Path) -> str:
    """Write a layer that holds an installed Python package."""
    content = f"Metadata-Version: 2.1\nName: Jinja2\nVersion: {version}\n".encode()
    entry = tarfile.TarInfo(f"app/site-packages/Jinja2-{version}.dist-info/METADATA")
    entry.size = len(content)
    with tarfile.open(path, "w") as archive:
        archive.addfile(entry, io.BytesIO(content))
    return str(path)


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    scratch = tmp_path_factory.mktemp("host")
    with Session(DockerEngine()) as session:
        registry = session.start_registry()
        host = Host(registry, scratch / "docker")
        host.docker_config.mkdir()
        pair = base64.b64encode(f"{registry.username}:{registry.password}".encode()).decode()
        config = {"auths": {registry.address: {"auth": pair}}}
        (host.docker_config / "config.json").write_text(json.dumps(config))
        subprocess.run(
            [sys.executable, "-m", "testbed", "trivy-db", "push", host.database],
            cwd=ROOT,
            env={**os.environ, **registry.secrets},
            check=True,
        )
        for architecture, version in (("amd64", VULNERABLE), ("arm64", CLEAN)):
            image = f"{host.repository}:{architecture}"
            host.crane("append", "-f", layer(version, scratch / f"{version}.tar"), "-t", image)
            host.crane("mutate", image, "--set-platform", f"linux/{architecture}", "-t", image)
        images = [word for each in ("amd64", "arm64") for word in ("-m", f"{host.repository}:{each}")]
        host.crane("index", "append", *images, "-t", f"{host.repository}:multi")
        yield host


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    path = tmp_path / "workspace"
    path.mkdir()
    (path / "requirements.txt").write_text(f"jinja2=={VULNERABLE}\n")
    return path


# --- images


def test_every_platform_of_an_index_is_scanned_by_digest(host: Host, workspace: Path) -> None:
    ended = host.scan(
        workspace,
        scan_type="image",
        target=f"{host.repository}:multi",
        db_repository=host.database,
        **host.login,
    )
    digest = host.crane("digest", f"{host.repository}:multi")
    assert ended.exit_code == 1, ended.log
    assert ended.last_line.startswith("error: findings: 1 HIGH in ")
    assert ended.last_line.endswith("(linux/amd64: 1 HIGH; linux/arm64: none)")
    assert ended.outputs == {
        "IMAGE": host.repository,
        "DIGEST": digest,
        "REFERENCE": f"{host.repository}@{digest}",
        "TAGS": "multi",
        "PLATFORMS": "linux/amd64,linux/arm64",
        "FINDINGS": "1",
        **dict.fromkeys(("CRITICAL", "MEDIUM", "LOW", "UNKNOWN"), "0"),
        "HIGH": "1",
    }
    for architecture in ("amd64", "arm64"):
        child = host.crane("digest", f"{host.repository}:{architecture}")
        assert f"{host.repository}@{child}" in ended.log
    assert "CVE-2019-10906" in ended.log
    assert host.registry.password not in ended.log


def test_a_clean_image_says_so_in_the_last_line(host: Host, workspace: Path) -> None:
    ended = host.scan(
        workspace,
        scan_type="image",
        target=f"{host.repository}:multi",
        platforms="linux/arm64",
        db_repository=host.database,
        **host.login,
    )
    assert ended.exit_code == 0, ended.log
    assert ended.last_line.startswith("==> clean: nothing HIGH or CRITICAL in ")
    assert ended.outputs["PLATFORMS"] == "linux/arm64"
    assert ended.outputs["FINDINGS"] == "0"


def test_an_image_of_one_platform_names_it(host: Host, workspace: Path) -> None:
    ended = host.scan(
        workspace,
        scan_type="image",
        target=f"{host.repository}:amd64",
        db_repository=host.database,
        exit_code="7",
        **host.login,
    )
    assert ended.exit_code == 7, ended.log
    assert ended.outputs["PLATFORMS"] == "linux/amd64"
    assert ended.outputs["DIGEST"] == host.crane("digest", f"{host.repository}:amd64")


@pytest.mark.parametrize(("tag", "exit_code"), [("multi", 2), ("arm64", 3)])
def test_a_platform_that_is_not_there_is_never_a_clean_scan(
    tag: str, exit_code: int, host: Host, workspace: Path
) -> None:
    ended = host.scan(
        workspace,
        scan_type="image",
        target=f"{host.repository}:{tag}",
        platforms="linux/s390x",
        db_repository=host.database,
        **host.login,
    )
    assert ended.exit_code == exit_code, ended.log
    assert "linux/arm64" in ended.log
    assert "FINDINGS" not in ended.outputs


def test_an_archive_is_scanned_before_anything_is_pushed(host: Host, workspace: Path) -> None:
    host.crane("pull", f"{host.repository}:amd64", str(workspace / "image.tar"))
    (workspace / ".docker").mkdir()
    ended = host.scan(
        workspace,
        scan_type="image",
        archive="image.tar",
        db_repository=host.database,
        env={"DOCKER_CONFIG": str(host.docker_config)},
    )
    assert ended.exit_code == 1, ended.log
    assert ended.last_line == "error: findings: 1 HIGH in image.tar (linux/amd64: 1 HIGH)"


def test_a_missing_image_and_a_missing_login_are_no_findings(host: Host, workspace: Path) -> None:
    missing = host.scan(workspace, scan_type="image", target=f"{host.repository}:nope", **host.login)
    assert missing.exit_code == 3
    assert "not found" in missing.last_line
    anonymous = host.scan(workspace, scan_type="image", target=f"{host.repository}:multi")
    assert anonymous.exit_code == 3
    assert "wants a login" in anonymous.last_line


# --- other scan types


def test_a_file_tree_is_scanned_and_findings_can_be_advisory(host: Host, workspace: Path) -> None:
    ended = host.scan(workspace, exit_code="0", cache_dir=cached(host))
    assert ended.exit_code == 0, ended.log
    assert ended.last_line == "==> findings: 1 HIGH in .; advisory, as `exit-code` is 0"
    assert ended.outputs["HIGH"] == "1"
    assert "IMAGE" not in ended.outputs


def test_a_config_scan_with_defaults_works(host: Host, workspace: Path) -> None:
    (workspace / "Dockerfile").write_text("FROM scratch\nUSER root\nCOPY x /x\n")
    ended = host.scan(workspace, scan_type="config")
    assert ended.exit_code == 1, ended.log
    assert ended.last_line == "error: findings: 1 HIGH in ."
    (workspace / "Dockerfile").write_text("FROM scratch\nUSER 1000\nCOPY x /x\nHEALTHCHECK CMD x\n")
    ended = host.scan(workspace, scan_type="config")
    assert ended.exit_code == 0, ended.log


def test_an_sbom_made_here_is_scanned_there(host: Host, workspace: Path) -> None:
    options = {"cache_dir": cached(host), "skip_db_update": "true"}
    made = host.scan(workspace, format="cyclonedx", output="sbom.json", exit_code="0", **options)
    assert made.exit_code == 0, made.log
    ended = host.scan(workspace, scan_type="sbom", target="sbom.json", **options)
    assert ended.exit_code == 1, ended.log


def test_a_repository_is_cloned_with_a_token_that_no_argv_shows(host: Host, workspace: Path) -> None:
    with recorder() as server:
        ended = host.scan(
            workspace,
            scan_type="repo",
            target=f"http://anna:t0ken-of-anna@{server.address}/org/repo",
            cache_dir=cached(host),
            skip_db_update="true",
        )
    assert ended.exit_code == 3
    assert ended.last_line.startswith("error: no result, neither clean nor findings: ")
    assert "t0ken-of-anna" not in ended.log
    assert "$ trivy repo --format json" in ended.log
    assert server.passwords == {"t0ken-of-anna"}


# --- reports


@pytest.mark.parametrize("report_format", ["json", "sarif", "template", "table"])
def test_one_scan_gives_the_report_and_the_table(report_format: str, host: Host, workspace: Path) -> None:
    (workspace / "short.tpl").write_text("{{ range . }}{{ .Target }}{{ end }}")
    template = {"template": "@short.tpl"} if report_format == "template" else {}
    ended = host.scan(
        workspace,
        scan_type="image",
        target=f"{host.repository}:multi",
        db_repository=host.database,
        format=report_format,
        output=f"reports/deep/report.{report_format}",
        **template,
        **host.login,
    )
    assert ended.exit_code == 1, ended.log
    assert len(re.findall(r"^\$ trivy image ", ended.log, re.MULTILINE)) == 2
    assert "│ Jinja2 (METADATA) │ CVE-2019-10906 │ HIGH" in ended.log
    text = (workspace / "reports" / "deep" / f"report.{report_format}").read_text()
    match report_format:
        case "json":
            targets = [result["Target"] for result in json.loads(text)["Results"]]
            assert targets == ["linux/amd64: Python", "linux/arm64: Python"]
        case "sarif":
            runs = {run["automationDetails"]["id"]: run["results"] for run in json.loads(text)["runs"]}
            assert [finding["ruleId"] for finding in runs["trivy/linux/amd64/"]] == ["CVE-2019-10906"]
            assert runs["trivy/linux/arm64/"] == []
        case "template":
            assert text == "linux/amd64: Pythonlinux/arm64: Python"
        case _:
            assert text in ended.log


def test_an_sbom_describes_one_image(host: Host, workspace: Path) -> None:
    image = {
        "scan_type": "image",
        "target": f"{host.repository}:multi",
        "db_repository": host.database,
        "format": "cyclonedx",
        "output": "sbom.json",
        **host.login,
    }
    ended = host.scan(workspace, **image)
    assert ended.exit_code == 2
    assert "choose one of linux/amd64, linux/arm64" in ended.log
    ended = host.scan(workspace, platforms="linux/arm64", **image)
    assert ended.exit_code == 0, ended.log
    assert json.loads((workspace / "sbom.json").read_text())["bomFormat"] == "CycloneDX"


def test_what_is_accepted_stays_accepted_in_every_report(host: Host, workspace: Path) -> None:
    (workspace / "accepted").write_text("CVE-2019-10906\n")
    ended = host.scan(workspace, ignorefile="accepted", cache_dir=cached(host), skip_db_update="true")
    assert ended.exit_code == 0, ended.log
    assert "CVE-2019-10906" not in ended.log


def test_severities_below_the_gate_can_be_shown(host: Host, workspace: Path) -> None:
    ended = host.scan(
        workspace,
        severity="CRITICAL",
        report_severity="HIGH",
        cache_dir=cached(host),
        skip_db_update="true",
    )
    assert ended.exit_code == 0, ended.log
    assert "CVE-2019-10906" in ended.log
    assert (ended.outputs["HIGH"], ended.outputs["FINDINGS"]) == ("1", "0")


# --- failures and air-gapped hosts


def test_a_failing_tool_is_no_finding(host: Host, workspace: Path) -> None:
    ended = host.scan(workspace, skip_db_update="true", cache_dir="empty", exit_code="7")
    assert ended.exit_code == 3
    assert ended.last_line.startswith("error: no result, neither clean nor findings: trivy failed")
    assert "FINDINGS" not in ended.outputs


def test_scans_at_the_same_time_share_a_cache(host: Host, tmp_path: Path) -> None:
    folder, ended = cached(host), []

    def scan(name: str) -> None:
        workspace = tmp_path / name
        workspace.mkdir()
        (workspace / "requirements.txt").write_text(f"jinja2=={CLEAN}\n")
        ended.append(host.scan(workspace, cache_dir=folder, skip_db_update="true"))

    threads = [threading.Thread(target=scan, args=(str(number),)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [each.exit_code for each in ended] == [0] * 4, ended


def test_a_cached_database_needs_no_network(host: Host, workspace: Path) -> None:
    nowhere = {"HTTPS_PROXY": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9"}
    ended = host.scan(workspace, offline="true", cache_dir=cached(host), env=nowhere)
    assert ended.exit_code == 1, ended.log
    assert "==> vulnerability database of " in ended.log


def test_the_images_password_never_reaches_the_databases_host(host: Host, workspace: Path) -> None:
    image = {"scan_type": "image", "target": f"{host.repository}:arm64", **host.login}
    ambient = {"TRIVY_USERNAME": "someone", "TRIVY_PASSWORD": "ambient-password"}
    with recorder() as server:
        ended = host.scan(workspace, db_repository=f"{server.address}/trivy/db:2", env=ambient, **image)
    assert ended.exit_code == 3, ended.log
    assert server.requests > 0
    assert server.passwords == set()
    assert "warning: TRIVY_PASSWORD is not used" in ended.log

    with recorder() as server:
        login = {"db_username": "bob", "db_password": "pass-of-bob"}
        host.scan(workspace, db_repository=f"{server.address}/trivy/db:2", **login, **image)
    assert server.passwords == {"pass-of-bob"}


class recorder:  # noqa: N801 - reads as a context manager
    """A server that wants a login, accepts none, and remembers the passwords it was sent."""

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


@cache
def cached(host: Host) -> str:
    """Return a folder that holds the downloaded database."""
    folder = host.docker_config.parent / "cache"
    workspace = host.docker_config.parent / "empty"
    workspace.mkdir()
    ended = host.scan(
        workspace,
        db_repository=host.database,
        cache_dir=str(folder),
        db_username=host.registry.username,
        db_password=host.registry.password,
    )
    assert ended.exit_code == 0, ended.log
    return str(folder)


# --- flags


def test_every_flag_exists(host: Host, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(workspace)
    trivy = sys.modules[load_plugin(FOLDER).__module__]
    (workspace / "file.tpl").touch()
    everything = {
        "severity": "LOW",
        "ignore-unfixed": "true",
        "ignorefile": "file.tpl",
        "config": "file.tpl",
        "timeout": "1h",
        "skip-db-update": "true",
        "db-repository": "a.example/db b.example/db",
        "java-db-repository": "a.example/db",
    }
    only = {
        "platforms": "linux/amd64",
        "scanners": "vuln",
        "pkg-types": "os",
        "vex": "repo",
        "skip-dirs": "a",
        "skip-files": "a",
    }
    emitted: dict[str, set[str]] = {}
    for scan_type, offline in product(("image", "fs", "repo", "config", "rootfs", "sbom"), ("true", "false")):
        applicable = {
            key: value for key, value in only.items() if scan_type in trivy.ONLY_FOR[key.replace("-", "_")]
        }
        inputs = everything | applicable | {"scan-type": scan_type, "target": ".", "offline": offline}
        inputs |= {"target": "ghcr.io/org/app"} if scan_type == "image" else {}
        variables = {f"PLUGIN_{key.upper().replace('-', '_')}": value for key, value in inputs.items()}
        model = read_inputs(trivy.TrivyInputs, variables)
        for image_argv in (("--image-src", "remote", "x"), ("--input", "x")):
            argv = image_argv if scan_type == "image" else ("x",)
            planned = trivy.plan_scan(model, trivy.Subject("x", argv), "cache")
            emitted.setdefault(planned[0], set()).update(w for w in planned if w.startswith("--"))
        for report_format in ("table", "template"):
            planned = trivy.plan_convert(model, report_format, "x")
            emitted.setdefault(planned[0], set()).update(w for w in planned if w.startswith("--"))
    assert set(emitted) == {"image", "fs", "repo", "config", "rootfs", "sbom", "convert"}
    for command, flags in emitted.items():
        usage = subprocess.run(
            ["trivy", command, "--help"], capture_output=True, text=True, check=True
        ).stdout
        known = set(re.findall(r"(?<!\S)--[a-z0-9-]+", usage))
        assert flags <= known, f"trivy {command} has no {flags - known}"
