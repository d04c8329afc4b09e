"""Start the plugin of this image: ``plugin/plugin.py`` beside this file.

Python runs isolated (``-I``) and without ``site`` (``-S``), so that nothing in the workspace or in a job's
variables is ever imported; what may be imported is added here, wherever the runtime was moved to.
"""

import gc
import os
import signal
import sys

SIGNALS = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)

# The kernel throws away a signal to PID 1 that has no handler, unless it is blocked: the image's entrypoint
# blocks these before it starts Python. What has come meanwhile ends the job here; until the SDK has its own
# handlers, there is nothing to clean up.
for number in SIGNALS:
    signal.signal(number, lambda received, _: os._exit(128 + received))
signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)

# Engines keep no order between a container's two streams, and the last line says how the job ended.
os.dup2(1, 2)

# What is imported stays; `Plugin.main` looks for garbage in what comes after it.
gc.disable()
# Nor is anything imported twice here.
sys.dont_write_bytecode = True

import typing  # noqa: E402
from importlib.machinery import SourceFileLoader  # noqa: E402
from types import ModuleType  # noqa: E402

EX_SOFTWARE = 70


def failed(error: Exception) -> str:
    """Say in one line what keeps the plugin from starting, and where."""
    if isinstance(error, FileNotFoundError) and error.filename == sys.argv[0]:
        return f"{sys.argv[0]} is missing; the image's Dockerfile copies it there"
    file, line = sys.argv[0], 0
    if isinstance(error, SyntaxError):
        file, line = error.filename or file, error.lineno or 0
    else:
        step = error.__traceback__
        while step:  # to the last one in the plugin's own code
            if step.tb_frame.f_code.co_filename.startswith(f"{home}/plugin/"):
                file, line = step.tb_frame.f_code.co_filename, step.tb_lineno
            step = step.tb_next
    return f"{file}:{line}: {type(error).__name__}: {getattr(error, 'msg', error)}"


home = __file__.rpartition("/")[0]
# The plugin's own packages come last, so that none of them takes the place of one of the SDK's.
sys.path += [f"{home}/packages", f"{home}/plugin/packages"]
# The plugin's folder is a package: plugin.py imports its other modules with `from . import checks`.
sys.modules["plugin"] = package = ModuleType("plugin")
package.__path__ = [f"{home}/plugin"]
# There are no pydantic plugins; looking for some would import importlib.metadata, 5 % of the whole start.
sys.modules["pydantic.plugin._loader"] = none = ModuleType("pydantic.plugin._loader")
none.get_plugins = tuple  # type: ignore[attr-defined]


class Untyped(dict):  # type: ignore[type-arg]
    """Stands where a TypedDict would, and makes as good a dict."""

    def __init_subclass__(cls, **options: object) -> None:
        """Take what a TypedDict takes."""


# pydantic_core describes its schemas to type checkers in a hundred TypedDicts, 8 % of the whole start.
typed_dict, typing.TypedDict = typing.TypedDict, Untyped
import pydantic_core  # noqa: E402, F401

typing.TypedDict = typed_dict

sys.argv[0] = f"{home}/plugin/plugin.py"
launcher = sys.modules["__main__"]  # or nothing would hold it any more
sys.modules["__main__"] = plugin = ModuleType("__main__")
plugin.__file__, plugin.__package__ = sys.argv[0], "plugin"
code = EX_SOFTWARE
try:
    # As runpy would, which takes longer to import.
    exec(SourceFileLoader("__main__", sys.argv[0]).get_code("__main__"), plugin.__dict__)  # noqa: S102
    print(f"error: {sys.argv[0]} ran no plugin; let it end with the class's .main()", file=sys.stderr)
except SystemExit as end:
    if not isinstance(end.code, int):
        raise
    code = end.code
except Exception as error:  # noqa: BLE001 - of the plugin's imports; `Plugin.main` reports its own
    if os.environ.get("GOCDNEXT_DEBUG") == "1":
        sys.excepthook(type(error), error, error.__traceback__)
    print(f"error: {failed(error)}", file=sys.stderr)
# Everything is written and wiped; taking the interpreter apart is left to the kernel.
sys.stdout.flush()
sys.stderr.flush()
os._exit(code)
