"""What the container of the local Sigstore runs.

``SIGSTORE_HOST`` is the name by which clients reach it, ``SIGSTORE_JWKS`` holds the issuer's public keys.
Once everything answers, one line of standard output holds the signing config and the trusted root.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from gocdnext_sdk.tools.sigstore import signing_config
from local_sigstore import services
from local_sigstore.authority import Authority
from local_sigstore.server import server
from local_sigstore.tokens import Issuer
from local_sigstore.trust import trusted_root


def main() -> int:
    """Serve until told to stop, or until one of the services ends."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    host, keys = (os.environ.get(name) for name in ("SIGSTORE_HOST", "SIGSTORE_JWKS"))
    if not host or not keys:
        print("error: SIGSTORE_HOST and SIGSTORE_JWKS are required; `run --sigstore` gives them")
        return 2
    issuer = Issuer(f"http://{host}", json.loads(keys))
    authority = Authority(issuer)
    log_key, tsa_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    timestamping = authority.timestamping(tsa_key.public_key())
    rekor = f"http://{host}:{services.REKOR_PORT}"
    tsa = f"http://{host}:{services.TIMESTAMP_PORT}{services.TIMESTAMP_PATH}"
    own = server(("", 80), issuer, authority)
    threading.Thread(target=own.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        log = services.rekor(folder, host, log_key)
        timestamps = services.timestamp_authority(folder, tsa_key, timestamping, authority.root)
        with services.running(log, timestamps) as processes:
            documents = {
                "signing_config": signing_config(
                    fulcio=issuer.url, oidc=issuer.url, rekor=rekor, rekor_version=2, tsa=tsa
                ),
                "trusted_root": trusted_root(
                    fulcio=issuer.url,
                    root=authority.root,
                    rekor=rekor,
                    log_key=log_key.public_key(),
                    tsa=tsa,
                    timestamping=timestamping,
                ),
            }
            print(json.dumps(documents), flush=True)
            while all(process.poll() is None for process in processes):
                time.sleep(1)
    return 1


if __name__ == "__main__":
    sys.exit(main())
