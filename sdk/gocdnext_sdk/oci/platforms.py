"""Platforms, and which of an index are selected."""

from __future__ import annotations

import re
from collections.abc import Sequence

from gocdnext_sdk.errors import Invalid, quoted
from gocdnext_sdk.oci.descriptor import Descriptor

_PLATFORM = re.compile(r"[a-z0-9]+/[a-z0-9_]+(/[a-z0-9]+)?")


def is_platform(text: str) -> bool:
    """Tell whether `text` has the form `os/arch[/variant]`."""
    return _PLATFORM.fullmatch(text) is not None


_SHORT = {"linux/arm64/v8": "linux/arm64", "linux/amd64/v1": "linux/amd64", "linux/arm": "linux/arm/v7"}


def normal(platform: str) -> str:
    """Return a platform as containerd normalises it: `linux/arm64/v8` is `linux/arm64`."""
    return _SHORT.get(platform, platform)


def matches(platform: str, wanted: str) -> bool:
    """Tell whether `platform` matches `wanted`; `linux/arm` matches every variant.

    Args:
        platform: `os/arch[/variant]`, from a registry.
        wanted: the same, with or without a variant.
    """
    return f"{platform}/".startswith(f"{wanted}/")


def choose(wanted: Sequence[str], children: Sequence[Descriptor]) -> tuple[Descriptor, ...]:
    """Return the children of an index for the platforms in `wanted`, in the index's order.

    Args:
        wanted: platforms; or only "all".
        children: as `RegistryClient.platforms` returns them.

    Raises:
        ValueError: the index lacks one of them; the message names those that it has.
    """
    if tuple(wanted) == ("all",):
        return tuple(children)
    for platform in wanted:
        if not any(matches(child.platform or "", platform) for child in children):
            names = ", ".join(str(child.platform) for child in children) or "none"
            raise Invalid(f"the image has no {quoted(platform)}", f"it has {names}")
    return tuple(c for c in children if any(matches(c.platform or "", each) for each in wanted))
