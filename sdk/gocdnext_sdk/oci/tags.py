"""The tags of a repository.

Source: distribution-spec 1.1.1 "Listing Tags".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from gocdnext_sdk.errors import Cancelled, RegistryError
from gocdnext_sdk.oci.client import RegistryClient
from gocdnext_sdk.oci.descriptor import Descriptor
from gocdnext_sdk.oci.links import next_page
from gocdnext_sdk.oci.reference import Reference, is_tag
from gocdnext_sdk.oci.strict_json import check_names, parse_json
from gocdnext_sdk.oci.transport import Response

MAX_PAGES = 1000
"""Answers that are read of one list."""


def list_tags(registry: RegistryClient, image: Reference, *, assumed: str | None = None) -> tuple[str, ...]:
    """Return the tags of an image's repository, in the registry's order; none if there is no repository.

    Args:
        registry: the client.
        image: names the repository; its tag and digest do not matter.
        assumed: what a plan, which asks no registry, takes for the answer; without it, the plan ends here.

    Raises:
        RegistryError: they cannot be listed, or the list has no end.
    """
    found: list[str] = []
    path = "tags/list"
    for _ in range(MAX_PAGES):
        response = registry.request("GET", image, path, assumed=assumed)
        if response.status == 404 and not found:  # as distribution answers, which knows a repository by tags
            return ()
        if response.status != 200:
            raise _not_listed(registry, image, response)
        try:
            found += _tags(response.body)
            following = next_page(response)
        except ValueError as error:
            raise _invalid(image, error) from None
        if following is None:
            return tuple(dict.fromkeys(found))
        path = following
    raise RegistryError(f"{image.name}: the list of tags has more than {MAX_PAGES} pages")


def has_tags(registry: RegistryClient, image: Reference) -> bool:
    """Tell whether an image's repository has any tag; images that were pushed by digest give it none.

    Args:
        registry: the client; a plan assumes that there are some.
        image: names the repository; its tag and digest do not matter.

    Raises:
        RegistryError: the repository cannot be read.
    """
    response = registry.request("GET", image, "tags/list?n=1", assumed='{"tags": ["latest"]}')
    if response.status == 404:  # as in `list_tags`
        return False
    if response.status != 200:
        raise _not_listed(registry, image, response)
    try:
        return bool(_tags(response.body)) or next_page(response) is not None
    except ValueError as error:
        raise _invalid(image, error) from None


def _not_listed(registry: RegistryClient, image: Reference, response: Response) -> RegistryError:
    """Return the error of a refused list: who may pull an image may not list tags everywhere, as at ECR."""
    error = registry.refused(response, image)
    error.name(
        f"{image.name}: its tags cannot be listed, and signatures such as sha256-….sig are found by them"
    )
    return error


def _invalid(image: Reference, error: ValueError) -> RegistryError:
    return RegistryError(f"{image.name}: the registry sent an invalid list of tags: {error}")


def _tags(body: bytes) -> list[str]:
    """Return the tags of one page; Go writes an empty list as null.

    Raises:
        ValueError: it is no list of tags.
    """
    content = parse_json(body)
    check_names(content, ("name", "tags"))
    tags = content.get("tags")
    if tags is None:
        return []
    if not isinstance(tags, list) or not all(isinstance(each, str) and is_tag(each) for each in tags):
        raise ValueError("they are not a list of tags")
    return tags


@dataclass(frozen=True)
class TagMove:
    """A tag that is to point to what its repository has.

    Args:
        registry: the client.
        tag: the tag.
        before: the digest it points to; None: it is not there.
        digest: where it is to point.
    """

    registry: RegistryClient
    tag: Reference
    before: str | None
    digest: str

    def __str__(self) -> str:
        return f"{self.tag}: {self.before or 'new'} -> {self.digest}"

    def make(self) -> None:
        """Let the tag point there."""
        self.registry.tag(self.tag.with_digest(self.digest), str(self.tag.tag))

    def put_back(self) -> bool:
        """Let the tag point where it did; return whether it does.

        One that is new stays, since few registries can delete a tag.
        """
        if self.before is None:
            return False
        self.registry.tag(self.tag.with_digest(self.before), str(self.tag.tag))
        return True


class TagMoves:
    """Moves of tags that are made one by one, and put back together.

    Args:
        say: is told of every tag that moves.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._made: list[TagMove] = []

    def make(self, move: TagMove) -> None:
        """Make a move.

        Raises:
            RegistryError: it is refused.
        """
        self._made.append(move)  # first: the tag may move though the answer does not get here
        move.make()
        self._say(str(move))

    def put_back(self) -> tuple[list[TagMove], list[TagMove]]:
        """Let the tags point where they did, the last one first; return those that do, and those that do not.

        One that does not point to what it was moved to is left alone, and in neither list: it has not moved,
        or another job moved it.
        """
        back: list[TagMove] = []
        left: list[TagMove] = []
        for move in reversed(self._made):
            try:
                now = move.registry.find(move.tag)
                if now is not None and now.digest == move.digest:
                    (back if move.put_back() else left).append(move)
            except RegistryError:
                left.append(move)
        return back, left


def set_tags(
    targets: Sequence[Reference],
    digest: str,
    registry: RegistryClient,
    say: Callable[[str], None],
    check: Callable[[Mapping[Reference, str | None]], None] = lambda before: None,
    cleanup: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> None:
    """Let every tag point to what all repositories have.

    Args:
        targets: the tags.
        digest: of what they shall point to.
        registry: the client.
        say: is told of every tag that moves.
        check: is told where each points, None for one that is not there, and may raise before any moves.
        cleanup: keeps a signal from its block, in which tags are put back.

    Raises:
        RegistryError: one is refused, with where the tags are. Those that moved are put back; one that is
            new stays.
        Cancelled: by a signal or the job's `timeout`; those that moved are put back likewise.
    """
    found = {target: registry.find(target) for target in targets}
    before = {target: now.digest if now else None for target, now in found.items()}
    check(before)
    moves = TagMoves(say)
    try:
        for target, was in before.items():
            if was != digest:
                moves.make(TagMove(registry, target, was, digest))
    except (RegistryError, Cancelled) as error:
        with cleanup():
            back, _ = moves.put_back()
            for move in back:
                say(f"{move.tag}: put back to {move.before}")
        if isinstance(error, Cancelled):
            raise
        told = f" ({where(targets, registry)})" if len(targets) > 1 else ""
        raise RegistryError(f"{error}{told}") from None


def where(targets: Iterable[Reference], registry: RegistryClient) -> str:
    """Return where tags are now, in words."""
    try:
        found = [(target, registry.find(target)) for target in targets]
    except RegistryError:
        return "which tags are set is not known"
    return f"now {places(found)}"


def places(found: Iterable[tuple[Reference, Descriptor | None]]) -> str:
    """Return in words what each tag was found to be."""
    return ", ".join(f"{target} is {now.digest if now else 'not there'}" for target, now in found)
