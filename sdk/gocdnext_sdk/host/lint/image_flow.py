"""Which job publishes which image, and which job reads it, as far as the file says."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from gocdnext_sdk.contract import refs
from gocdnext_sdk.host.lint.view import Use, View, is_known
from gocdnext_sdk.host.pipeline.errors import Mark
from gocdnext_sdk.host.pipeline.model import Job
from gocdnext_sdk.inputs.facts import Publishes, Reads
from gocdnext_sdk.inputs.parsers import parse_lines, parse_words
from gocdnext_sdk.inputs.tagging.rules import is_rule
from gocdnext_sdk.oci.reference import Reference

_STAND_IN = re.compile("\0([0-9]+)\0")


@dataclass(frozen=True)
class Name:
    """An image as the file names it, references included.

    Args:
        repository: registry and repository; equal texts are the same repository.
        tag: without its colon.
        digest: without its `@`.
    """

    repository: str
    tag: str = ""
    digest: str = ""

    @classmethod
    def parse(cls, text: str) -> Name:
        """Split `text`, in which references may stand anywhere; of `IMAGE=FILE` the image counts."""
        hidden, show = _hide(text.strip())
        rest, _, digest = hidden.partition("=")[0].partition("@")
        head, slash, last = rest.rpartition("/")
        last, _, tag = last.partition(":")
        repository = show(head + slash + last)
        if is_known(repository):
            with suppress(ValueError):  # GP103 reports it
                repository = Reference.parse(repository).name
        return cls(repository, show(tag), show(digest))

    @property
    def host(self) -> str:
        """The registry, or the text that stands for it; a scheme, which GP103 reports, is no part of it."""
        return self.repository.split("://", 1)[-1].partition("/")[0]


@dataclass(frozen=True)
class Published:
    """What a job publishes, or builds without publishing.

    Args:
        use: the plugin.
        job: the job.
        image: where it goes.
        tags: the tags it gets; None if only the run knows them.
        pushed: False: it is certainly not pushed.
    """

    use: Use
    job: Job
    image: Name
    tags: frozenset[str] | None
    pushed: bool


@dataclass(frozen=True)
class Read:
    """An image that a job takes from a registry.

    Args:
        use: the plugin.
        job: the job.
        key: the input that names it.
        image: its name; None: it comes out of another job.
        source: that job's name.
    """

    use: Use
    job: Job
    key: str
    image: Name | None
    source: str = ""

    @property
    def image_of(self) -> str:
        """What is equal for two that read one image: the repository, or the job that gives it."""
        return self.image.repository if self.image else self.source

    @property
    def mark(self) -> Mark:
        """Where it is named."""
        return self.use.at(self.key)


def published(view: View) -> Iterator[Published]:
    """Yield what the pipeline's jobs build or publish."""
    for use in view.known_uses:
        fact = use.publishes
        if use.job is None or fact is None:
            continue
        pushed = not (fact.push and use.is_false(fact.push))
        for text in words(view.expand(use.job, use.text(fact.image))):
            image = Name.parse(text)
            yield Published(use, use.job, image, _tags(view, use, fact, image), pushed)


def read(view: View) -> Iterator[Read]:
    """Yield what the pipeline's jobs take from registries."""
    for use in view.known_uses:
        if use.job is None:
            continue
        for key in dict.fromkeys(fact.image for fact in use.facts.reads if _holds(fact, use, use.job)):
            if key not in use.given:
                continue
            for text in words(view.expand(use.job, use.given[key].text)):
                needed = refs.needed_outputs(text)
                if needed:
                    yield Read(use, use.job, key, None, needed[0].job)
                else:
                    yield Read(use, use.job, key, Name.parse(text.removeprefix("docker://")))


def subjects(view: View, use: Use) -> frozenset[str]:
    """Return the repositories in which a job signs.

    They are those that it publishes to, or else those that its inputs lead to, through the jobs whose outputs
    they take.
    """
    published_by: dict[str, set[str]] = {}
    for each in published(view):
        published_by.setdefault(each.job.name, set()).add(each.image.repository)
    read_by: dict[str, set[str]] = {}
    for read_ in read(view):
        read_by.setdefault(read_.job.name, set()).add(read_.image_of)
    texts = (value.text for value in use.given.values())
    job = use.job.name if use.job else ""
    unread = {*read_by.get(job, ())} | {output.job for text in texts for output in refs.needed_outputs(text)}
    unread = published_by.get(job) or unread
    found: set[str] = set()
    while unread:
        name = unread.pop()
        if name not in found:
            found.add(name)
            unread |= published_by.get(name, set()) or read_by.get(name, set())
    jobs = {job.name for job in view.pipeline.jobs}
    return frozenset(found - jobs)


def _holds(fact: Reads, use: Use, job: Job) -> bool:
    excluded = fact.without_daemon and job.docker
    return not excluded and use.holds(fact.when) and not (fact.unless and use.holds(fact.unless))


def _tags(view: View, use: Use, fact: Publishes, image: Name) -> frozenset[str] | None:
    if fact.by_digest and use.is_true(fact.by_digest):
        return frozenset()
    given = use.given.get(fact.tags)
    if given and has_tag_rules(given.text):
        return None
    tags = words(view.expand(use.job, given.text)) if given else ()
    found = {tag.replace("/", "-") if is_known(tag) else tag for tag in tags}
    if image.tag:
        found.add(image.tag)
    return frozenset(found or {"latest"})


def has_tag_rules(text: str) -> bool:
    """Tell whether lines of `tags` make tags of what only the run knows."""
    return any(map(is_rule, _hide(text)[0].splitlines()))


def tag_lines(text: str) -> list[str]:
    """Return the rules and the plain tags of `tags`, each by itself."""
    hidden, show = _hide(text)
    lines: list[str] = []
    with suppress(ValueError):  # GP103 reports it
        for line in parse_lines(hidden):
            lines += [show(each) for each in ([line] if is_rule(line) else parse_words(line))]
    return lines


def words(text: str) -> list[str]:
    """Split as a plugin's list, but never inside a reference."""
    hidden, show = _hide(text)
    with suppress(ValueError):  # GP103 reports it
        return [show(word) for word in parse_words(hidden)]
    return []


def _hide(text: str) -> tuple[str, Callable[[str], str]]:
    """Return the text with a stand-in for each reference, and what puts the references back into a part."""
    pieces = list(refs.split(text.replace("\0", "")))  # no variable can hold one
    hidden = "".join(f"\0{number}\0" if is_ref else piece for number, (piece, is_ref) in enumerate(pieces))
    return hidden, lambda part: _STAND_IN.sub(lambda match: pieces[int(match[1])][0], part)
