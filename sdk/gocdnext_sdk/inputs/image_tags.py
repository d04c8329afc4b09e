"""The tags of an image, as every plugin takes them that gives some."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import WithJsonSchema

from gocdnext_sdk.errors import Findings, Invalid, Problem, RegistryError, quoted
from gocdnext_sdk.inputs.constraints import Always, Constraint
from gocdnext_sdk.inputs.model import Input, PluginInputs
from gocdnext_sdk.inputs.tagging import rules
from gocdnext_sdk.inputs.tagging.evaluate import Tagging, evaluate
from gocdnext_sdk.inputs.types import Words, from_text
from gocdnext_sdk.oci.reference import Reference
from gocdnext_sdk.runtime.ci import Ci

TagRules = Annotated[
    rules.TagRules,
    from_text(rules.TagRules.parse),
    WithJsonSchema({"type": "string", "format": "tag-rules"}),
]
"""Plain tags, as `BranchTags`, and lines in the syntax of docker/metadata-action: `type=semver,pattern=…`."""

TagFlavor = Annotated[
    rules.Flavor,
    from_text(rules.Flavor.parse),
    WithJsonSchema({"type": "string", "format": "tag-flavor"}),
]
"""What holds for all tags: `latest=auto`, `prefix=…,onlatest=true`, `suffix=…`."""


TAGS = (
    "Tags, one per line, or separated by commas or spaces; a slash (of a branch name) becomes a dash. Or "
    "rules that make tags of the run, one per line, as docker/metadata-action has them: "
    "`type=semver,pattern={{version}}`, `type=ref,event=branch`, `type=sha`. A rule that does not fit the "
    "run is left out."
)
"""What `tags` is. A plugin adds what holds without it."""


IMMUTABLE = (
    "Patterns, such as `v*.*.*`, of tags that are created but never moved to another digest; with `existing` "
    "and a single tag, that one."
)
"""What `immutable-tags` is. A plugin adds what it means there."""

TAG_PATTERN = re.compile(r"(?:[\w.*?-]|\[!?[\w.-]+\])+", re.ASCII)
"""What can fit a tag, as fnmatch reads it."""


class ImageTagInputs(PluginInputs):
    """`tags` and `flavor`, and which tags never move."""

    tags: TagRules = Input("", description=TAGS)
    flavor: TagFlavor = Input(
        "",
        description="What holds for all of `tags`, one entry per line: `latest=auto`, `latest=true` or "
        "`latest=false`; `prefix=TEXT`, `suffix=TEXT`, each with `,onlatest=true` for `latest` too.",
    )

    immutable_tags: Words = Input("", description=IMMUTABLE)
    existing: Literal["fail", "keep"] | None = Input(
        None,
        description="What happens if one of `immutable-tags` is there already. `fail`, the default: the job "
        "ends before it does anything. `keep`: the image that it names is this job's image; nothing is built "
        "or copied, and the other tags are set to it.",
    )

    constraints: ClassVar[tuple[Constraint, ...]] = (Always("tags", "flavor", "immutable-tags", "existing"),)

    def immutable(self, target: Reference) -> str | None:
        """Return the pattern by which a tag never moves, None if it may."""
        patterns = self.immutable_tags or (("*",) if self.existing else ())
        return next((each for each in patterns if fnmatchcase(str(target.tag), each)), None)

    def keeps(self, current: Mapping[Reference, str | None], digest: str | None = None) -> str | None:
        """Return the digest of the image that immutable tags name already, None if nothing is in the way.

        Args:
            current: where the tags point, None for one that is not there.
            digest: where they are to point; None if that is not known yet.

        Raises:
            Findings: one is there, and would have to move; or they are several images.
        """
        there = {tag: now for tag, now in current.items() if now is not None and self.immutable(tag)}
        if set(there.values()) <= {digest}:
            return None
        places = ", ".join(f"{tag} is {now}" for tag, now in there.items() if now != digest)
        if self.existing != "keep":
            must = f" and must not become {digest}" if digest else ", and must not move"
            patterns = dict.fromkeys(
                f'"{self.immutable(tag)}"' for tag, now in there.items() if now != digest
            )
            raise Findings(
                f"{places}{must}: immutable-tags has {', '.join(patterns)}; no tag was moved",
                "publish under a new tag, remove the pattern, or take what is there: `existing: keep`",
            )
        kept = set(there.values())
        if len(kept) > 1:
            places = ", ".join(f"{tag} is {now}" for tag, now in there.items())
            raise Findings(f"these tags should name one image: {places}", "publish under new tags")
        return kept.pop()

    def check_before_moving(self, current: Mapping[Reference, str | None], digest: str) -> None:
        """Look again whether an immutable tag is in the way: what is to be tagged may have taken an hour.

        Args:
            current: where the tags point, None for one that is not there.
            digest: where they are to point.

        Raises:
            Findings: as `keeps`.
            RegistryError: one came meanwhile whose image is to be kept.
        """
        if kept := self.keeps(current, digest):
            raise RegistryError(f"{kept} got an immutable tag meanwhile; no tag was moved. Run it again")

    @property
    def needs_tag(self) -> bool:
        """Whether there has to be a tag from `tags` in every run."""
        return True

    def tagging(self, ci: Ci) -> Tagging:
        """Return the tags that `tags` makes in a run.

        Args:
            ci: the run.

        Raises:
            Invalid: a rule asks for what the run does not tell. `check` has said so before.
        """
        return evaluate(self.tags, self.flavor, ci)

    def tagged(self, images: Iterable[Reference], ci: Ci) -> tuple[Reference, ...]:
        """Return what `images` are called in a run: each has its own tag, if it has one, and those of `tags`.

        Without `tags`, one that has no tag is `latest`.

        Args:
            images: as given.
            ci: the run.
        """
        given = "tags" in self.model_fields_set
        tags = self.tagging(ci).tags if given else ("latest",)
        return tuple(
            dict.fromkeys(
                image.with_tag(tag)
                for image in images
                for tag in (image.tag, *(tags if given or not image.tag else ()))
                if tag
            )
        )

    def check(self, environ: Mapping[str, str], workspace: Path) -> Iterable[Problem]:
        """Check that the run has a tag."""
        yield from super().check(environ, workspace)
        yield from self._check_tags(Ci.of(environ, workspace))
        for pattern in self.immutable_tags:
            if not TAG_PATTERN.fullmatch(pattern):
                what = f"{quoted(pattern)} matches no tag"
                yield Problem("immutable-tags", what, 'write it as "v*.*.*" or "[0-9]*"')

    def check_existing(self, targets: Iterable[Reference]) -> Iterator[Problem]:
        """Check that what `existing` is for needs no guess.

        Args:
            targets: all tags of the run.
        """
        if self.existing and not self.immutable_tags and len({each.tag for each in targets}) > 1:
            yield Problem(
                "immutable-tags",
                "is needed with `existing` and several tags: `latest` and its like move",
                'name those that never do, such as "v*.*.*"',
            )

    def _check_tags(self, ci: Ci) -> Iterator[Problem]:
        if self.flavor and not self.tags:
            yield Problem("flavor", "changes nothing without `tags`", "leave it out, or add `tags`")
        try:
            found = self.tagging(ci)
        except Invalid as error:
            yield Problem.of("tags", error)
            return
        if self.tags and not found.tags and self.needs_tag:
            why = "; ".join(map(str, found.dropped))
            yield Problem("tags", f"no line makes a tag in this run: {why}", "add a line for such a run")
