"""From rules and what is known of the run to tags, or to why there are none. Pure: no I/O, no clock.

Named tuples, and dates and versions imported where they are used: a job pays for each class at its start.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

from gocdnext_sdk.errors import Invalid, quoted
from gocdnext_sdk.inputs.tagging import expressions
from gocdnext_sdk.inputs.tagging.expressions import Expression, Meaning
from gocdnext_sdk.inputs.tagging.patterns import JsPattern
from gocdnext_sdk.inputs.tagging.rules import Flavor, TagRule, TagRules
from gocdnext_sdk.oci.reference import is_tag
from gocdnext_sdk.runtime.ci import Ci

if TYPE_CHECKING:
    from datetime import datetime

    from gocdnext_sdk.inputs.tagging.versions import Version

SHORT: Final = 7
"""Characters of `{{sha}}` and `type=sha`, whatever the platform's short commit has."""

_HEADS, _TAGS, _PULL = "refs/heads/", "refs/tags/", "refs/pull/"
_OUTSIDE = re.compile(r"[^a-zA-Z0-9._-]+")
_MISSING_ELSEWHERE = "CI_"
"""Variables with this prefix are missing in some runs; any other one is a mistake."""


class Dropped(NamedTuple):
    """A line that makes no tag in this run.

    Args:
        line: as written.
        why: it does not.
    """

    line: str
    why: str

    def __str__(self) -> str:
        return f"{self.line}: {self.why}"


class Tagging(NamedTuple):
    """The tags of one run.

    Args:
        tags: each once; the first has the highest priority, and `latest` comes last.
        dropped: the lines that made none.
    """

    tags: tuple[str, ...]
    dropped: tuple[Dropped, ...] = ()

    @property
    def version(self) -> str | None:
        """The tag that stands for the version: the first."""
        return self.tags[0] if self.tags else None


class _Drop(Exception):
    """The rule makes no tag in this run, for this reason."""


class _Made(NamedTuple):
    """What a rule makes.

    Args:
        text: of the tag; prefix and suffix are to come.
        is_latest: whether `latest=auto` means true after it.
    """

    text: str
    is_latest: bool = False


def evaluate(rules: TagRules, flavor: Flavor, ci: Ci) -> Tagging:
    """Return the tags that rules make in a run.

    Args:
        rules: in any order; they are taken by their priority.
        flavor: of all of them.
        ci: the run.

    Raises:
        Invalid: a rule says what no tag can be, or asks for what the run does not tell.
    """
    run = _Run(ci, flavor)
    tags: dict[str, None] = {}
    dropped: list[Dropped] = []
    latest: bool | None = None
    for rule in sorted(rules.rules, key=lambda rule: -rule.priority):
        try:
            made = run.apply(rule)
        except _Drop as drop:
            dropped.append(Dropped(rule.text, str(drop)))
            continue
        except Invalid as error:
            raise Invalid(f"{quoted(rule.text)}: {error.what}", error.advice) from None
        tags[made.text] = None
        latest = made.is_latest if latest is None else latest
    if latest:
        tags[run.latest()] = None
    return Tagging(tuple(tags), tuple(dropped))


class _Run:
    """The run, as rules ask for it."""

    def __init__(self, ci: Ci, flavor: Flavor) -> None:
        self._ci, self._flavor = ci, flavor
        self._ref = ci.ref or ""
        self._globals: Mapping[str, Meaning] = {
            "branch": lambda _: self._after(_HEADS),
            "tag": lambda _: self._after(_TAGS),
            "sha": lambda _: self._commit()[:SHORT],
            "base_ref": lambda _: (ci.pull_request.target or "") if ci.pull_request else "",
            "is_default_branch": lambda _: "true" if self._is_default_branch() else "false",
            "is_not_default_branch": lambda _: "false" if self._is_default_branch() else "true",
            "date": self._date,
            "commit_date": self._commit_date,
        }

    def apply(self, rule: TagRule) -> _Made:
        """Return what a rule makes, ready to be a tag."""
        if (name := rule.unresolved) is not None:
            if not name.startswith(_MISSING_ELSEWHERE):
                raise Invalid(f"nothing defines ${{{name}}}")
            raise _Drop(f"this run has no {name}")
        enable = self._expand(rule.get("enable") or "true")
        if enable not in ("true", "false"):
            raise Invalid(f'enable is "{enable}", neither true nor false')
        if enable == "false":
            raise _Drop("enable is false")
        made = _MAKERS[rule.type](self, rule)
        text = self._dressed(made.text, rule)
        if not text:
            raise _Drop("is empty in this run")
        latest = made.is_latest if self._flavor.latest == "auto" else self._flavor.latest == "true"
        return _Made(_tag(text), latest)

    def latest(self) -> str:
        """Return the tag `latest`, dressed as the flavor wants it."""
        flavor = self._flavor
        prefix = self._expand(flavor.prefix) if flavor.prefix_on_latest else ""
        suffix = self._expand(flavor.suffix) if flavor.suffix_on_latest else ""
        return _tag(f"{prefix}latest{suffix}")

    def schedule(self, rule: TagRule) -> _Made:
        if self._ci.event != "schedule":
            raise _Drop(f"the run was not started by a schedule but by {self._ci.event or 'something else'}")
        dates: Mapping[str, Meaning] = {"date": self._date, "commit_date": self._commit_date}
        return _Made(expressions.expand(rule.get("pattern"), dates))

    def semver(self, rule: TagRule) -> _Made:
        from gocdnext_sdk.inputs.tagging.versions import parse_semver

        version = self._version(rule, parse_semver, "is not a semantic version")
        pattern = rule.get("pattern")
        if not version.is_release and not expressions.is_only(pattern, "raw"):
            pattern = "{{version}}"
        return _Made(_of_version(pattern, version), version.is_release)

    def pep440(self, rule: TagRule) -> _Made:
        from gocdnext_sdk.inputs.tagging.versions import parse_pep440

        version = self._version(rule, parse_pep440, "is not a version by PEP 440")
        pattern = rule.get("pattern")
        if version.is_release:
            return _Made(_of_version(pattern, version), is_latest=True)
        return _Made(version.parts["raw" if expressions.is_only(pattern, "raw") else "version"])

    def match(self, rule: TagRule) -> _Made:
        text = self._value(rule)
        found = JsPattern.parse(rule.get("pattern")).match(text)
        if found is None:
            raise _Drop(f"the pattern does not match {text}")
        group = int(rule.get("group"))
        part = found[group] if group < len(found) else None
        if part is None:
            raise _Drop(f"the pattern has no group {group} in {text}")
        return _Made(part, is_latest=True)

    def edge(self, rule: TagRule) -> _Made:
        branch = self._branch()
        wanted = rule.get("branch") or self._default_branch()
        if branch != wanted:
            raise _Drop(f"the branch is {branch}, not {wanted}")
        return _Made("edge")

    def ref(self, rule: TagRule) -> _Made:
        if rule.get("event") == "branch":
            return _Made(self._branch())
        if rule.get("event") == "tag":
            return _Made(self._tag_name(), is_latest=True)
        if not self._ref.startswith(_PULL):
            raise _Drop("the run is not for a pull request with a number")
        return _Made(self._after(_PULL).removesuffix("/merge"))

    def raw(self, rule: TagRule) -> _Made:
        return _Made(self._expand(rule.get("value")))

    def sha(self, rule: TagRule) -> _Made:
        if not self._ci.commit:
            raise _Drop("the commit is not known")
        return _Made(self._ci.commit if rule.get("format") == "long" else self._ci.commit[:SHORT])

    def _version(self, rule: TagRule, parse: Callable[[str], Version | None], not_one: str) -> Version:
        text = self._value(rule)
        if rule.get("match"):
            found = JsPattern.plain(rule.get("match")).match(text)
            text = (found[1] or "") if found else text
        text = text.replace("/", "-")
        version = parse(text)
        if version is None:
            raise _Drop(f"{text} {not_one}")
        return version

    def _value(self, rule: TagRule) -> str:
        return self._expand(rule.get("value")) if rule.get("value") else self._tag_name()

    def _dressed(self, text: str, rule: TagRule) -> str:
        prefix = rule.attributes.get("prefix", self._flavor.prefix)
        suffix = rule.attributes.get("suffix", self._flavor.suffix)
        return f"{self._expand(prefix)}{text}{self._expand(suffix)}"

    def _expand(self, text: str) -> str:
        return expressions.expand(text, self._globals) if "{{" in text else text

    def _after(self, prefix: str) -> str:
        return self._ref.removeprefix(prefix) if self._ref.startswith(prefix) else ""

    def _branch(self) -> str:
        if not self._ref.startswith(_HEADS):
            raise _Drop("the run is not for a branch")
        return self._after(_HEADS)

    def _tag_name(self) -> str:
        if not self._ref.startswith(_TAGS):
            raise _Drop("the run is not for a tag")
        return self._after(_TAGS)

    def _commit(self) -> str:
        if not self._ci.commit:
            raise Invalid("the commit is not known here")
        return self._ci.commit

    def _default_branch(self) -> str:
        if not self._ci.default_branch:
            raise Invalid(
                "the default branch is not known here",
                "set the variable CI_DEFAULT_BRANCH, or write branch=…",
            )
        return self._ci.default_branch

    def _is_default_branch(self) -> bool:
        if self._ci.event == "schedule" and not (self._ref and self._ci.default_branch):
            return True  # what a schedule is for, unless the run says otherwise
        return self._ref.startswith(_HEADS) and self._after(_HEADS) == self._default_branch()

    def _date(self, expression: Expression) -> str:
        return _formatted(self._ci.now, expression)

    def _commit_date(self, expression: Expression) -> str:
        if self._ci.committed is None:
            raise Invalid("the date of the commit is not known here", "use {{date …}}, the date of the run")
        return _formatted(self._ci.committed, expression)


_MAKERS: Final[Mapping[str, Callable[[_Run, TagRule], _Made]]] = {
    "schedule": _Run.schedule,
    "semver": _Run.semver,
    "pep440": _Run.pep440,
    "match": _Run.match,
    "edge": _Run.edge,
    "ref": _Run.ref,
    "raw": _Run.raw,
    "sha": _Run.sha,
}


def _formatted(moment: datetime, expression: Expression) -> str:
    from gocdnext_sdk.inputs.tagging.dates import format_date, in_zone

    return format_date(in_zone(moment, expression.zone), expression.argument)


def _of_version(pattern: str, version: Version) -> str:
    def part(name: str) -> Meaning:
        return lambda _: version.parts[name]

    return expressions.expand(pattern, {name: part(name) for name in version.parts})


def _tag(text: str) -> str:
    tag = _OUTSIDE.sub("-", text)
    if not is_tag(tag):
        raise Invalid(
            f'makes "{tag[:140]}", which is not a tag',
            'it starts with a letter, a digit or "_", and has at most 128 characters',
        )
    return tag
