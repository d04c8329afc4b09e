"""What ``RUN`` runs in the base image, where there is no shell: ``RUN compile``, and nothing else.

It puts bytecode beside the plugin's sources, which would otherwise be compiled at every start. Bytecode is
the same for all platforms: in a stage of the platform that builds, nothing is emulated. A source that is
copied over a compiled one later counts, since bytecode holds the hash of what it was made from.
"""

import compileall
import sys
from pathlib import Path
from py_compile import PycInvalidationMode

folder = Path(__file__).with_name("plugin")
if sys.argv[1:] != ["compile"]:
    sys.exit("this image has no shell: write `RUN compile`, or `RUN` with a JSON list and the program's path")
if not compileall.compile_dir(folder, quiet=1, invalidation_mode=PycInvalidationMode.CHECKED_HASH):
    sys.exit(f"{folder}: not all of it compiles")
