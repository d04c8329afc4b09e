"""Gather a relocatable Python from an image: interpreter, loader, libraries, standard library, inventory.

Run by ``sdk/Dockerfile``, with nothing but the standard library::

    python3 -X no_debug_ranges build_runtime.py FILES PACKAGES SYSTEM

SYSTEM is the root of a Python image of the platform that is built for. Nothing in it is run, so that none is
emulated; this runs on the same Python of the platform that builds, with the same paths and bytecode.

FILES, the image's file system, gets ``gocdnext/``: ``ld.so``, ``bin/python3``, ``lib/*.so*`` and
``lib/python3.x``. Started as ``ld.so --library-path lib bin/python3``, it works wherever it is moved to: the
loader is told where the libraries are, and CPython finds its standard library beside its own binary. Only
``run``, which starts the plugin of an image, has a fixed place (``build_run.py``).

PACKAGES, the installed third-party packages, are pruned, and compiled as all is; the libraries that their
extension modules need join the rest.
"""

from __future__ import annotations

import compileall
import py_compile
import shutil
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path

import build_run
import inventory
from elf import Elf
from system import System

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


def main(files: Path, packages: Path, system: System) -> None:
    """Make *files*, prune and compile *packages*."""
    runtime = files / "gocdnext"
    stdlib = Path(sysconfig.get_path("stdlib"))
    library = runtime / "lib" / stdlib.name
    unused = shutil.ignore_patterns(*UNUSED_MODULES)
    shutil.copytree(system.file(stdlib), library, ignore=unused, symlinks=False)
    remove(library / "lib-dynload", UNUSED_EXTENSIONS)
    remove(packages, UNUSED_IN_PACKAGES)

    python = runtime / "bin" / "python3"
    python.parent.mkdir()
    interpreter = system.path(sys.executable)
    shutil.copy(system.file(interpreter), python)
    build_run.write(runtime)

    asked = Elf.read(python).loader
    if asked is None:
        raise SystemExit(f"{interpreter} names no dynamic loader")
    loader = system.path(asked)
    shutil.copy(system.file(loader), runtime / "ld.so")
    extensions = [*library.rglob("*.so"), *packages.rglob("*.so*")]
    found = libraries(system, [python, *extensions], {asked.name})
    for name, path in found.items():
        shutil.copy(system.file(path), runtime / "lib" / name)

    expat = any(each.name.startswith("pyexpat.") for each in extensions) and "libexpat.so.1" not in found
    standard = system.path(stdlib / "os.py")
    copied = [interpreter, loader, *found.values(), standard]
    inventory.write(files, system, copied, bundled_expat=expat)
    for folder in (library, packages):
        compile_all(folder)


def remove(folder: Path, patterns: Iterable[str]) -> None:
    """Delete from *folder*, at any depth, what matches one of *patterns*."""
    for pattern in patterns:
        for path in list(folder.rglob(pattern)):
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def libraries(system: System, binaries: Iterable[Path], given: set[str]) -> dict[str, str]:
    """Return name and path of every shared library that *binaries* need.

    Args:
        system: where they are.
        binaries: those that need them; what stands among these by its name is not looked for.
        given: names that are there already.

    Raises:
        SystemExit: one is missing.
    """
    binaries = list(binaries)
    beside = given | {each.name for each in binaries}
    found = {name: system.library(name) for name in LOADED_LATE}
    waiting = [*binaries, *map(system.file, found.values())]
    while waiting:
        for name in Elf.read(waiting.pop()).needed:
            if name not in beside and name not in found:
                found[name] = system.library(name)
                waiting.append(system.file(found[name]))
    return found


def compile_all(folder: Path) -> None:
    """Put bytecode in the place of all sources: a sixth less to pull, and less to look for at every start.

    Run with ``-X no_debug_ranges`` it names lines and no columns, which loads faster again.
    """
    unchecked = py_compile.PycInvalidationMode.UNCHECKED_HASH  # there will be nothing to check against
    if not compileall.compile_dir(folder, quiet=1, workers=0, legacy=True, invalidation_mode=unchecked):
        raise SystemExit(f"{folder}: some modules do not compile")
    remove(folder, ["*.py"])


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), System(Path(sys.argv[3])))
