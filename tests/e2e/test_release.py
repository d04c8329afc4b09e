"""The release recipe with the real tools: what it leaves in the registry, and what it must not show."""

from __future__ import annotations

import base64
import importlib.util
import io
import os
import sys
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Self

import pytest

from gocdnext_sdk import Reference, RegistryError
from gocdnext_sdk.host.harness import RunReport, Session, run_pipeline
from gocdnext_sdk.host.harness.engine.docker import DockerEngine, endpoint
from gocdnext_sdk.host.harness.local_registry import LocalRegistry
from gocdnext_sdk.host.testing.keys import KeyPair, generate_key_pair
from gocdnext_sdk.runtime.docker_client import connect

PEM_BODY = "c2VjcmV0IGtleSBib2R5IHRoYXQgbm9ib2R5IHNlZXM="

ROOT = Path(__file__).resolve().parents[2]


def _load_demo() -> ModuleType:
    spec = importlib.util.spec_from_file_location("release_demo", ROOT / "examples" / "release" / "demo.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


demo = _load_demo()


class ArgvWatch:
    """Reads every process's command line from /proc, over and over, while jobs run."""

    def __init__(self) -> None:
        self.seen: set[bytes] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(0.03):
            for process in Path("/proc").glob("[0-9]*"):
                try:
                    self.seen.add((process / "cmdline").read_bytes())
                except OSError:
                    continue

    def tools(self) -> set[str]:
        """The first two words of every command line: `buildx build`, `cosign sign` …"""
        words = (argv.split(b"\0")[:2] for argv in self.seen if argv)
        return {" ".join((Path(os.fsdecode(w[0])).name, *map(os.fsdecode, w[1:]))) for w in words}


@dataclass(frozen=True)
class Release:
    """Both runs of the release pipeline against one registry, and what was seen meanwhile."""

    registry: LocalRegistry
    keys: KeyPair
    vulnerable: RunReport
    clean: RunReport
    verified: RunReport
    argv: ArgvWatch

    @property
    def secrets(self) -> dict[str, str]:
        pair = f"{self.registry.username}:{self.registry.password}"
        body = self.keys.private.splitlines()[1]
        return {
            "registry password": self.registry.password,
            "registry login in base64": base64.b64encode(pair.encode()).decode(),
            "key password": self.keys.password,
            "a line of the signing key": body,
        }

    @property
    def image(self) -> Reference:
        return Reference.parse(self.clean["build"].outputs["reference"])


@pytest.fixture(scope="module")
def release() -> Iterator[Release]:
    with Session(DockerEngine()) as session:
        registry = session.start_registry()
        demo.push_database(registry)
        keys = generate_key_pair(os.environ, demo.IMAGES["gocdnext-plugin-cosign"])
        clean = demo.options(registry, keys, "requirements.txt", demo.IMAGES)
        with ArgvWatch() as argv:
            vulnerable = run_pipeline(
                demo.PIPELINES / "release.yaml",
                demo.options(registry, keys, "requirements-vulnerable.txt", demo.IMAGES),
                session=session,
            )
            passed = run_pipeline(demo.PIPELINES / "release.yaml", clean, session=session)
        signer = {name: image for name, image in demo.IMAGES.items() if name.endswith("cosign")}
        verified = run_pipeline(
            demo.PIPELINES / "verify.yaml", replace(clean, use_images=signer), session=session
        )
        yield Release(registry, keys, vulnerable, passed, verified, argv)


def test_three_tags_share_one_index_of_two_platforms(release: Release) -> None:
    registry = demo.client(release.registry)
    platforms = {child.platform for child in registry.platforms(release.image)}
    assert platforms == {"linux/amd64", "linux/arm64"}
    sha = demo.options(release.registry, release.keys, "", {}).run.revision.sha[:8]
    digests = {registry.resolve(release.image.with_tag(tag)).digest for tag in (sha, "main", "latest")}
    assert digests == {release.image.digest}, release.clean["build"].text


def test_the_clean_image_is_scanned_signed_and_verified(release: Release) -> None:
    assert [job.status for job in release.clean.jobs] == ["passed"] * 3, release.clean["cosign-sign"].text
    assert release.clean["cosign-sign"].outputs["digest"] == release.image.digest
    assert release.verified.passed, release.verified["cosign-verify"].text
    assert release.verified["cosign-verify"].outputs["digest"] == release.image.digest


def test_a_vulnerable_image_is_found_and_never_signed(release: Release) -> None:
    scan = release.vulnerable["trivy-scan"]
    assert (scan.exit_code, release.vulnerable["cosign-sign"].status) == (1, "canceled"), scan.text
    assert demo.verdict(release.vulnerable).startswith("findings: 2 HIGH")
    assert "CVE-2024-1135" in scan.text
    bad = Reference.parse(release.vulnerable["build"].outputs["reference"])
    with pytest.raises(RegistryError, match="not found"):
        demo.client(release.registry).resolve(bad.with_tag(str(bad.digest).replace(":", "-")))


def test_no_secret_is_on_any_command_line(release: Release) -> None:
    assert {"buildx build", "trivy image", "cosign sign"} <= release.argv.tools()
    everything = b"\n".join(release.argv.seen)
    for name, secret in release.secrets.items():
        assert secret.encode() not in everything, name


def test_no_secret_is_printed(release: Release) -> None:
    jobs = [*release.vulnerable.jobs, *release.clean.jobs, *release.verified.jobs]
    printed = "\n".join(job.text for job in jobs)
    assert "cosign sign" in printed
    for name, secret in release.secrets.items():
        assert secret not in printed, name


def run_plain(
    image: str, env: dict[str, str], network: str, workspace: Path, *, docker: bool
) -> tuple[int, str, bytes]:
    """`docker run -e PLUGIN_…`, without the harness: exit code, log, and all files the container leaves."""
    client = connect(os.environ)
    socket = endpoint().removeprefix("unix://")
    container = client.containers.create(
        image,
        environment=env | ({"DOCKER_HOST": "unix:///var/run/docker.sock"} if docker else {}),
        network_mode=network,
        working_dir="/workspace",
        volumes={socket: {"bind": "/var/run/docker.sock", "mode": "rw"}} if docker else {},
    )
    try:
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as tar:
            tar.add(workspace, arcname="workspace")
        container.put_archive("/", packed.getvalue())
        container.start()
        code = container.wait()["StatusCode"]
        return code, container.logs().decode(), b"".join(container.export())
    finally:
        container.remove(force=True, v=True)


def test_each_plugin_runs_without_the_harness_and_leaves_no_secret(release: Release, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\n")
    login = {"PLUGIN_USERNAME": release.registry.username, "PLUGIN_PASSWORD": release.registry.password}
    target = f"{release.registry.address}/plain/app"
    jobs = {
        "buildx": {"PLUGIN_IMAGE": target, "PLUGIN_TAGS": "one\ntwo\n"},
        "trivy": {
            "PLUGIN_SCAN_TYPE": "image",
            "PLUGIN_TARGET": f"{target}:one",
            "PLUGIN_DB_REPOSITORY": f"{release.registry.address}/trivy/db:2",
        },
        "cosign": {
            "PLUGIN_IMAGE": f"{target}:two",
            "PLUGIN_TLOG": "false",
            "PLUGIN_KEY_CONTENT": release.keys.private,
            "PLUGIN_KEY_PASSWORD": release.keys.password,
        },
    }
    for name, env in jobs.items():
        image = demo.IMAGES[f"gocdnext-plugin-{name}"]
        code, log, files = run_plain(
            image, env | login, release.registry.network, tmp_path, docker=name == "buildx"
        )
        assert code == 0, log
        for what, secret in release.secrets.items():
            assert secret not in log, f"{what} in the log of {name}"
            assert secret.encode() not in files, f"{what} in a file that {name} left"
    image = Reference.parse(target)
    registry = demo.client(release.registry)
    assert registry.resolve(image.with_tag("one")) == registry.resolve(image.with_tag("two"))


@pytest.mark.parametrize(
    ("plugin", "env", "said"),
    [
        ("buildx", {}, "with.image (PLUGIN_IMAGE): is required"),
        (
            "buildx",
            {"PLUGIN_IMAGE": "a/b", "PLUGIN_PUSH": "maybe"},
            'with.push (PLUGIN_PUSH): "maybe" is not a boolean',
        ),
        ("buildx", {"PLUGIN_IMAGE": "a/b", "PLUGIN_PLATFROMS": "x"}, "did you mean `platforms`?"),
        ("cosign", {"PLUGIN_IMAGE": "a/b", "PLUGIN_KEY": f"-----BEGIN X-----\n{PEM_BODY}\n"}, "key-content"),
        ("trivy", {"PLUGIN_SCAN_TYPE": "image"}, "with.target"),
    ],
)
def test_bad_input_ends_at_once_with_a_line_per_mistake(
    plugin: str, env: dict[str, str], said: str, tmp_path: Path
) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    code, log, _ = run_plain(demo.IMAGES[f"gocdnext-plugin-{plugin}"], env, "none", tmp_path, docker=False)
    assert code == 2, log
    assert said in log
    assert "Traceback" not in log
    assert PEM_BODY not in log
