"""Both sides use the contract, so it may cost nothing: no I/O, no third-party import."""

from __future__ import annotations

import subprocess
import sys

SHOW_FOREIGN = """
import sys
import gocdnext_sdk
before = set(sys.modules)
from gocdnext_sdk.contract import keys, masks, outputs, refs, scalars, uses
for name in sorted(set(sys.modules) - before):
    top = name.partition(".")[0]
    if top not in sys.stdlib_module_names and not name.startswith("gocdnext_sdk.contract"):
        print(name)
"""


def test_nothing_but_the_standard_library_is_imported() -> None:
    done = subprocess.run([sys.executable, "-c", SHOW_FOREIGN], capture_output=True, text=True, check=True)
    assert done.stdout == ""
