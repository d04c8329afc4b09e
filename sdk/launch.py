"""Start the plugin of this image: ``plugin/plugin.py`` beside this file.

Python runs isolated (``-I``) and without ``site`` (``-S``), so that nothing in the workspace or in a job's
variables is ever imported; what may be imported is added here, wherever the runtime was moved to.
"""

import gc
import os
import signal
import sys

# A signal to PID 1 that has no handler is lost. Until the SDK has its own, there is nothing to clean up.
for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
    signal.signal(number, lambda received, _: os._exit(128 + received))

# Engines keep no order between a container's two streams, and the last line says how the job ended.
os.dup2(1, 2)

# What is imported stays; `Plugin.main` looks for garbage in what comes after it.
gc.disable()
# Nor is anything imported twice here.
sys.dont_write_bytecode = True

import typing  # noqa: E402
from importlib.machinery import SourceFileLoader  # noqa: E402
from types import ModuleType  # noqa: E402

home = __file__.rpartition("/")[0]
sys.path.append(f"{home}/packages")
# The plugin's folder is a package: plugin.py imports its other modules with `from . import checks`.
sys.modules["plugin"] = package = ModuleType("plugin")
package.__path__ = [f"{home}/plugin"]
# There are no pydantic plugins; looking for some would import importlib.metadata: 6 ms at every start.
sys.modules["pydantic.plugin._loader"] = none = ModuleType("pydantic.plugin._loader")
none.get_plugins = tuple  # type: ignore[attr-defined]


class Untyped(dict):  # type: ignore[type-arg]
    """Stands where a TypedDict would, and makes as good a dict."""

    def __init_subclass__(cls, **options: object) -> None:
        """Take what a TypedDict takes."""


# pydantic_core describes its schemas to type checkers in a hundred TypedDicts: 7 ms more at every start.
typed_dict, typing.TypedDict = typing.TypedDict, Untyped
import pydantic_core  # noqa: E402, F401

typing.TypedDict = typed_dict

sys.argv[0] = f"{home}/plugin/plugin.py"
launcher = sys.modules["__main__"]  # or nothing would hold it any more
sys.modules["__main__"] = plugin = ModuleType("__main__")
plugin.__file__, plugin.__package__ = sys.argv[0], "plugin"
try:
    # As runpy would, which takes longer to import.
    exec(SourceFileLoader("__main__", sys.argv[0]).get_code("__main__"), plugin.__dict__)  # noqa: S102
except SystemExit as end:
    if not isinstance(end.code, int):
        raise
    # Everything is written and wiped; taking the interpreter apart is left to the kernel.
    sys.stdout.flush()
    os._exit(end.code)
