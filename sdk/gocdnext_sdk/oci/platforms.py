"""Platforms, and which of an index are selected."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from gocdnext_sdk.errors import Invalid, Problem, quoted
from gocdnext_sdk.oci.descriptor import Descriptor

_PLATFORM = re.compile(r"[a-z0-9]+/[a-z0-9_]+(/[a-z0-9]+)?")


def is_platform(text: str) -> bool:
    """Tell whether `text` has the form `os/arch[/variant]`."""
    return _PLATFORM.fullmatch(text) is not None


def check_platforms(given: Iterable[str]) -> Iterator[Problem]:
    """Check that all are platforms, as `os/arch[/variant]`.

    Args:
        given: the input `platforms`.
    """
    for each in given:
        if not is_platform(each):
            yield Problem("platforms", f"{quoted(each)} is not a platform", 'write it as "linux/amd64"')


_ARCHITECTURES = {"i386": "386", "x86_64": "amd64", "x86-64": "amd64", "aarch64": "arm64"}
_WITH_VARIANT = {"armhf": ("arm", "v7"), "armel": ("arm", "v6")}
_VARIANTS = {
    "amd64": {"v1": ""},
    "arm64": {"8": "", "v8": "", "v8.0": "", "9": "v9", "9.0": "v9", "v9.0": "v9"},
    "arm": {"": "v7", "5": "v5", "6": "v6", "7": "v7", "8": "v8"},
}


def normal(platform: str) -> str:
    """Return a platform as containerd normalises it: `linux/arm64/v8` is `linux/arm64`.

    Source: containerd/platforms 1.0.0-rc.5 `database.go`.
    """
    os, _, rest = platform.lower().partition("/")
    architecture, _, variant = rest.partition("/")
    if architecture in _WITH_VARIANT:
        architecture, variant = _WITH_VARIANT[architecture]
    elif architecture == "i386":
        variant = ""
    architecture = _ARCHITECTURES.get(architecture, architecture)
    variant = _VARIANTS.get(architecture, {}).get(variant, variant)
    return "/".join(filter(None, ("darwin" if os == "macos" else os, architecture, variant)))


def matches(platform: str, wanted: str) -> bool:
    """Tell whether `platform` matches `wanted`, by any of its names; `linux/arm` matches every variant.

    Args:
        platform: `os/arch[/variant]`, from a registry.
        wanted: the same, with or without a variant.
    """
    found, asked = normal(platform).split("/"), normal(wanted).split("/")
    names_variant = wanted.count("/") > 1 or wanted.lower().rpartition("/")[2] in _WITH_VARIANT
    return found == asked if names_variant else found[:2] == asked[:2]


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
