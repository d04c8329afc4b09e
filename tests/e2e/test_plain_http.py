"""Who speaks TLS to which host, and who plain http: the tools themselves are asked.

A recorder stands for every host: on this machine it is the host, elsewhere it is the proxy, so that no name
needs to resolve. It notes what a tool speaks first and hangs up. Kaniko has the library of crane, trivy and
cosign; buildx looks at images with BuildKit's resolver.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from tests.recorder import Recorder, spoken_alone

from gocdnext_sdk import Reference, Registry, RegistryClient, RegistryError
from gocdnext_sdk.oci.plain_http import Scheme, hostname, schemes
from gocdnext_sdk.tools.regctl import CONFIG_VARIABLE, Host, configuration

SPOKEN = {
    Scheme.HTTPS: {"https"},
    Scheme.HTTP: {"http"},
    Scheme.EITHER: {"https", "http"},
}
GGCR = {
    "crane": ("crane", "manifest"),
    "cosign": ("cosign", "tree"),
    "trivy": ("trivy", "image", "--image-src=remote", "--scanners=secret", "--skip-db-update", "-q"),
}
HOSTS = (
    *("localhost", "127.0.0.1", "127.0.0.2", "registry.localhost", "10.1.2.3", "172.16.0.1", "192.168.1.1"),
    *("registry.corp.local", "registry.example.com", "172.32.0.1"),
)


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    recorder = Recorder()
    yield recorder
    recorder.stop()


@pytest.fixture
def environ(recorder: Recorder, tmp_path: Path) -> dict[str, str]:
    proxy = f"http://127.0.0.1:{recorder.port}"
    return {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "HTTP_PROXY": proxy, "HTTPS_PROXY": proxy}


def run(environ: dict[str, str], *argv: str) -> None:
    with suppress(subprocess.TimeoutExpired):  # what it has spoken by then is noted
        subprocess.run(argv, env=environ, capture_output=True, check=False, timeout=20)


def at(name: str, port: int) -> str:
    return f"{name}:{port}"


@pytest.mark.parametrize("tool", GGCR)
@pytest.mark.parametrize("name", HOSTS)
def test_the_tools_on_go_containerregistry(
    recorder: Recorder, environ: dict[str, str], tool: str, name: str
) -> None:
    host = at(name, recorder.port)
    run(environ, *GGCR[tool], f"{host}/team/app:v1")
    assert recorder.spoken == SPOKEN[schemes(host).ggcr]


@pytest.mark.parametrize("name", HOSTS)
def test_buildkits_resolver(recorder: Recorder, environ: dict[str, str], name: str) -> None:
    host = at(name, recorder.port)
    run(environ, "buildx", "imagetools", "inspect", f"{host}/team/app:v1")
    assert recorder.spoken == SPOKEN[schemes(host).buildkit]


@pytest.mark.parametrize("name", HOSTS)
def test_our_client(
    recorder: Recorder, environ: dict[str, str], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"):
        monkeypatch.delenv(variable.lower(), raising=False)
        monkeypatch.setenv(variable, environ.get(variable, ""))
    host = at(name, recorder.port)
    with pytest.raises(RegistryError):
        RegistryClient().resolve(Reference.parse(f"{host}/team/app:v1"))
    assert recorder.spoken == SPOKEN[schemes(host).client]


ALONE = ("localhost", "[::1]", "[::1]:5000")
"""Hosts that are this machine, at the ports of http and https: they are asked in a network of their own."""
ASK_CLIENT = """
import sys
from gocdnext_sdk import Reference, RegistryClient
RegistryClient().resolve(Reference.parse(sys.argv[1]))
"""


@pytest.mark.parametrize("host", ALONE)
@pytest.mark.parametrize(
    ("tool", "client"),
    [
        *((argv, "ggcr") for argv in GGCR.values()),
        (("buildx", "imagetools", "inspect"), "buildkit"),
        ((sys.executable, "-c", ASK_CLIENT), "client"),
    ],
    ids=[*GGCR, "buildx", "ours"],
)
def test_without_a_port_and_with_ipv6(tmp_path: Path, tool: tuple[str, ...], client: str, host: str) -> None:
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    spoken = spoken_alone(environ, (80, 443, 5000), *tool, f"{host}/team/app:v1")
    assert spoken == SPOKEN[getattr(schemes(host), client)]


@pytest.mark.parametrize("tls", [True, False])
@pytest.mark.parametrize("name", ["127.0.0.1", "10.1.2.3", "registry.example.com"])
def test_regctl_speaks_what_it_is_told(
    recorder: Recorder, environ: dict[str, str], tmp_path: Path, name: str, tls: bool
) -> None:
    registry = Registry(at(name, recorder.port))
    config = tmp_path / "regctl.json"
    config.write_text(configuration({registry.host: Host(registry, speaks_tls=tls)}).reveal())
    environ[CONFIG_VARIABLE] = str(config)
    run(environ, "regctl", "manifest", "head", f"{registry}/team/app:v1")
    assert recorder.spoken == {"https" if tls else "http"}


def test_the_hosts_are_of_every_kind() -> None:
    assert {schemes(f"{name}:5000").client for name in HOSTS} == {Scheme.HTTPS, Scheme.EITHER}
    assert {schemes(f"{name}:5000").buildkit for name in HOSTS} == {Scheme.HTTPS, Scheme.HTTP}
    assert [hostname(each) for each in ("[::1]:5000", "a:1", "b")] == ["::1", "a", "b"]
