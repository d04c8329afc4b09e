"""Both sides use the contract, so it may cost nothing: no I/O, no third-party import, in no module of it."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import gocdnext_sdk.contract

FOLDER = Path(gocdnext_sdk.contract.__file__ or "").parent
MODULES = sorted(FOLDER.rglob("*.py"))

PURE = frozenset(
    {
        *("__future__", "base64", "binascii", "collections", "collections.abc", "contextlib", "dataclasses"),
        *("enum", "functools", "itertools", "json", "math", "re", "string", "typing", "unicodedata"),
    }
)
"""Modules of the standard library that compute and do nothing else. Another one is added here on purpose."""

REACHES_OUT = frozenset({"open", "print", "input", "exec", "eval", "compile", "breakpoint", "__import__"})
"""Builtins that read, write, or run what nobody has looked at."""

IMPORT_ALL = """
import importlib, pkgutil, sys
import gocdnext_sdk

root = sys.argv[1]
before = set(sys.modules)

def look(event, args):
    kind = event.partition(".")[0]
    if kind in ("socket", "subprocess", "shutil", "tempfile", "urllib", "http", "ctypes", "winreg"):
        print(event, *args)
    elif kind == "os" and event not in ("os.listdir", "os.scandir"):  # how modules are found
        print(event, *args)
    elif event == "open" and not str(args[0]).endswith((".py", ".pyc")):
        print(event, args[0])

sys.addaudithook(look)
import gocdnext_sdk.contract
names = [each.name for each in pkgutil.walk_packages([root], "gocdnext_sdk.contract.")]
for name in names:
    importlib.import_module(name)
for name in sorted(set(sys.modules) - before):
    if name.partition(".")[0] not in sys.stdlib_module_names and not name.startswith("gocdnext_sdk.contract"):
        print("import", name)
print(len(names), "modules")
"""


def violations(source: str) -> Iterator[str]:
    """Yield what a module must not do, by its text."""
    for node in ast.walk(ast.parse(source)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or "." * node.level]
        for name in names:
            if name not in PURE and not name.startswith("gocdnext_sdk.contract"):
                yield f"line {node.lineno} imports {name}"
        if isinstance(node, ast.Name) and node.id in REACHES_OUT:
            yield f"line {node.lineno} uses {node.id}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_a_module_imports_and_calls_nothing_that_reaches_out(path: Path) -> None:
    assert not list(violations(path.read_text()))


def test_importing_all_of_it_touches_nothing() -> None:
    done = subprocess.run(
        [sys.executable, "-B", "-c", IMPORT_ALL, str(FOLDER)], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == [f"{len(MODULES) - 1} modules"]  # the package itself is the other one


@pytest.mark.parametrize(
    "source",
    [
        "import os",
        "import urllib3",
        "from pathlib import Path",
        "from gocdnext_sdk.errors import Error",
        "from . import refs",
        "def f():\n    import socket",
        "def f(path):\n    return open(path)",
        "def f():\n    return __import__('os')",
        "read = open",
    ],
)
def test_what_is_not_pure_is_seen(source: str) -> None:
    assert list(violations(source))


@pytest.mark.parametrize(
    "source",
    [
        "import pydantic",
        "import socket\nsocket.socket()",
        "open('/etc/hostname')",
        "import os\nos.getcwd()\nos.system('true')",
    ],
)
def test_what_happens_at_an_import_is_seen(tmp_path: Path, source: str) -> None:
    """The same look at a package that is not pure."""
    package = tmp_path / "gocdnext_sdk/contract"
    package.mkdir(parents=True)
    (package.parent / "__init__.py").touch()
    (package / "__init__.py").touch()
    (package / "odd.py").write_text(source)
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n{IMPORT_ALL}",
            str(package),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert len(done.stdout.splitlines()) > 1
    assert done.stdout.endswith("1 modules\n")
