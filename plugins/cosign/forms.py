"""The two forms of signatures and attestations, and who does not see which."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

Form = Literal["bundle", "legacy"]
"""How a signature is stored: as a bundle that refers to the image, or behind the tag `sha256-….sig`."""

OLDER_LOG = (1,)
"""The versions of the log whose entries the older form has a place for."""

BLIND: Mapping[Form, str] = {
    "bundle": "not seen by cosign 2, Kyverno's `type: Cosign` and Harbor's mark, which look for the older "
    "form; format: both is for them too",
    "legacy": "not seen by cosign 3 where the image has any bundle, nor by what reads bundles only, such as "
    "Kyverno's `type: SigstoreBundle` and sigstore-python; format: both is for them too",
}
"""Who does not see what. Source: cosign 3.1 `verify.go` (`GetBundles`); kyverno#16664; goharbor/harbor#22401.
"""


def in_words(form: Form) -> str:
    """Return what the log adds of a form that is not the usual one."""
    return ", in the older form" if form == "legacy" else ""
