"""An SBOM generator for BuildKit that asks Trivy, where Docker's own cannot be pulled.

Source: docs/attestations/sbom-protocol.md of moby/buildkit.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

TRIVY = ("/usr/local/bin/trivy", "rootfs", "--format", "spdx-json", "--quiet", "--cache-dir", "/tmp/trivy")
OPTIONS = ("--offline-scan", "--skip-db-update", "--disable-telemetry", "--skip-version-check")


def main() -> int:
    """Write one statement for each root file system."""
    target = Path(os.environ["BUILDKIT_SCAN_DESTINATION"])
    target.mkdir(parents=True, exist_ok=True)
    extras = os.environ.get("BUILDKIT_SCAN_SOURCE_EXTRAS")
    roots = [Path(os.environ["BUILDKIT_SCAN_SOURCE"]), *(Path(extras).iterdir() if extras else ())]
    for root in roots:
        done = subprocess.run([*TRIVY, *OPTIONS, str(root)], capture_output=True, text=True, check=False)
        if done.returncode:
            print(done.stderr, file=sys.stderr)
            return 1
        statement = {
            "_type": "https://in-toto.io/Statement/v0.1",
            "predicateType": "https://spdx.dev/Document",
            "predicate": json.loads(done.stdout),
        }
        (target / f"{root.name}.spdx.json").write_text(json.dumps(statement))
    return 0


sys.exit(main())
