"""Jobs as the platform's Kubernetes runs them: with a daemon of their own, in folders of their own."""

from __future__ import annotations

import json
import os
from pathlib import Path

import docker
import pytest
from testbed import classic

from gocdnext_sdk.host.harness import RunOptions, Session, run_pipeline
from gocdnext_sdk.host.harness.engine.docker import DockerEngine
from gocdnext_sdk.host.harness.engine.interface import RUN_LABEL
from gocdnext_sdk.host.pipeline.modes import MODES, ModeName

# What the daemon says once it answers, as nothing waits for it; what it may be reached by; where the job is.
LOOK = """
import http.client, json, os, pathlib, socket, stat, time, urllib.parse
url = urllib.parse.urlsplit(os.environ["DOCKER_HOST"])
def ask(path):
    connection = http.client.HTTPConnection(url.hostname or "localhost", url.port or 80)
    if url.scheme == "unix":
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(url.path)
    connection.request("GET", path)
    return json.load(connection.getresponse())
until = time.monotonic() + 60
while True:
    try:
        info = ask("/info")
        break
    except OSError:
        if time.monotonic() > until: raise
        time.sleep(0.1)
socket_mode = stat.S_IMODE(os.stat(url.path).st_mode) if url.scheme == "unix" else None
outputs = pathlib.Path(os.environ["GOCDNEXT_OUTPUT_FILE"])
outputs.write_text("FOUND=" + json.dumps({
    "containerd": "driver-type" in dict(info["DriverStatus"]),
    "images": len(ask("/images/json")), "socket": socket_mode,
    "file": stat.S_IMODE(outputs.stat().st_mode), "folder": stat.S_IMODE(outputs.parent.stat().st_mode),
    "cwd": os.getcwd(), "files": sorted(os.listdir()), "input": os.environ.get("INPUT"),
}) + chr(10))
"""


@pytest.mark.parametrize(
    ("mode", "socket", "folder", "file"),
    [
        ("k8s-isolated", 0o666, 0o777, 0o666),
        pytest.param("k8s-shared", None, 0o700, 0o600, marks=pytest.mark.soak),
    ],
)
def test_a_job_has_an_empty_daemon_with_the_classic_store_that_ends_with_it(
    tmp_path: Path, mode: ModeName, socket: int | None, folder: int, file: int
) -> None:
    (tmp_path / ".gocdnext").mkdir()
    (tmp_path / "look.py").write_text(LOOK)
    pipeline = tmp_path / ".gocdnext" / "test.yaml"
    job = {
        "stage": "s",
        "image": os.environ["BASE"],
        "docker": True,
        "outputs": {"found": "FOUND"},
        "variables": {"INPUT": "a$$b$(NAME)", "NAME": "c"},
        "script": ["python3 look.py"],
    }
    pipeline.write_text(json.dumps({"stages": ["s"], "jobs": {"look": job}}))
    options = RunOptions(mode=MODES[mode], use_images={classic.IMAGE: classic.image()})
    with Session(DockerEngine()) as session:
        report = run_pipeline(pipeline, options, session=session)
        client = docker.from_env()
        left = client.containers.list(all=True, filters={"label": f"{RUN_LABEL}={session.id}"})
        client.close()
    assert report.passed, report["look"].text
    found = json.loads(report["look"].outputs["found"])
    assert found["containerd"] is False
    assert found["images"] == 0
    assert (found["socket"], found["folder"], found["file"]) == (socket, folder, file)
    assert found["cwd"].startswith("/workspace/")
    assert "src" in found["cwd"].split("/")
    assert {"look.py", ".gocdnext"} <= {*found["files"]}
    assert found["input"] == "a$bc"
    assert [each.name for each in left if "daemon" in each.name] == []
