"""Gather a relocatable Python from where this runs: interpreter, loader, libraries, standard library.

Run by ``sdk/Dockerfile`` in its ``python`` stage, with nothing but the standard library::

    python3 -X no_debug_ranges build_runtime.py RUNTIME PACKAGES

RUNTIME is made: ``ld.so``, ``bin/python3``, ``lib/*.so*``, ``lib/python3.x``. It is started as
``RUNTIME/ld.so --library-path RUNTIME/lib RUNTIME/bin/python3`` and works wherever it is moved to, since the
loader is told where the libraries are and CPython finds its standard library beside its own binary. Only
``run``, which starts the plugin of an image, has a fixed place (``build_run.py``).

PACKAGES, the installed third-party packages, are pruned, and compiled as all is; the libraries that their
extension modules need join RUNTIME.
"""

from __future__ import annotations

import compileall
import py_compile
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path

import build_run

# Parts of the standard library that no plugin in a container can use: there is no terminal, display, compiler
# or pip, and their shared libraries would come along.
UNUSED_MODULES = (
    *("test", "idlelib", "tkinter", "turtledemo", "turtle.py", "ensurepip", "venv", "pydoc_data", "lib2to3"),
    *("curses", "dbm", "sqlite3", "config-*", "site-packages", "dist-packages", "__pycache__", "__phello__"),
)
UNUSED_EXTENSIONS = (
    *("_test*", "_ctypes_test*", "xx*", "nis*", "readline*"),
    *("_tkinter*", "_curses*", "_dbm*", "_gdbm*", "_sqlite3*"),
)
UNUSED_IN_PACKAGES = ("bin", "__pycache__", "tests", "*.pyi", "INSTALLER", "REQUESTED", "direct_url.json")
# Loaded by glibc itself when a thread ends, so no binary names it.
LOADED_LATE = ("libgcc_s.so.1",)


def main(runtime: Path, packages: Path) -> None:
    """Make *runtime*, prune and compile *packages*."""
    stdlib = Path(sysconfig.get_path("stdlib"))
    library = runtime / "lib" / stdlib.name
    shutil.copytree(stdlib, library, ignore=shutil.ignore_patterns(*UNUSED_MODULES), symlinks=False)
    remove(library / "lib-dynload", UNUSED_EXTENSIONS)
    remove(packages, UNUSED_IN_PACKAGES)

    python = runtime / "bin" / "python3"
    python.parent.mkdir()
    shutil.copy(Path(sys.executable).resolve(), python)
    build_run.write(runtime)

    loader = interpreter_of(python)
    shutil.copy(loader, runtime / "ld.so")
    extensions = [*library.rglob("*.so"), *packages.rglob("*.so*")]
    for name, file in libraries(loader, [python, *extensions]):
        shutil.copy(file, runtime / "lib" / name)

    for folder in (library, packages):
        compile_all(folder)


def remove(folder: Path, patterns: Iterable[str]) -> None:
    """Delete from *folder*, at any depth, what matches one of *patterns*."""
    for pattern in patterns:
        for path in list(folder.rglob(pattern)):
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def interpreter_of(binary: Path) -> Path:
    """Give the loader that *binary* asks for."""
    asked = re.search(rb"(/lib[0-9]*/ld-[^\0]+)\0", binary.read_bytes()[:65536])
    if not asked:
        raise SystemExit(f"{binary} names no dynamic loader")
    return Path(asked[1].decode())


def libraries(loader: Path, binaries: Iterable[Path]) -> Iterator[tuple[str, Path]]:
    """Give name and file of every shared library that *binaries* need, each once."""
    found: dict[str, Path] = {}
    for binary in binaries:
        listed = subprocess.run([loader, "--list", binary], capture_output=True, text=True, check=True).stdout
        if missing := re.findall(r"(\S+) => not found", listed):
            raise SystemExit(f"{binary} needs {', '.join(missing)}")
        found |= {name: Path(file) for name, file in re.findall(r"(\S+) => (/\S+)", listed)}
    for name in LOADED_LATE:
        found[name] = next(file.parent / name for file in found.values() if (file.parent / name).exists())
    yield from found.items()


def compile_all(folder: Path) -> None:
    """Put bytecode in the place of all sources: a sixth less to pull, and less to look for at every start.

    Run with ``-X no_debug_ranges`` it names lines and no columns, which loads faster again.
    """
    unchecked = py_compile.PycInvalidationMode.UNCHECKED_HASH  # there will be nothing to check against
    if not compileall.compile_dir(folder, quiet=1, workers=0, legacy=True, invalidation_mode=unchecked):
        raise SystemExit(f"{folder}: some modules do not compile")
    remove(folder, ["*.py"])


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
