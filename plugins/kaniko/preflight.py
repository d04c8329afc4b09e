"""What a Dockerfile asks for and kaniko does not do. Found in kaniko 1.28.3, by running it and in its source.

Most of it kaniko passes over, with a warning or without, and builds another image than the one asked for.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from gocdnext_sdk import Invalid, quoted
from gocdnext_sdk.tools.dockerfile import KEYWORDS, Dockerfile, Heredoc, Instruction
from gocdnext_sdk.tools.dockerfile_images import From, froms, frontend
from gocdnext_sdk.tools.dockerfile_mounts import TYPES, Mount

_FRONTENDS = re.compile(r"(docker\.io/)?docker/dockerfile(-upstream)?([:@].*)?")
_GIT = re.compile(r"git@|git://|(https?|ssh)://\S+\.git([#?]|$)")


@dataclass(frozen=True)
class Unsupported:
    """Something kaniko does not do.

    Args:
        line: of the Dockerfile.
        what: is asked for, and what kaniko makes of it.
        advice: what to write instead.
    """

    line: int
    what: str
    advice: str


@dataclass(frozen=True)
class Known:
    """What a check has to know of the build.

    Args:
        target: the stage to build, if not the last.
        arguments: the build arguments that are given, by name.
        secrets: ids of the secrets that are given.
        labels: keys of the labels that are given.
        left_out: folders kaniko puts nothing into, because something is mounted there or it runs from there.
    """

    target: str | None = None
    arguments: Mapping[str, str] = field(default_factory=dict)
    secrets: Collection[str] = ()
    labels: Collection[str] = ()
    left_out: tuple[PurePosixPath, ...] = ()


def unsupported(dockerfile: Dockerfile, known: Known) -> Iterator[Unsupported]:
    """Yield what kaniko does not do, of all that is asked for in the stages that are built."""
    for each in dockerfile.instructions:
        if each.keyword not in KEYWORDS:
            yield Unsupported(
                each.line, f"{quoted(each.keyword)} is not an instruction", "see the line before it"
            )
    if not any(each.keyword == "FROM" for each in dockerfile.instructions):
        yield Unsupported(1, "there is no FROM", "an image needs a base, which may be `scratch`")
    syntax = frontend(dockerfile, known.arguments)
    if syntax and not _FRONTENDS.fullmatch(syntax):
        yield Unsupported(1, f"syntax={syntax}: kaniko has no frontends", "build it with buildx")
    stages = tuple(built(dockerfile, known))
    for stage in stages:
        folder = PurePosixPath("/")
        volumes: list[str] = []
        for each in stage.instructions:
            yield from _escapes(each, dockerfile.directives.get("escape", "\\"))
            if each.keyword == "WORKDIR":
                folder = folder / each.text.strip("\"'")
                yield from _left_out(each, folder, known)
            elif each.keyword in ("COPY", "ADD"):
                yield from _copy(each)
                if each.words:
                    yield from _left_out(each, folder / each.words[-1], known)
                    yield from _copied_to(each, folder / each.words[-1], volumes)
            elif each.keyword == "VOLUME":
                volumes += [word.rstrip("/") for word in each.words]
            elif each.keyword == "RUN":
                yield from _run(each, known)
                yield from _written_to(each, volumes)
            elif each.keyword == "LABEL":
                yield from _label(each, known)

    yield from _commands(stages)


@dataclass(frozen=True)
class Stage:
    """A stage.

    Args:
        start: its FROM.
        instructions: those after it, what its base left it with ONBUILD first.
    """

    start: From
    instructions: tuple[Instruction, ...]


def built(dockerfile: Dockerfile, known: Known) -> Iterator[Stage]:
    """Yield the stages that are built, in order; all when there is no such target.

    A stage that starts from a variable whose value is not known may start from any that its name fits.
    """
    stages: list[Stage] = []
    for stage in _stages(dockerfile, known.arguments):
        left = [each.trigger for base in _bases(stage, stages) for each in base.instructions if each.trigger]
        stages.append(replace(stage, instructions=(*left, *stage.instructions)))
    number = {str(index): index for index in range(len(stages))}
    number |= {stage.start.stage: index for index, stage in enumerate(stages) if stage.start.stage}
    last = number.get(known.target.lower()) if known.target else len(stages) - 1
    if last is None or not stages:
        yield from stages
        return
    wanted = {last}
    for index in range(last, -1, -1):
        if index in wanted:
            stage = stages[index]
            wanted |= {stages.index(base) for base in _bases(stage, stages[:index])}
            copied = (dict(each.flags).get("from") or "" for each in stage.instructions)
            found = (number.get(name.lower(), index) for name in copied)
            wanted |= {each for each in found if each < index}
    yield from (stages[index] for index in sorted(wanted))


def _bases(stage: Stage, before: Iterable[Stage]) -> Iterator[Stage]:
    """Yield the stages, of those before it, that a stage starts from, or may start from."""
    return (each for each in before if stage.start.may_be(each.start.stage))


def _stages(dockerfile: Dockerfile, arguments: Mapping[str, str]) -> list[Stage]:
    starts = froms(dockerfile, arguments)
    stages: list[Stage] = []
    for each in dockerfile.instructions:
        if each.keyword == "FROM":
            stages.append(Stage(next(starts), ()))
        elif stages:  # an ARG may stand before the first stage
            stages[-1] = replace(stages[-1], instructions=(*stages[-1].instructions, each))
    return stages


def _left_out(each: Instruction, path: PurePosixPath, known: Known) -> Iterator[Unsupported]:
    for folder in known.left_out:
        if path.is_relative_to(folder):
            yield Unsupported(
                each.line,
                f"{each.keyword} to {path}: kaniko leaves {folder} out of every image",
                "choose another directory",
            )


_LEFT_TO_OTHERS = frozenset({"CMD", "ENTRYPOINT", "HEALTHCHECK", "ONBUILD", "RUN", "SHELL"})
"""Instructions whose words the builder itself does not read."""


def _escapes(each: Instruction, escape: str) -> Iterator[Unsupported]:
    if escape == "`" and each.keyword not in _LEFT_TO_OTHERS and re.search(r"[`\\]", each.text):
        yield Unsupported(
            each.line,
            f"{each.keyword} with a backslash or a backquote below escape=`: kaniko still escapes with \\",
            "leave the directive out, and write each backslash twice",
        )


def _label(each: Instruction, known: Known) -> Iterator[Unsupported]:
    for key in (word.partition("=")[0].strip("\"'") for word in each.words):
        if key in known.labels:
            yield Unsupported(
                each.line,
                f"LABEL {key}: kaniko lets it win over the input `labels`",
                "leave it out of one of them",
            )


_COPY_FLAGS = {
    "parents": ("copies without the parent folders", "name them in the destination"),
    "exclude": ("copies the excluded files too", "list them in .dockerignore"),
    "checksum": ("does not check it", "check it in a RUN"),
    "keep-git-dir": ("does not clone", "clone in a RUN"),
    "unpack": ("decides by the file", "unpack in a RUN"),
}


def _copy(each: Instruction) -> Iterator[Unsupported]:
    flags = dict(each.flags)
    for name, (what, advice) in _COPY_FLAGS.items():
        if name in flags and (flags[name] or "").lower() != "false":
            yield Unsupported(each.line, f"{each.keyword} --{name}: kaniko {what}", advice)
    if each.keyword == "ADD" and any(_GIT.match(word) for word in each.words[:-1]):
        yield Unsupported(each.line, "ADD of a git repository: kaniko does not clone", "clone in a RUN")
    for word in each.words[:-1]:
        if "from" not in flags and posixpath.normpath(word).split("/")[0] == "..":
            what = (
                f"{each.keyword} {word}: kaniko looks for it above the context, where BuildKit stays inside"
            )
            yield Unsupported(each.line, what, f"write {word.replace('../', '')}")
    if "from" in flags and any(PurePosixPath(word) == PurePosixPath("/") for word in each.words[:-1]):
        yield Unsupported(
            each.line,
            "COPY --from of a whole stage (/): kaniko would copy /proc and fails",
            "copy directory by directory",
        )


def _run(each: Instruction, known: Known) -> Iterator[Unsupported]:
    for name, value in each.flags:
        if name == "mount":
            yield from _mount(each, value or "", known)
        elif (name, value) not in (("network", "default"), ("network", "host"), ("security", "sandbox")):
            written = f"--{name}" + (f"={value}" if value else "")
            yield Unsupported(each.line, f"RUN {written}: kaniko runs the step without it", "leave it out")
    yield from _run_heredocs(each)


def _commands(stages: Iterable[Stage]) -> Iterator[Unsupported]:
    """Yield each ENTRYPOINT that takes the CMD of the stage below it away: kaniko keeps it."""
    with_command: list[Stage] = []
    for stage in stages:
        last = {each.keyword: each for each in stage.instructions}
        inherits = any(_bases(stage, with_command))
        if "CMD" in last or (inherits and "ENTRYPOINT" not in last):
            with_command.append(stage)
        elif inherits:
            what = f"ENTRYPOINT takes the CMD of {stage.start.text} away: kaniko keeps it"
            yield Unsupported(last["ENTRYPOINT"].line, what, "write CMD [] beside it")


def _copied_to(each: Instruction, path: PurePosixPath, volumes: Iterable[str]) -> Iterator[Unsupported]:
    for volume in volumes:
        if path.is_relative_to(volume):
            what = f"{each.keyword} to {path} behind VOLUME {volume}: kaniko loses directories copied there"
            yield Unsupported(each.line, what, "put VOLUME behind it")


def _written_to(each: Instruction, volumes: Iterable[str]) -> Iterator[Unsupported]:
    said = "\n".join((each.text, *(document.content for document in each.heredocs)))
    for volume in volumes:
        if volume.startswith("/") and re.search(rf"{re.escape(volume)}(?![\w.-])", said):
            what = f"RUN with {volume} behind VOLUME {volume}: kaniko leaves out what a step writes there"
            yield Unsupported(each.line, what, "put VOLUME behind it")


def _mount(each: Instruction, text: str, known: Known) -> Iterator[Unsupported]:
    try:
        mount = Mount.parse(text)
    except Invalid as error:
        advice = error.advice or "see the reference of RUN --mount"
        yield Unsupported(each.line, f"RUN --mount={text}: {error.what}", advice)
        return
    reason = _MOUNTS.get(mount.type, _no_mount)(mount, known)
    if reason:
        what, advice = reason
        yield Unsupported(each.line, f"RUN --mount=type={mount.type}: {what}", advice)


_Reason = tuple[str, str] | None


def _no_mount(mount: Mount, known: Known) -> _Reason:
    if mount.type not in TYPES:
        return "its type is in a variable", "write the type"
    return "kaniko runs the step without it", "leave it out"


def _ssh(mount: Mount, known: Known) -> _Reason:
    return "kaniko has no ssh agent", "mount a key as a secret, or clone before the build"


def _secret(mount: Mount, known: Known) -> _Reason:
    # Source: `pkg/commands/run.go` of kaniko 1.28.3 looks at id and target. In BuildKit, source is first.
    id_ = mount.id or PurePosixPath(mount.target).name
    if mount.source and mount.source != id_:
        what = f"kaniko takes the name of a secret from id= or target=, and not {quoted(mount.source)}"
        return what, f"write id={mount.source}"
    if mount.required and "$" not in id_ and id_ not in known.secrets:
        return f"the secret {quoted(id_)} is required and not given", f"add it to secret-envs: {id_}=VARIABLE"
    return _relative(mount) if mount.target else None


def _bind(mount: Mount, known: Known) -> _Reason:
    if mount.from_ not in ("", "context"):
        return "kaniko cannot mount another stage or image", "use COPY --from"
    return _relative(mount)


def _cache(mount: Mount, known: Known) -> _Reason:
    if mount.from_:
        return "kaniko starts with an empty cache", "leave out from="
    return _relative(mount)


def _relative(mount: Mount) -> _Reason:
    if mount.target.startswith(("/", "$")):
        return None
    return f"target={mount.target} is relative, and kaniko takes it from /", "write the path from / on"


_MOUNTS: dict[str, Callable[[Mount, Known], _Reason]] = {
    "bind": _bind,
    "cache": _cache,
    "secret": _secret,
    "ssh": _ssh,
}


_NOT_TWICE = re.compile(r"[$`\\]")
"""What a shell around a here-document reads before the one that runs it does."""


def _run_heredocs(each: Instruction) -> Iterator[Unsupported]:
    document = each.script
    if document is None:
        return  # the shell reads it
    if document.content.startswith("#!"):
        yield Unsupported(
            each.line,
            f"RUN <<{document.word}: kaniko runs it with sh, whatever its first line says",
            f"name the program: RUN {_program(document)} <<'{document.name}'",
        )
    elif each.text.strip() != f"<<{document.name}":
        what = f"RUN {each.text.strip()}: kaniko runs nothing"
        yield Unsupported(each.line, what, f"name a shell: RUN sh <<'{document.name}'")
    elif _NOT_TWICE.search(document.content):
        what = f"RUN <<{document.name} with $, ` or \\: kaniko has a shell expand it before it runs"
        yield Unsupported(each.line, what, f"name a shell: RUN sh <<'{document.name}'")


def _program(document: Heredoc) -> str:
    words = document.content.splitlines()[0].removeprefix("#!").split()
    return words[1] if len(words) > 1 and words[0].endswith("/env") else (words or ["sh"])[0]
