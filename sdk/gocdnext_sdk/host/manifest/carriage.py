"""Which inputs some CI system cannot hand over under their name."""

from __future__ import annotations

from collections.abc import Iterator

from gocdnext_sdk.contract.dialects import dialects
from gocdnext_sdk.contract.dialects.base import OUTPUTS_FILE
from gocdnext_sdk.contract.keys import variable
from gocdnext_sdk.host.manifest.model import Manifest

_VALUE = "a value"


def not_carried(manifest: Manifest) -> Iterator[str]:
    """Yield a line for each input that does not arrive where a system is asked to hand it over.

    The rules of the systems themselves say so (`contract.dialects`): to GitHub, for example, the
    `entrypoint` of a step replaces that of the image.
    """
    keys = [spec.name for spec in manifest.inputs]
    for key in keys:
        systems = [
            each.title
            for each in dialects()
            if key in each.taken
            or each.inputs({**each.marks, **each.hand_over({key: _VALUE})}, keys).get(variable(key)) != _VALUE
        ]
        if systems:
            yield f"with.{key}: cannot be given on {', '.join(systems)}; choose another name"
        if key == OUTPUTS_FILE:
            yield f"with.{key}: every plugin has an input of this name on other CI systems; choose another"
