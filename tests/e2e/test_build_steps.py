"""What RUN steps find of an SSH agent, the network and limits, in both builders; and `call: check`."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gocdnext_sdk.host.harness import LocalRegistry
from gocdnext_sdk.host.testing import PluginRunner

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "plugins" / "buildx"

AGENT = """
import base64, os, socket, struct, sys

def ask(kind, body=b""):
    agent = socket.socket(socket.AF_UNIX)
    agent.connect(os.environ["SSH_AUTH_SOCK"])
    agent.sendall(struct.pack(">IB", len(body) + 1, kind) + body)
    answer = agent.makefile("rb")
    return answer.read(struct.unpack(">I", answer.read(4))[0])

def text(data):
    return struct.pack(">I", len(data)) + data

key = base64.b64decode(sys.argv[1])
assert text(key) in ask(11), "the agent has another key"
assert ask(13, text(key) + text(b"to sign") + bytes(4))[0] == 14, "the agent does not sign"
assert open("/etc/ssh/ssh_known_hosts").read() == "git.example.com ssh-ed25519 AAAA\\n"
"""

LIMITS = """
import os, resource, socket, sys

assert resource.getrlimit(resource.RLIMIT_NOFILE) == (77, 99)
assert socket.gethostbyname("registry.internal") == "10.1.2.3"
shm = os.statvfs("/dev/shm")
assert shm.f_blocks * shm.f_frsize == 8 << 20, shm
interfaces = sorted(os.listdir("/sys/class/net"))
assert (interfaces == ["lo"]) == (sys.argv[1] == "none"), interfaces
"""


@pytest.fixture(scope="module")
def base(registry: LocalRegistry, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Give an image with Python, in the registry, where every builder finds it."""
    folder = tmp_path_factory.mktemp("docker")
    login = base64.b64encode(f"{registry.username}:{registry.password}".encode()).decode()
    (folder / "config.json").write_text(json.dumps({"auths": {registry.address: {"auth": login}}}))
    target = f"{registry.address}/base/python:3.13"
    command = [sys.executable, "-m", "testbed", "bases", "python", target]
    subprocess.run(command, cwd=ROOT, env=os.environ | {"DOCKER_CONFIG": str(folder)}, check=True)
    return target


@pytest.fixture(params=["the daemon's own", "in a container"])
def builder(request: pytest.FixtureRequest, registry: LocalRegistry, repository: str) -> dict[str, str]:
    """Give the inputs that choose a builder."""
    with_ = {
        "image": repository,
        "username": registry.username,
        "password": registry.password,
        "platforms": "linux/amd64",
        "push": "false",
    }
    if request.param == "the daemon's own":
        return with_
    image = os.environ.get("BUILDKIT_IMAGE")
    own = {"driver-opts": f"network={registry.network}"} | ({"buildkit-image": image} if image else {})
    return with_ | own


def test_a_step_signs_with_the_key_and_never_sees_it(
    run_plugin: PluginRunner, workspace: Path, base: str, builder: dict[str, str], tmp_path: Path
) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "id")], check=True)
    public = (tmp_path / "id.pub").read_text().split()[1]
    (workspace / "agent.py").write_text(AGENT)
    (workspace / "Dockerfile").write_text(
        f"FROM {base}\nCOPY agent.py /\nRUN --mount=type=ssh,required=true "
        "--mount=type=secret,id=known_hosts,target=/etc/ssh/ssh_known_hosts "
        f"python3 /agent.py {public}\n"
    )
    ssh = {
        "ssh-key": (tmp_path / "id").read_text(),
        "ssh-known-hosts": "git.example.com ssh-ed25519 AAAA",
    }
    run_plugin(FOLDER, builder | ssh, docker=True).passed()
    run_plugin(FOLDER, builder | {"no-cache": "true"}, docker=True).exited(3)


@pytest.mark.parametrize("network", ["none", pytest.param("host", marks=pytest.mark.soak)])
def test_steps_have_the_network_the_hosts_and_the_limits_that_are_given(
    run_plugin: PluginRunner, workspace: Path, base: str, builder: dict[str, str], network: str
) -> None:
    (workspace / "limits.py").write_text(LIMITS)
    (workspace / "Dockerfile").write_text(
        f"FROM {base}\nCOPY limits.py /\nRUN python3 /limits.py {network}\n"
    )
    with_ = {
        "network": network,
        "ulimits": "nofile=77:99",
        "add-hosts": "registry.internal:10.1.2.3",
        "shm-size": "8m",
    }
    run_plugin(FOLDER, builder | with_, docker=True).passed()


class TestCheck:
    @pytest.fixture
    def checked(self, builder: dict[str, str]) -> dict[str, str]:
        return builder | {"call": "check"}

    @pytest.mark.parametrize("builder", ["in a container"], indirect=True)
    def test_findings_end_with_1_and_nothing_is_built(
        self, run_plugin: PluginRunner, workspace: Path, checked: dict[str, str]
    ) -> None:
        (workspace / "Dockerfile").write_text("FROM scratch AS One\nCOPY absent /\nLABEL a=$NOPE\n")
        result = run_plugin(FOLDER, checked, docker=True).exited(1)
        assert "==> Dockerfile:1: StageNameCasing: " in result.log
        assert "==> Dockerfile:3: UndefinedVar: " in result.log
        (workspace / "Dockerfile").write_text("FROM scratch\nCOPYY a /\n")
        assert "==> Dockerfile:2: " in run_plugin(FOLDER, checked, docker=True).exited(1).log
        (workspace / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\n")
        result = run_plugin(FOLDER, checked, docker=True).passed()
        assert "DIGEST" not in result.outputs
