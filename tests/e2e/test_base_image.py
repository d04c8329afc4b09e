"""The base image: isolated from workspace and job variables, relocatable, nothing in it that need not be."""

from __future__ import annotations

import io
import tarfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from uuid import uuid4

import docker
import pytest
import requests
from testbed import engine
from testbed.images import BASE, layers
from tests.soak.ledger import slice_of

from gocdnext_sdk.errors import ToolError
from gocdnext_sdk.host.harness.build import build_contexts, build_image

END = "\nraise SystemExit(0)\n"
HOSTILE = 'raise SystemExit("the workspace was imported")'


@pytest.fixture
def client() -> Iterator[docker.DockerClient]:
    with engine.client(engine.up()) as client:
        yield client


def run(
    client: docker.DockerClient,
    plugin: str,
    files: Mapping[str, str] = MappingProxyType({}),
    environment: Mapping[str, str] = MappingProxyType({}),
    status: int = 0,
    end: str = END,
) -> str:
    """Run *plugin*'s source as the plugin of the base image; give what it printed."""
    container = client.containers.create(BASE, environment=dict(environment), network_mode="none")
    try:
        container.put_archive("/", _tar({"gocdnext/plugin/plugin.py": plugin + end, **files}))
        container.start()
        ended = container.wait()["StatusCode"]
        said = container.logs().decode()
    finally:
        container.remove(force=True, v=True)
    assert ended == status, said
    return said


def _tar(files: Mapping[str, str]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))
    return buffer.getvalue()


def test_the_workspace_and_the_jobs_variables_are_never_imported(client: docker.DockerClient) -> None:
    names = ("click", "json", "docker", "pydantic", "sitecustomize", "usercustomize", "helper")
    environment = {
        "PYTHONPATH": "/workspace",
        "PYTHONHOME": "/workspace",
        "PYTHONSTARTUP": "/workspace/helper.py",
        "PYTHONINSPECT": "1",
        "PYTHONWARNINGS": "error",
    }
    plugin = """
import json, docker, pydantic, gocdnext_sdk
try:
    import helper
except ModuleNotFoundError:
    print(json.__file__)
"""
    files = {f"workspace/{name}.py": HOSTILE for name in names}
    assert run(client, plugin, files, environment) == "/gocdnext/lib/python3.13/json/__init__.pyc\n"


def test_a_plugin_may_have_modules_of_its_own_which_shadow_nothing(client: docker.DockerClient) -> None:
    files = {"gocdnext/plugin/helper.py": "GREETING = 'hello'", "gocdnext/plugin/json.py": HOSTILE}
    assert run(client, "import json\nfrom . import helper\nprint(helper.GREETING)", files) == "hello\n"


def test_nothing_is_imported_before_it_is_needed(client: docker.DockerClient) -> None:
    """Every job waits for what is imported before it does anything."""
    plugin = """
import sys
from gocdnext_sdk import Input, Plugin, PluginInputs
class Inputs(PluginInputs):
    count: int = Input("7", description="A number.")
class Quick(Plugin[Inputs]):
    name, inputs = "quick", Inputs
    def run(self, inputs, job):
        slow = ("urllib3", "ssl", "docker", "difflib", "traceback", "runpy", "importlib.metadata")
        print(inputs.count, [name for name in slow if name in sys.modules])
        return {}
Quick.main()
"""
    assert run(client, plugin) == "7 []\n"


def test_pydantic_is_whole(client: docker.DockerClient) -> None:
    plugin = """
import importlib.metadata, typing
from pydantic import BaseModel, TypeAdapter, ValidationError, computed_field
class Point(typing.TypedDict, total=False):
    x: typing.Required[int]
    y: int
class Model(BaseModel):
    point: Point
    points: dict[str, list[Point]] = {}
    @computed_field
    def count(self) -> int:
        return len(self.points)
print(typing.is_typeddict(Point), Point.__required_keys__, importlib.metadata.__name__)
text = '{"point": {"x": "1"}, "points": {"a": [{"x": 2, "y": 3}]}}'
print(Model.model_validate_json(text).model_dump_json())
print(Model.model_json_schema(mode="serialization")["$defs"]["Point"]["required"])
try:
    TypeAdapter(Point).validate_python({"y": "no"})
except ValidationError as error:
    print([each["type"] for each in error.errors()])
"""
    assert run(client, plugin).splitlines() == [
        "True frozenset({'x'}) importlib.metadata",
        '{"point":{"x":1},"points":{"a":[{"x":2,"y":3}]},"count":1}',
        "['x']",
        "['missing', 'int_parsing']",
    ]


def test_no_other_process_reads_the_jobs_secrets(client: docker.DockerClient) -> None:
    """Such as a step that kaniko runs, or a tool that follows a link of the checkout."""
    plugin = """
import subprocess
from gocdnext_sdk import Plugin, PluginInputs
class Nosy(Plugin[PluginInputs]):
    name, inputs = "nosy", PluginInputs
    def run(self, inputs, job):
        python = "/gocdnext/ld.so --library-path /gocdnext/lib /gocdnext/bin/python3 -I -S -c".split()
        done = subprocess.run([*python, "open('/proc/1/environ')"], env={}, capture_output=True, text=True)
        print(done.stderr.splitlines()[-1])
        return {}
Nosy.main()
"""
    assert run(client, plugin) == "PermissionError: [Errno 13] Permission denied: '/proc/1/environ'\n"


def test_all_modules_are_bytecode_that_is_taken_as_it_is(client: docker.DockerClient) -> None:
    plugin = """
import pathlib
for folder in ("lib/python3.13", "packages"):
    modules = list(pathlib.Path("/gocdnext", folder).rglob("*.py*"))
    assert len(modules) > 200, folder
    for module in modules:
        if module.suffix != ".pyi" and module.name != "py.typed":
            assert module.suffix == ".pyc", f"{module} is not compiled"
            assert module.read_bytes()[4:8] == b"\\1\\0\\0\\0", f"{module} would look for its source"
"""
    run(client, plugin)


def test_the_standard_library_works_without_the_rest_of_the_system(client: docker.DockerClient) -> None:
    """The whole root but the runtime goes away while it runs, as kaniko makes it."""
    plugin = """
import os, shutil
if not os.environ.get("MOVED"):
    shutil.copytree("/gocdnext", "/kaniko/gocdnext")
    os.environ["MOVED"] = "1"
    command = "/kaniko/gocdnext/ld.so --library-path {0}/lib {0}/bin/python3 -I -S {0}/launch.py"
    command = command.format("/kaniko/gocdnext").split()
    os.execv(command[0], command)
for name in os.listdir("/"):
    if name not in ("kaniko", "proc", "sys", "dev"):
        shutil.rmtree(f"/{name}", ignore_errors=True)
assert not os.path.exists("/gocdnext/lib")
import asyncio, bz2, ctypes, decimal, hashlib, json, lzma, multiprocessing, socket, ssl, subprocess, tarfile
import threading, uuid, zlib, zoneinfo, docker, pydantic, urllib3, gocdnext_sdk
thread = threading.Thread(target=lambda: print(json.dumps({"sha": hashlib.sha256(b"").hexdigest()[:8]})))
thread.start(); thread.join()
assert json.__file__.startswith("/kaniko/gocdnext/"), json.__file__
"""
    assert run(client, plugin) == '{"sha": "e3b0c442"}\n'


@pytest.mark.parametrize(
    ("plugin", "helper", "said"),
    [
        ("import nothing_such", "", "plugin.py:1: ModuleNotFoundError: No module named 'nothing_such'"),
        ("x = 1\nif x\n    pass", "", "plugin.py:2: SyntaxError: expected ':'"),
        ("\nfrom . import helper", "\n\n1 / 0", "helper.py:3: ZeroDivisionError: division by zero"),
        ("from . import helper", "a b", "helper.py:1: SyntaxError: invalid syntax"),
        ("import gocdnext_sdk\ngocdnext_sdk.Nothing", "", "plugin.py:2: AttributeError: "),
    ],
)
def test_a_plugin_that_cannot_be_imported_says_where_in_one_line(
    client: docker.DockerClient, plugin: str, helper: str, said: str
) -> None:
    files = {"gocdnext/plugin/helper.py": helper}
    line = run(client, plugin, files, status=70)
    assert line.startswith(f"error: /gocdnext/plugin/{said}")
    assert line.count("\n") == 1
    assert "Traceback" in run(client, plugin, files, {"GOCDNEXT_DEBUG": "1"}, status=70)


def test_an_image_without_a_plugin_says_so(client: docker.DockerClient) -> None:
    container = client.containers.create(BASE, network_mode="none")
    try:
        container.start()
        assert container.wait()["StatusCode"] == 70
        said = container.logs().decode()
    finally:
        container.remove(force=True, v=True)
    assert said.startswith("error: /gocdnext/plugin/plugin.py is missing")
    assert said.count("\n") == 1


def test_a_plugin_whose_last_line_was_forgotten_is_no_success(client: docker.DockerClient) -> None:
    said = run(client, "class Forgotten: ...", status=70, end="")
    assert said.startswith("error: /gocdnext/plugin/plugin.py ran no plugin")


WAITING = """
import time
from gocdnext_sdk import Plugin, PluginInputs
class Waiting(Plugin[PluginInputs]):
    name, inputs = "waiting", PluginInputs
    def run(self, inputs, job):
        time.sleep(60)
        return {}
Waiting.main()
"""


@pytest.mark.soak
def test_a_signal_is_never_lost_however_early_it_comes(client: docker.DockerClient) -> None:
    """PID 1 without a handler loses it, and the job would run on and publish."""
    ends = {}
    for milliseconds in slice_of([*range(0, 200, 10), *range(200, 1000, 50)], 12):
        container = client.containers.create(BASE, network_mode="none")
        try:
            container.put_archive("/", _tar({"gocdnext/plugin/plugin.py": WAITING}))
            container.start()
            time.sleep(milliseconds / 1000)
            container.kill("SIGTERM")
            ends[milliseconds] = container.wait(timeout=20)["StatusCode"]
        except requests.exceptions.ConnectionError:
            ends[milliseconds] = None
        finally:
            container.remove(force=True, v=True)
    assert set(ends.values()) == {143}, ends


def test_a_compiled_plugin_starts_from_its_bytecode_unless_its_source_is_another(
    client: docker.DockerClient, tmp_path: Path
) -> None:
    tag = f"localhost/gocdnext-compiled-{uuid4().hex[:8]}:test"
    (tmp_path / "plugin.py").write_text("from . import helper\nprint(helper.WORD)\nraise SystemExit(0)")
    (tmp_path / "helper.py").write_text("WORD = 'first'")
    (tmp_path / "Dockerfile").write_text(f"FROM {BASE}\nCOPY *.py /gocdnext/plugin/\nRUN compile\n")
    build_image(tmp_path, tag, build_contexts())
    try:
        container = client.containers.create(tag, network_mode="none")
        try:
            stream, _ = container.get_archive("/gocdnext/plugin")
            with tarfile.open(fileobj=io.BytesIO(b"".join(stream))) as archive:
                names = {Path(name).name for name in archive.getnames()}
            assert {"plugin.cpython-313.pyc", "helper.cpython-313.pyc"} <= names
            container.start()
            assert container.wait()["StatusCode"] == 0
            container.put_archive("/", _tar({"gocdnext/plugin/helper.py": "WORD = 'second'"}))
            container.start()
            assert container.wait()["StatusCode"] == 0
            assert container.logs() == b"first\nsecond\n"
        finally:
            container.remove(force=True, v=True)
        (tmp_path / "helper.py").write_text("a b")
        with pytest.raises(ToolError):
            build_image(tmp_path, tag, build_contexts())
    finally:
        client.images.remove(tag, force=True)


def test_certificates_are_found_by_python_and_by_go(client: docker.DockerClient) -> None:
    plugin = """
import ssl
assert len(ssl.create_default_context().get_ca_certs()) > 50
assert open("/etc/ssl/certs/ca-certificates.crt").read().count("BEGIN CERTIFICATE") > 50
"""
    run(client, plugin)


def test_there_is_no_shell_no_pip_no_compiler_and_little_to_download(client: docker.DockerClient) -> None:
    plugin = """
import os
for folder, _, names in os.walk("/"):
    if not folder.startswith(("/proc", "/sys", "/dev")):
        print(*(os.path.join(folder, name) for name in names), sep="\\n")
"""
    paths = [path for path in run(client, plugin).splitlines() if path]
    programs = {path.rpartition("/")[2] for path in paths}
    assert not programs & {"sh", "bash", "pip", "gcc", "cc", "apt-get", "pip3"}
    assert not [path for path in paths if "/pip/" in path or "/test/" in path or "ensurepip" in path]
    assert sum(layer.size for layer in layers(BASE)) < 25_000_000


def test_nothing_of_the_authors_side_is_in_the_image(client: docker.DockerClient) -> None:
    plugin = """
import importlib.util
import pathlib
import gocdnext_sdk
for path in pathlib.Path("/gocdnext").rglob("*"):
    if "local_sigstore" in path.parts or path.match("gocdnext_sdk/host") or path.match("build_runtime.*"):
        print(path)
for name in ("gocdnext_sdk.host", "click", "rich", "pip", "local_sigstore"):
    if importlib.util.find_spec(name):
        print(name)
print("looked", sum(1 for path in pathlib.Path(gocdnext_sdk.__file__).parent.rglob("*.pyc")) > 40)
"""
    assert run(client, plugin) == "looked True\n"
