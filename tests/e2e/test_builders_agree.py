"""kaniko builds what BuildKit builds, or refuses: both plugins over a corpus, compared file by file.

Without GOCDNEXT_SOAK=1 only what is refused is tried, a second each, and `SLICE` compared.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

import pytest
from testbed.pins import pins

from gocdnext_sdk.host.harness import LocalRegistry
from gocdnext_sdk.host.harness.build import build_contexts, build_image
from gocdnext_sdk.host.testing import Mode, PluginRunner

ROOT = Path(__file__).parents[2]
PLUGINS = ROOT / "plugins"

CONTEXT: Mapping[str, str] = {
    "a.txt": "A",
    "b.txt": "B",
    "c d.txt": "C",
    "run.sh": "#!/bin/sh\necho run\n",
    "dir/one": "1",
    "dir/sub/two": "2",
    "dir/sub/deep/three": "3",
    "test/ignore.this": "x",
    "app/test/ignore.this": "x",
    "app/service/test/ignore.this": "x",
    "app/keep": "k",
    "empty/.keep": "",
}


@dataclass(frozen=True)
class Case:
    """A Dockerfile in a context.

    Args:
        dockerfile: `BASE` stands for a base with a shell.
        files: more of the context; a value that begins with `-> ` is a link.
        inputs: of both plugins.
        refused: what kaniko says instead of building it.
        modes: of files of the context, where they are not 0644.
        fails: which of them do not build it; kaniko says so in its own words.
        older: what the executor of hosts that cannot pull makes of it, where that is not what is published.
    """

    dockerfile: str
    files: Mapping[str, str] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)
    refused: str = ""
    modes: Mapping[str, int] = field(default_factory=dict)
    fails: Literal["", "kaniko", "both"] = ""
    older: Literal["", "fails", "differs"] = ""


def scratch(lines: str, **files: str) -> Case:
    return Case(f"FROM scratch\n{lines}\n", {key.replace("_", "."): text for key, text in files.items()})


CASES = {
    "file": scratch("COPY a.txt /x"),
    "file-to-folder": scratch("COPY a.txt /x/"),
    "files": scratch("COPY a.txt b.txt /x/"),
    "json": scratch('COPY ["c d.txt", "a.txt", "/x y/"]'),
    "wildcard": scratch("COPY *.txt /x/"),
    "wildcard-folder": scratch("COPY d*/sub /x/"),
    "folder": scratch("COPY dir /x"),
    "folder-slash": scratch("COPY dir/ /x/"),
    "folders": scratch("COPY dir app /x/"),
    "all": scratch("COPY . /x/"),
    "all-to-root": scratch("COPY . /"),
    "workdir": scratch("WORKDIR /w/x\nCOPY a.txt .\nWORKDIR y\nCOPY b.txt ./z/"),
    "chmod": scratch("COPY --chmod=640 a.txt /x\nCOPY --chmod=700 dir /d/"),
    "chown": scratch("COPY --chown=12:34 a.txt /x\nCOPY --chown=12:34 dir /d/"),
    "chown-parents": scratch("COPY --chown=12:34 a.txt /p/q/x"),
    "chmod-parents": Case("FROM scratch\nCOPY --chmod=700 a.txt /p/q/x\n", older="differs"),
    "user": scratch("USER 12:34\nCOPY a.txt /x\nWORKDIR /w"),
    "twice": scratch("COPY a.txt /x\nCOPY b.txt /x"),
    "file-over-folder": scratch("COPY dir /x/\nCOPY app /x/"),
    "add": scratch("ADD a.txt /x\nADD dir /d/"),
    "add-tar": Case("FROM scratch\nADD a.tar /x/\n", {"a.tar": "TAR"}),
    "copy-tar": Case("FROM scratch\nCOPY a.tar /x/\n", {"a.tar": "TAR"}),
    "links-within": Case("FROM scratch\nCOPY . /x/\n", {"dir/link": "-> one", "dir/gone": "-> nowhere"}),
    "link": Case("FROM scratch\nCOPY link /x\n", {"link": "-> a.txt"}, refused="link is a link"),
    "link-folder": Case("FROM scratch\nCOPY link /x/\n", {"link": "-> dir"}, refused="link is a link"),
    "link-on-the-way": Case("FROM scratch\nCOPY link/one /x\n", {"link": "-> dir"}, refused="link is a link"),
    "link-wildcard": Case("FROM scratch\nCOPY *.txt /x/\n", {"l.txt": "-> a.txt"}, refused="l.txt is a link"),
    "link-context": Case("FROM scratch\nCOPY . /x/\n", {"ctx": "-> dir"}, {"context": "ctx"}),
    "ignore": scratch("COPY . /x/", _dockerignore="*.txt\ndir\n"),
    "ignore-anywhere": scratch("COPY . /x/", _dockerignore="**/test\n"),
    "ignore-but": scratch("COPY . /x/", _dockerignore="*\n!dir/sub/two\n"),
    "ignore-order": scratch("COPY . /x/", _dockerignore="!a.txt\n*.txt\n!b.txt\ndir/*\n!dir/sub\n"),
    "ignore-comments": scratch("COPY . /x/", _dockerignore="\ufeff# a\n\n  a.txt  \r\n/b.txt\r\n./dir/\n"),
    "ignore-beside": Case(
        "FROM scratch\nCOPY . /x/\n", {"Dockerfile.dockerignore": "app\n", ".dockerignore": "dir\n"}
    ),
    "ignore-named": Case(
        "FROM scratch\nCOPY a.txt run.sh /x/\n", {".dockerignore": "*.txt\n"}, refused="leaves it out"
    ),
    "ignore-folder": scratch("COPY dir /x/", _dockerignore="**/sub\n"),
    "ignore-all": scratch("COPY . /x/\nCOPY dir /y/", _dockerignore="**\n!**/one\n"),
    "stages": Case("FROM scratch AS one\nCOPY a.txt /\nFROM scratch\nCOPY --from=one /a.txt /x\n"),
    "stage-folder": Case("FROM scratch AS one\nCOPY . /all/\nFROM scratch\nCOPY --from=one /all/dir /x/\n"),
    "stage-wildcard": Case("FROM scratch AS one\nCOPY . /all/\nFROM scratch\nCOPY --from=0 /all/*.txt /x/\n"),
    "stage-base": Case("FROM scratch AS one\nCOPY a.txt /\nENV A=1\nFROM one\nCOPY b.txt /\n"),
    "target": Case("FROM scratch AS one\nCOPY a.txt /\nFROM one\nCOPY b.txt /\n", inputs={"target": "one"}),
    "onbuild": Case("FROM scratch AS one\nONBUILD COPY a.txt /x\nFROM one\nCOPY b.txt /\n"),
    "config": Case(
        'FROM scratch\nCOPY a.txt /\nENV A=1 B="2 3"\nENV C 4 5\nLABEL l=m "n o"="p q"\nEXPOSE 80 81/udp\n'
        "VOLUME /v\n"
        'USER 1:2\nWORKDIR /w\nSTOPSIGNAL SIGINT\nENTRYPOINT ["/x"]\nCMD ["y", "z"]\n',
        older="differs",
    ),
    "shell-form": scratch('COPY a.txt /\nSHELL ["/bin/q", "-c"]\nCMD echo $HOME\nENTRYPOINT exec x'),
    "healthcheck": scratch('COPY a.txt /\nHEALTHCHECK --interval=5s --retries=2 CMD ["x"]'),
    "args": Case(
        "ARG V=1\nFROM scratch\nARG V\nARG W=x${V}\nENV E=$W\nCOPY ${W}.txt /$V\n",
        {"x7.txt": "7"},
        {"build-args": "V=7"},
    ),
    "variables": scratch("ENV D=dir E=\nCOPY $D/one ${E:-x}/\nCOPY ${D}/sub /${D:+y}/"),
    "labels": Case("FROM scratch\nCOPY a.txt /\nLABEL a=1 b=2\n", inputs={"labels": "c=4, 5"}),
    "labels-twice": Case("FROM scratch\nLABEL a=1\n", inputs={"labels": "a=2"}, refused="lets it win"),
    "crlf": Case("FROM scratch\r\nCOPY a.txt \\\r\n  b.txt /x/\r\n# c\r\nENV A=1\r\n"),
    "escape": Case("# escape=`\nFROM scratch\nCOPY a.txt `\n  /x\n"),
    "escape-backslash": Case("# escape=`\nFROM scratch\nENV P=C:\\q\n", refused="still escapes with"),
    "run": Case("FROM BASE\nRUN echo 1 > /x && mkdir -m 700 /d && ln -s /x /d/l\n"),
    "run-delete": Case("FROM BASE\nCOPY dir /d/\nRUN rm -r /d/sub\nCOPY a.txt /d/\n"),
    "run-user": Case(
        "FROM BASE\nUSER 12:34\nWORKDIR /w\nRUN echo $HOME > /tmp/x; id -u > /tmp/u; pwd > /tmp/p\n",
        older="differs",
    ),
    "run-environment": Case(
        'FROM BASE\nARG A=1\nENV B=$A\nRUN echo $A$B > /x\nSHELL ["/bin/dash", "-c"]\nRUN echo ${B%1} > /y\n'
    ),
    "run-exec": Case('FROM BASE\nRUN ["sh", "-c", "echo $0 > /x", "a b"]\n'),
    "run-mode": Case(
        "FROM BASE\nRUN umask 0; echo > /f; chmod 4755 /f; mkdir /t; chmod 1777 /t; chown 5:6 /t\n"
    ),
    "run-hard-links": Case("FROM BASE\nRUN mkdir /h && echo 1 > /h/a && ln /h/a /h/b\nRUN rm /h/a\n"),
    "run-folder-to-file": Case("FROM BASE\nCOPY dir /d\nRUN rm -r /d && echo 1 > /d\n"),
    "run-folder-to-link": Case(
        "FROM BASE\nRUN mkdir /r /l && echo 1 > /l/x\nRUN rm -r /l && ln -s r /l\nCOPY a.txt /l/\n"
    ),
    "workdir-link": Case("FROM BASE\nRUN mkdir /r && ln -s /r /l\nWORKDIR /l/s\nCOPY a.txt .\n"),
    "run-script": Case("FROM BASE\nRUN <<EOF\necho $(echo 1) > /x\nEOF\n", refused="expand"),
    "run-no-network": Case("FROM BASE\nRUN --network=none echo > /x\n", refused="--network=none"),
    "run-volume": Case("FROM BASE\nVOLUME /v\nRUN mkdir -p /v && echo > /v/x\n", refused="behind VOLUME"),
    "copy-volume": Case("FROM scratch\nVOLUME /v\nCOPY dir /v/d\n", refused="behind VOLUME"),
    "run-in-run": Case("FROM BASE\nRUN mkdir -p /run/app && echo 1 > /run/app/x\n"),
    "run-hosts": Case("FROM BASE\nRUN echo 1.2.3.4 x >> /etc/hosts; echo > /etc/other\n"),
    "run-user-name": Case(
        "FROM BASE\nRUN echo me:x:12:34::/home/me:/bin/sh >> /etc/passwd\nUSER me\n"
        "RUN cd /tmp; id -un > u; id -g > g; echo $HOME > h\n"
    ),
    "run-touch": Case("FROM BASE\nRUN echo 1 > /x\nRUN chmod 600 /x\nRUN chown 1:2 /x\nRUN echo 2 >> /x\n"),
    "run-nothing": Case("FROM BASE\nRUN true\nRUN :\nENV A=1\n"),
    "copy-into-link": Case("FROM BASE\nRUN mkdir /r && ln -s /r /l\nCOPY dir /l/\nCOPY a.txt /l/b.txt\n"),
    "heredoc-copy": Case(
        'FROM scratch\nENV A=1\nCOPY <<EOF <<"END" /x/\n$A ${B:-2}\nEOF\n$A\nEND\n'
        "COPY --chmod=600 <<-E /y\n\tz\nE\n",
        older="fails",
    ),
    "heredoc-run": Case("FROM BASE\nRUN <<EOF\necho 1 > /x\necho 2 > /y\nEOF\n", older="differs"),
    "heredoc-shell": Case("FROM BASE\nRUN sh <<'EOF'\nA=1\necho $A > /x\nEOF\n", older="differs"),
    "modes": Case("FROM scratch\nCOPY . /x/\nCOPY run.sh /y\n", modes={"run.sh": 0o4755, "a.txt": 0o400}),
    "ignore-then-not": scratch("COPY . /x/", _dockerignore="**/one\n!dir\n**/test\n!app/test\n"),
    "ignore-ends": scratch("COPY . /x/", _dockerignore="**.txt\n**/.keep\n"),
    "missing": Case("FROM scratch\nCOPY nowhere /x\n", fails="both"),
    "missing-wildcard": scratch("COPY nowhere* a.txt /x/"),
    "files-to-file": Case("FROM scratch\nCOPY a.txt b.txt /x\n", fails="kaniko"),
    "brackets": scratch("COPY [ab].txt /x/\nCOPY ?.txt /y/"),
    "absolute": scratch("COPY /a.txt x\nCOPY ./dir/../b.txt ./y/"),
    "above": Case("FROM scratch\nCOPY ../a.txt /x\n", refused="above the context"),
    "maintainer": scratch("MAINTAINER me <me@example.com>\nCOPY a.txt /"),
    "healthcheck-none": scratch("COPY a.txt /\nHEALTHCHECK NONE"),
    "command-reset": Case(
        'FROM scratch AS one\nCOPY a.txt /\nCMD ["x"]\nFROM one\nENTRYPOINT ["y"]\n',
        refused="takes the CMD of one",
    ),
    "command-emptied": Case(
        'FROM scratch AS one\nCOPY a.txt /\nCMD ["x"]\nFROM one\nENTRYPOINT ["y"]\nCMD []\n'
    ),
    "argument-after-variable": Case(
        "FROM BASE\nENV A=1\nARG A=2\nRUN echo $A > /x\nENV B=$A\n", older="differs"
    ),
    "label-variable": scratch('ENV A=1\nLABEL a=$A b="${A}2"\nCOPY a.txt /'),
    "environment-once": scratch("ENV A=1 B=$A\nENV C=$A$B\nENV A=2\nCOPY a.txt /"),
    "parents": Case("FROM scratch\nCOPY --parents dir/sub /x/\n", refused="without the parent folders"),
    "exclude": Case("FROM scratch\nCOPY --exclude=*.txt . /x/\n", refused="excluded"),
}
"""By name."""

BY_PINNED = ("chmod", "chmod-parents", "heredoc-copy")
"""Built by the pinned BuildKit: that of Docker 26.1 gives 0755 to directories that COPY --chmod makes."""

LIMIT = "3m"
"""What one build may take; on an idle machine each takes a few seconds."""

SLICE = ("add-tar", "crlf", "file", "files", "folder", "json")
"""What is compared in every run of the tests."""


def chosen() -> list[str]:
    names = sorted(CASES)
    if os.environ.get("GOCDNEXT_SOAK"):
        return names
    return [name for name in names if CASES[name].refused or name in SLICE]


@dataclass(frozen=True, eq=False)  # by identity: layers are cached by it
class Images:
    """The registry, with what was built."""

    registry: LocalRegistry
    environ: Mapping[str, str]
    base: str

    def crane(self, *argv: str) -> bytes:
        done = subprocess.run(["crane", *argv], env=self.environ, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    def files(self, image: str) -> dict[str, tuple[Any, ...]]:
        """Return what a container would see: path to kind, mode, owner, and content or where a link leads."""
        manifest = json.loads(self.crane("manifest", image))
        seen: dict[str, tuple[Any, ...]] = {}
        for each in manifest["layers"]:
            layer = _layer(self, image.partition("@")[0], each["digest"])
            names = {path: path.rpartition("/")[2] for path in layer}
            for path in [path for path, name in names.items() if name.startswith(".wh.")]:
                above = path.removesuffix(names[path])
                name = names[path].removeprefix(".wh.")
                _remove_below(seen, above if name == ".wh..opq" else f"{above}{name}/")
                seen.pop(f"{above}{name}", None)
            for path, entry in layer.items():
                if not names[path].startswith(".wh."):
                    if entry[0] != "folder" and seen.get(path, entry)[0] == "folder":
                        _remove_below(seen, f"{path}/")
                    seen[path] = seen[entry[-1]] if entry[0] == "hard link" and entry[-1] in seen else entry
        return seen

    def config(self, image: str) -> dict[str, Any]:
        config: dict[str, Any] = json.loads(self.crane("config", image))["config"]
        # What kaniko leaves out, and says the same without: / is the default, and the other is for Windows.
        config = {"WorkingDir": "/"} | {key: value for key, value in config.items() if value}
        config.pop("ArgsEscaped", None)
        return config


def _remove_below(seen: dict[str, tuple[Any, ...]], folder: str) -> None:
    for path in [path for path in seen if path.startswith(folder)]:
        del seen[path]


@cache
def _layer(images: Images, repository: str, digest: str) -> dict[str, tuple[Any, ...]]:
    found: dict[str, tuple[Any, ...]] = {}
    with tarfile.open(fileobj=io.BytesIO(images.crane("blob", f"{repository}@{digest}"))) as archive:
        for entry in archive:
            path = "/" + entry.name.removeprefix("./").strip("/")
            if path == "/":
                continue
            if entry.islnk():
                found[path] = ("hard link", "/" + entry.linkname.strip("/"))
                continue
            stream = archive.extractfile(entry) if entry.isfile() else None
            kind = "folder" if entry.isdir() else "link" if entry.issym() else "file"
            what = hashlib.sha256(stream.read()).hexdigest() if stream else entry.linkname
            mode = 0o777 if entry.issym() else entry.mode
            found[path] = (kind, oct(mode), entry.uid, entry.gid, what)
    return found


@pytest.fixture(scope="session")
def images(gocdnext_registry: LocalRegistry, tmp_path_factory: pytest.TempPathFactory) -> Images:
    folder = tmp_path_factory.mktemp("docker")
    registry = gocdnext_registry
    pair = base64.b64encode(f"{registry.username}:{registry.password}".encode()).decode()
    (folder / "config.json").write_text(json.dumps({"auths": {registry.address: {"auth": pair}}}))
    environ = {**os.environ, "DOCKER_CONFIG": str(folder)}
    reference = f"{registry.address}/base/python:3.13"
    command = [sys.executable, "-m", "testbed", "bases", "python", reference]
    subprocess.run(command, cwd=ROOT, env=environ, check=True)
    return Images(registry, environ, reference)


@pytest.fixture(scope="session")
def kaniko() -> str:
    image = "localhost/gocdnext-plugin-kaniko:test"
    build_image(PLUGINS / "kaniko", image, build_contexts())
    return image


@pytest.fixture(scope="session")
def older(kaniko: str) -> bool:
    """Whether the executor is the older one of hosts that cannot pull."""
    command = ["docker", "run", "--rm", "--network=none", "--entrypoint=/kaniko/executor", kaniko, "version"]
    version = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return pins()["kaniko"].version not in version


def write(folder: Path, case: Case, base: str) -> None:
    for path, text in {**CONTEXT, **case.files}.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        if text.startswith("-> "):
            file.symlink_to(text.removeprefix("-> "))
        elif text == "TAR":
            with tarfile.open(file, "w") as archive:
                archive.add(folder / "dir", "in/dir")
        else:
            file.write_bytes(text.encode())
    (folder / "run.sh").chmod(0o755)
    (folder / "app" / "keep").chmod(0o600)
    for path, mode in case.modes.items():
        (folder / path).chmod(mode)
    (folder / "Dockerfile").write_bytes(case.dockerfile.replace("BASE", base).encode())


@pytest.mark.parametrize("name", chosen())
def test_both_build_the_same(
    gocdnext_run_plugin: PluginRunner,
    images: Images,
    kaniko: str,
    older: bool,
    gocdnext_repository: str,
    gocdnext_workspace: Path,
    name: str,
) -> None:
    case = CASES[name]
    write(gocdnext_workspace, case, images.base)
    registry = images.registry
    given = {
        "image": gocdnext_repository,
        "username": registry.username,
        "password": registry.password,
        # The version is the tag, and each builder has its own.
        "auto-labels": "false",
        "timeout": LIMIT,
        **case.inputs,
    }
    result = gocdnext_run_plugin(
        PLUGINS / "kaniko",
        {**given, "tags": "kaniko"},
        mode=Mode.IMAGE,
        network=registry.network,
        image=kaniko,
    )
    if case.refused:
        assert case.refused in " ".join(result.exited(2).errors)
        return
    with_ = {**given, "tags": "buildx", "platforms": "linux/amd64", "provenance": "false"}
    if name in BY_PINNED:
        with_ |= {"driver-opts": f"network={registry.network}"}
        with_ |= {"buildkit-image": os.environ["BUILDKIT_IMAGE"]} if "BUILDKIT_IMAGE" in os.environ else {}
    theirs = gocdnext_run_plugin(PLUGINS / "buildx", with_, docker=True)
    if case.fails or (older and case.older == "fails"):
        result.exited(3)
        theirs.exited(3 if case.fails == "both" else 0)
        return
    result.passed()
    theirs.passed()
    if older and case.older:
        return
    built = {tool: f"{gocdnext_repository}:{tool}" for tool in ("kaniko", "buildx")}
    files = {tool: images.files(image) for tool, image in built.items()}
    config = {tool: images.config(image) for tool, image in built.items()}
    paths = sorted({*files["kaniko"], *files["buildx"]})
    # Mount points that a step of BuildKit leaves where the base has none.
    paths = [path for path in paths if path not in ("/dev", "/proc", "/sys") or path in files["kaniko"]]
    differ = {path: (files["kaniko"].get(path), files["buildx"].get(path)) for path in paths}
    assert {path: each for path, each in differ.items() if each[0] != each[1]} == {}
    assert config["kaniko"] == config["buildx"]
