"""``python -m gocdnext_sdk.host.harness.start FOLDER`` runs a plugin as the launcher of its image does."""

from __future__ import annotations

import sys
from pathlib import Path

from gocdnext_sdk.host.manifest.load import load_plugin

if __name__ == "__main__":
    load_plugin(Path(sys.argv[1])).main()
