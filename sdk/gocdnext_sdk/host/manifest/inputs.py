"""Typed inputs made from a manifest, for plugins whose code is not available."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import create_model

from gocdnext_sdk.host.manifest.model import InputSpec, Manifest
from gocdnext_sdk.inputs.image_metadata import Annotations
from gocdnext_sdk.inputs.image_tags import TagFlavor, TagRules
from gocdnext_sdk.inputs.model import Input, PluginInputs
from gocdnext_sdk.inputs.registry_login import Logins
from gocdnext_sdk.inputs.types import (
    Boolean,
    BranchTags,
    Certificates,
    Duration,
    Items,
    JsonDocument,
    Lines,
    Pairs,
    References,
    RegistryHost,
    RegistryHosts,
    Tags,
    Words,
    WorkspacePath,
    one_of,
)
from gocdnext_sdk.oci.reference import Reference
from gocdnext_sdk.secret import Secret

FORMATS: Final[Mapping[str, Any]] = {
    "annotations": Annotations,
    "branch-tags": BranchTags,
    "certificates": Certificates,
    "go-duration": Duration,
    "hostname": RegistryHost,
    "hostnames": RegistryHosts,
    "items": Items,
    "json-document": JsonDocument,
    "lines": Lines,
    "logins": Logins,
    "oci-reference": Reference,
    "oci-references": References,
    "pairs": Pairs,
    "password": Secret,
    "tag-flavor": TagFlavor,
    "tag-rules": TagRules,
    "tags": Tags,
    "words": Words,
    "workspace-path": WorkspacePath,
}
"""The types, by their names in manifests."""

_TYPES: Final[Mapping[str, Any]] = {"boolean": Boolean, "integer": int, "number": float}


def inputs_of(manifest: Manifest) -> type[PluginInputs]:
    """Return a model that reads each value as the plugin does, as far as the manifest describes it.

    What only code can check, such as the limits of a number, is accepted.
    """
    # Other people's manifests may have any keys, so keys are aliases and the fields are just numbered.
    fields: dict[str, Any] = {
        f"input_{number}": (_annotation(spec), _field(spec))
        for number, spec in enumerate(manifest.inputs)
        if not spec.successor
    }

    class ManifestInputs(PluginInputs):
        # The SDK's own input exists only if the manifest lists it: a plugin need not use the SDK.
        timeout: ClassVar[None] = None  # type: ignore[misc]
        constraints = manifest.constraints

    return create_model("Inputs", __base__=ManifestInputs, **fields)


def _field(spec: InputSpec) -> Any:
    default = ... if spec.required else spec.default
    return Input(default, description=spec.description, alias=spec.name)


def _annotation(spec: InputSpec) -> Any:
    read: Any = FORMATS.get(spec.format or "", _TYPES.get(spec.type, str))
    if spec.secret:
        read = Secret
    elif spec.choices:
        read = Literal[spec.choices]
    elif spec.items:
        read = Annotated[read, one_of(*spec.items)]
    return read if spec.required or spec.default is not None else read | None
