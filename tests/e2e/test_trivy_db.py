"""Mirroring Trivy's databases, from a registry with a login to one without; the real trivy takes the copy."""

from __future__ import annotations

import base64
import gzip
import io
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from oras.client import OrasClient
from tests.servers import olareg

from gocdnext_sdk.host.harness import LocalRegistry

ROOT = Path(__file__).parents[2]
JAVA_LAYER = "application/vnd.aquasec.trivy.javadb.layer.v1.tar+gzip"


def mirror(target: str, config: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "gocdnext_sdk.host.cli", "trivy-db", "mirror", target, *flags]
    environ = {**os.environ, "DOCKER_CONFIG": str(config)}
    return subprocess.run(argv, env=environ, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def config(registry: LocalRegistry, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("docker")
    pair = base64.b64encode(f"{registry.username}:{registry.password}".encode()).decode()
    (folder / "config.json").write_text(json.dumps({"auths": {registry.address: {"auth": pair}}}))
    return folder


@pytest.fixture(scope="module")
def sources(registry: LocalRegistry, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """Both databases in the registry with the login: the test-bed's, and a large one of Java's kind."""
    database, java = (f"{registry.address}/public/{name}" for name in ("trivy-db:2", "trivy-java-db:1"))
    subprocess.run(
        [sys.executable, "-m", "testbed", "trivy-db", "push", database],
        cwd=ROOT,
        env={**os.environ, **registry.secrets},
        check=True,
    )
    file = tmp_path_factory.mktemp("java") / "javadb.tar.gz"
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for name, data in (("trivy-java.db", bytes(66_000_000)), ("metadata.json", b'{"Version": 1}')):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    file.write_bytes(gzip.compress(content.getvalue(), compresslevel=0, mtime=0))
    client = OrasClient(insecure=True, auth_backend="basic")
    client.auth.set_basic_auth(registry.username, registry.password)
    client.push(target=java, files=[f"{file}:{JAVA_LAYER}"], disable_path_validation=True)
    return "--db", database, "--java-db", java


def digest(config: Path, reference: str) -> str:
    environ = {**os.environ, "DOCKER_CONFIG": str(config)}
    argv = ["crane", "digest", "--insecure", reference]
    return subprocess.run(argv, env=environ, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


def test_both_databases_are_copied_byte_for_byte_and_trivy_takes_the_copy(
    sources: tuple[str, ...], config: Path, tmp_path: Path
) -> None:
    with olareg() as address:
        done = mirror(f"{address}/mirror", config, *sources)
        assert done.returncode == 0, done.stderr
        copies = {
            f"{address}/mirror/trivy-db:2": digest(config, sources[1]),
            f"{address}/mirror/trivy-java-db:1": digest(config, sources[3]),
        }
        assert {each: digest(config, each) for each in copies} == copies
        assert done.stdout.splitlines() == [f"{name}@{found}" for name, found in copies.items()]
        argv = ["trivy", "image", "--download-db-only", "--cache-dir", tmp_path]
        subprocess.run([*argv, "--db-repository", next(iter(copies))], check=True)
        assert (tmp_path / "db" / "trivy.db").stat().st_size > 0
        again = mirror(f"{address}/mirror", config, *sources)
        assert (again.returncode, again.stderr.count("is up to date")) == (0, 2)


def test_what_is_no_database_and_what_is_not_there_are_not_copied(
    registry: LocalRegistry, sources: tuple[str, ...], config: Path, tmp_path: Path
) -> None:
    with olareg() as address:
        layer = tmp_path / "layer.tar"
        with tarfile.open(layer, "w"):
            pass
        argv = ["crane", "append", "--insecure", "-f", str(layer), "-t", f"{address}/org/app:1"]
        subprocess.run(argv, check=True)
        image = mirror(f"{address}/mirror", config, "--no-java", "--db", f"{address}/org/app:1")
        assert (image.returncode, "no database of Trivy's" in image.stderr) == (3, True)
        missing = mirror(f"{address}/mirror", config, "--no-java", "--db", f"{address}/nope:2")
        assert missing.returncode == 3
        (tmp_path / "config.json").write_text("{}")
        denied = mirror(f"{address}/mirror", tmp_path, "--no-java", *sources[:2])
        assert (denied.returncode, registry.address in denied.stderr) == (3, True)
        assert mirror("UPPER//x", config).returncode == 2
