"""The rules, one module a theme. Importing this registers them all.

===== ================================================
GP0xx the file itself: `document`
GP1xx `uses:` and `with:`: `inputs`
GP2xx secrets: `secrets`
GP3xx references, and outputs between jobs: `references`
GP4xx images, from build to signature: `images`
GP5xx what differs between modes of the agent: `modes`
GP6xx files that jobs hand on and keep: `files`
===== ================================================
"""

from gocdnext_sdk.host.lint.rules import document, files, images, inputs, modes, references, secrets

__all__ = ["document", "files", "images", "inputs", "modes", "references", "secrets"]
