"""The tags of an image, as every plugin takes them that gives some."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, WithJsonSchema

from gocdnext_sdk.errors import Invalid, Problem
from gocdnext_sdk.inputs.model import Input, PluginInputs
from gocdnext_sdk.inputs.tagging import rules
from gocdnext_sdk.inputs.tagging.evaluate import Tagging, evaluate
from gocdnext_sdk.oci.reference import Reference
from gocdnext_sdk.runtime.ci import Ci

TagRules = Annotated[
    rules.TagRules,
    BeforeValidator(lambda value: rules.TagRules.parse(value) if isinstance(value, str) else value),
    WithJsonSchema({"type": "string", "format": "tag-rules"}),
]
"""Plain tags, as `BranchTags`, and lines in the syntax of docker/metadata-action: `type=semver,pattern=…`."""

TagFlavor = Annotated[
    rules.Flavor,
    BeforeValidator(lambda value: rules.Flavor.parse(value) if isinstance(value, str) else value),
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


class ImageTagInputs(PluginInputs):
    """`tags` and `flavor`."""

    tags: TagRules = Input("", description=TAGS)
    flavor: TagFlavor = Input(
        "",
        description="What holds for all of `tags`, one entry per line: `latest=auto`, `latest=true` or "
        "`latest=false`; `prefix=TEXT`, `suffix=TEXT`, each with `,onlatest=true` for `latest` too.",
    )

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
