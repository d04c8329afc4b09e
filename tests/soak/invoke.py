"""Run a plugin as a process, for so long and no longer."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from gocdnext_sdk.contract.keys import variable
from gocdnext_sdk.contract.outputs import parse

PLUGINS = Path(__file__).parents[2] / "plugins"


@dataclass(frozen=True)
class Ended:
    """How a run ended.

    Args:
        exit_code: as a shell has it; None: it had to be killed.
        log: all it printed.
        outputs: what it wrote for later jobs.
        seconds: how long it took.
    """

    exit_code: int | None
    log: str
    outputs: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def errors(self) -> list[str]:
        """The lines that begin with `error: `."""
        return [line for line in self.log.splitlines() if line.startswith("error: ")]


NOTHING: Mapping[str, str] = MappingProxyType({})
NO_FILES: Mapping[str, bytes] = MappingProxyType({})


def start(
    plugin: str,
    inputs: Mapping[str, str],
    folder: Path,
    environ: Mapping[str, str] = NOTHING,
    files: Mapping[str, bytes] = NO_FILES,
) -> subprocess.Popen[bytes]:
    """Start a plugin of this repository.

    Args:
        plugin: its directory's name.
        inputs: the `with:` map.
        folder: gets `workspace`, `home`, `log` and `outputs`.
        environ: further variables of the job.
        files: of the checkout.
    """
    for name in ("workspace", "home", "tmp"):
        (folder / name).mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / "workspace" / name).write_bytes(content)
    kept = ("PATH", "DOCKER_HOST", "LANG", "SSL_CERT_FILE", "SSL_CERT_DIR")
    given = {name: os.environ[name] for name in kept if name in os.environ}
    given |= {variable(key): text for key, text in inputs.items()}
    given |= {
        "HOME": str(folder / "home"),
        "TMPDIR": str(folder / "tmp"),
        "GOCDNEXT_OUTPUT_FILE": str(folder / "outputs"),
    }
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "gocdnext_sdk.host.harness.start", str(PLUGINS / plugin)],
            cwd=folder / "workspace",
            env=given | dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def wait(process: subprocess.Popen[bytes], folder: Path, seconds: float) -> Ended:
    """Return how it ended, or kill it and all it started once `seconds` are over."""
    began = time.monotonic()
    try:
        code = process.wait(seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return Ended(None, _read(folder / "log"), {}, time.monotonic() - began)
    outputs = folder / "outputs"
    return Ended(
        128 - code if code < 0 else code,
        _read(folder / "log"),
        parse(outputs.read_bytes()) if outputs.exists() else {},
        time.monotonic() - began,
    )


def run(
    plugin: str,
    inputs: Mapping[str, str],
    folder: Path,
    seconds: float = 120.0,
    environ: Mapping[str, str] = NOTHING,
    files: Mapping[str, bytes] = NO_FILES,
) -> Ended:
    """Start a plugin and wait for it, `seconds` at most."""
    folder.mkdir(exist_ok=True)
    return wait(start(plugin, inputs, folder, environ, files), folder, seconds)


def _read(path: Path) -> str:
    return path.read_bytes().decode(errors="replace")
