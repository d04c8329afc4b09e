"""Where the images of a Dockerfile are: its bases, what it copies from or mounts, and its frontend."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from gocdnext_sdk.oci.reference import Reference, Registry
from gocdnext_sdk.tools.dockerfile import Dockerfile, Instruction, base_and_stage
from gocdnext_sdk.tools.dockerfile_mounts import Mount

_VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)(?::?-([^{}$]*))?\})")
_UNKNOWN = "\0"


@dataclass(frozen=True)
class Images:
    """Where a Dockerfile's images are.

    Args:
        registries: those that can be told.
        all_known: whether that are all: no registry is in a variable whose value is not known.
    """

    registries: frozenset[Registry]
    all_known: bool


@dataclass(frozen=True)
class Base:
    """An image that a stage is built from.

    Args:
        line: of its FROM.
        text: as it is written there.
        name: with the variables replaced; empty if one has no value that is known.
        platform: the one that FROM asks for; None: that of the build.
    """

    line: int
    text: str
    name: str
    platform: str | None = None


def bases(dockerfile: Dockerfile, arguments: Mapping[str, str]) -> tuple[Base, ...]:
    """Return the images that the stages are built from, each once; other stages and `scratch` are none.

    Args:
        dockerfile: what is built; stages that are not built count too.
        arguments: the build arguments that are given, by name.
    """
    found: dict[tuple[str, str | None], Base] = {}
    known: dict[str, str] = {}
    stages: set[str] = {"scratch"}
    declaring = True
    for each in dockerfile.instructions:
        if each.keyword == "ARG" and declaring:
            known |= _declared(each, arguments, known)
        if each.keyword != "FROM":
            continue
        declaring = False
        text, stage = base_and_stage(each)
        name = _expanded(text, known)
        asked = next(
            (_expanded(value, known) for flag, value in each.flags if flag == "platform" and value), ""
        )
        platform = asked if asked and _UNKNOWN not in asked else None
        if _UNKNOWN in name:
            found.setdefault((text, platform), Base(each.line, text, "", platform))
        elif name.lower() not in stages:
            found.setdefault((name, platform), Base(each.line, text, name, platform))
        if stage:
            stages.add(stage)
    return tuple(found.values())


def images(dockerfile: Dockerfile, arguments: Mapping[str, str]) -> Images:
    """Return where the images are that `dockerfile` names.

    Args:
        dockerfile: what is built; stages that are not built count too.
        arguments: the build arguments that are given, by name.
    """
    found = [_registry(each) for each in _names(dockerfile, arguments)]
    # What another frontend reads is no Dockerfile.
    is_ours = "docker/dockerfile" in (dockerfile.frontend or "docker/dockerfile")
    return Images(frozenset(each for each in found if each), is_ours and None not in found)


def _names(dockerfile: Dockerfile, arguments: Mapping[str, str]) -> Iterator[str]:
    known: dict[str, str] = {}
    stages: set[str] = {"scratch", "context"}
    if dockerfile.frontend:
        yield dockerfile.frontend
    for each in dockerfile.instructions:
        instruction = each.trigger or each
        if instruction.keyword == "ARG" and len(stages) == len({"scratch", "context"}):
            known |= _declared(instruction, arguments, known)
        if instruction.keyword == "FROM":
            base, stage = base_and_stage(instruction)
            named = [_expanded(base, known)]
        else:
            named, stage = [*_sources(instruction)], ""
        yield from (text for text in named if text.lower() not in stages and not text.isdigit())
        if each.keyword == "FROM":
            stages.add(stage or f"#{each.line}")


def _sources(instruction: Instruction) -> Iterator[str]:
    for flag, value in instruction.flags:
        if flag == "from" and value:
            yield _expanded(value, {})
        elif flag == "mount" and value:
            try:
                source = Mount.parse(value).from_
            except ValueError:
                source = _UNKNOWN
            if source:
                yield source


def _declared(
    instruction: Instruction, arguments: Mapping[str, str], known: Mapping[str, str]
) -> dict[str, str]:
    """Return the values of an ARG before the first stage, those that have one."""
    declared = {}
    for word in instruction.words:
        name, equals, default = word.partition("=")
        if name in arguments:
            declared[name] = arguments[name]
        elif equals:
            declared[name] = _expanded(default.strip("\"'"), known)
    return declared


def _expanded(text: str, known: Mapping[str, str]) -> str:
    """Return `text` with the variables that are known replaced, and `_UNKNOWN` for the others."""

    def value(match: re.Match[str]) -> str:
        name, default = match[1] or match[2], match[3]
        return known.get(name) or (_UNKNOWN if default is None else default)

    return re.sub(r"[$\\].*", _UNKNOWN, _VARIABLE.sub(value, text))


def _registry(name: str) -> Registry | None:
    """Return the registry of an image, None if it is not known."""
    if _UNKNOWN in (name.partition("/")[0] if "/" in name else name):
        return None
    try:
        return Reference.parse(
            name.partition(_UNKNOWN)[0].rstrip("/:@-._") if _UNKNOWN in name else name
        ).registry
    except ValueError:
        return None
