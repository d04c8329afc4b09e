"""Where the images of a Dockerfile are: its bases, what it copies from or mounts, and its frontend."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from gocdnext_sdk.oci.reference import Reference, Registry
from gocdnext_sdk.tools.dockerfile import Dockerfile, Instruction, base_and_stage
from gocdnext_sdk.tools.dockerfile_mounts import Mount

_VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)(?::?-([^{}$]*))?\})")
UNKNOWN = "\0"
"""Stands for the value of a variable that is not known."""


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
    stages: set[str] = {"scratch"}
    for each in froms(dockerfile, arguments):
        if each.is_known:
            if each.base.lower() not in stages:
                found.setdefault(
                    (each.base, each.platform), Base(each.line, each.text, each.base, each.platform)
                )
        else:
            found.setdefault((each.text, each.platform), Base(each.line, each.text, "", each.platform))
        stages |= {each.stage}
    return tuple(found.values())


@dataclass(frozen=True)
class From:
    """What a FROM says.

    Args:
        line: of it.
        text: what it names, as it is written there.
        base: the same with the variables replaced, `UNKNOWN` for each that has no value that is known.
        stage: the name that it gives the stage, in lower case; empty if it gives none.
        platform: the one that it asks for; None: that of the build, or one in a variable.
    """

    line: int
    text: str
    base: str
    stage: str
    platform: str | None

    @property
    def is_known(self) -> bool:
        """Whether the value of every variable in the base is."""
        return UNKNOWN not in self.base

    def may_be(self, stage: str) -> bool:
        """Tell whether a stage of that name, in lower case, may be the base."""
        parts = map(re.escape, self.base.lower().split(UNKNOWN))
        return bool(stage) and re.fullmatch(".*".join(parts), stage) is not None


def froms(dockerfile: Dockerfile, arguments: Mapping[str, str]) -> Iterator[From]:
    """Yield every FROM, in order.

    Args:
        dockerfile: what is built.
        arguments: the build arguments that are given, by name.
    """
    known: dict[str, str] = {}
    declaring = True
    for each in dockerfile.instructions:
        if each.keyword == "ARG" and declaring:
            known |= _declared(each, arguments, known)
        if each.keyword != "FROM":
            continue
        declaring = False
        text, stage = base_and_stage(each)
        asked = (_expanded(value, known) for flag, value in each.flags if flag == "platform" and value)
        platform = next((value for value in asked if UNKNOWN not in value), None)
        yield From(each.line, text, _expanded(text, known), stage, platform)


def images(dockerfile: Dockerfile, arguments: Mapping[str, str]) -> Images:
    """Return where the images are that `dockerfile` names.

    Args:
        dockerfile: what is built; stages that are not built count too.
        arguments: the build arguments that are given, by name.
    """
    found = [_registry(each) for each in _names(dockerfile, arguments)]
    all_known = is_ours(dockerfile, arguments) and None not in found
    return Images(frozenset(each for each in found if each), all_known)


def is_ours(dockerfile: Dockerfile, arguments: Mapping[str, str]) -> bool:
    """Tell whether Docker's frontend reads it: what another one reads is no Dockerfile."""
    return "docker/dockerfile" in (frontend(dockerfile, arguments) or "docker/dockerfile")


def frontend(dockerfile: Dockerfile, arguments: Mapping[str, str]) -> str | None:
    """Return the image that reads the Dockerfile, None if BuildKit does it itself.

    Source: `Build` of moby/buildkit 0.33.1, `frontend/dockerfile/builder/build.go`: the argument wins.
    """
    return arguments.get("BUILDKIT_SYNTAX", "").strip().partition(" ")[0] or dockerfile.frontend


def _names(dockerfile: Dockerfile, arguments: Mapping[str, str]) -> Iterator[str]:
    stages: set[str] = {"scratch", "context"}
    if name := frontend(dockerfile, arguments):
        yield name
    by_line = {each.line: each for each in froms(dockerfile, arguments)}
    for each in dockerfile.instructions:
        instruction = each.trigger or each
        found = by_line.get(each.line)
        named = [found.base] if found else _sources(instruction)
        yield from (text for text in named if text.lower() not in stages and not text.isdigit())
        if found:
            stages |= {found.stage}


def _sources(instruction: Instruction) -> Iterator[str]:
    for flag, value in instruction.flags:
        if flag == "from" and value:
            yield _expanded(value, {})
        elif flag == "mount" and value:
            try:
                source = Mount.parse(value).from_
            except ValueError:
                source = UNKNOWN
            if source:
                yield source


def _declared(
    instruction: Instruction, arguments: Mapping[str, str], known: Mapping[str, str]
) -> dict[str, str]:
    """Return the values of an ARG before the first stage, those that have one."""
    declared: dict[str, str] = {}
    for word in instruction.words:
        name, equals, default = word.partition("=")
        if name in arguments:
            declared[name] = arguments[name]
        elif equals:
            declared[name] = _expanded(default.strip("\"'"), {**known, **declared})
    return declared


def _expanded(text: str, known: Mapping[str, str]) -> str:
    """Return `text` with the variables that are known replaced, and `UNKNOWN` for the others."""

    def value(match: re.Match[str]) -> str:
        name, default = match[1] or match[2], match[3]
        return known.get(name) or (UNKNOWN if default is None else default)

    return re.sub(r"[$\\].*", UNKNOWN, _VARIABLE.sub(value, text))


def _registry(name: str) -> Registry | None:
    """Return the registry of an image, None if it is not known."""
    if UNKNOWN in (name.partition("/")[0] if "/" in name else name):
        return None
    try:
        return Reference.parse(
            name.partition(UNKNOWN)[0].rstrip("/:@-._") if UNKNOWN in name else name
        ).registry
    except ValueError:
        return None
