"""Which platforms of an index are meant."""

from __future__ import annotations

from collections.abc import Sequence

from gocdnext_sdk.errors import Invalid, quoted
from gocdnext_sdk.oci.descriptor import Descriptor


def is_platform(platform: str, wanted: str) -> bool:
    """Tell whether `platform` is what `wanted` asks for; `linux/arm` asks for every variant of it.

    Args:
        platform: `os/arch[/variant]`, as a registry has it.
        wanted: the same, the variant left out or not.
    """
    return f"{platform}/".startswith(f"{wanted}/")


def choose(wanted: Sequence[str], children: Sequence[Descriptor]) -> tuple[Descriptor, ...]:
    """Return the children of an index that `wanted` names, in the index's order.

    Args:
        wanted: platforms; or "all" alone.
        children: as `RegistryClient.platforms` returns them.

    Raises:
        ValueError: one that is wanted is not there; the message names those that are.
    """
    if tuple(wanted) == ("all",):
        return tuple(children)
    for platform in wanted:
        if not any(is_platform(child.platform or "", platform) for child in children):
            names = ", ".join(str(child.platform) for child in children) or "none"
            raise Invalid(f"the image has no {quoted(platform)}", f"it has {names}")
    return tuple(c for c in children if any(is_platform(c.platform or "", each) for each in wanted))
