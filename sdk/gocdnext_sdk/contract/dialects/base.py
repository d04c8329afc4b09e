"""What differs from one CI system to the next, and how it is where no system is known.

A dialect turns what a system hands to a container into what gocdnext would have handed to it: `PLUGIN_*`
variables, `CI_*` variables, a working directory. The other way round it says where outputs go and what the
system reads in a log. All of it are pure functions of the environment.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from gocdnext_sdk.contract.dialects.values import reshape
from gocdnext_sdk.contract.errors import ContractError
from gocdnext_sdk.contract.keys import PREFIX, SHORT_SHA

OUTPUTS_FILE = "outputs-file"
"""The input by which a job names a file of the workspace for outputs, on every system but gocdnext."""

Topic = Literal["daemon", "identity", "credential", "checkout"]
"""What a job may lack: a Docker daemon, an identity token, a secret value, the files of the repository."""

_ADVICE: tuple[tuple[re.Pattern[str], Topic], ...] = (
    (re.compile(r"(?:add|write|does the job say) `docker: true`(?: (?:to|on) the job)?\??"), "daemon"),
    (re.compile(r"add `id_tokens: [^`]*` to the job"), "identity"),
    (re.compile(r"[Gg]ive it through the job's `secrets:`"), "credential"),
    (re.compile(r"does the pipeline have a checkout, with files\?"), "checkout"),
)
"""What the SDK and plugins advise on gocdnext."""

_INPUT = re.compile(r"\bwith\.([a-z][a-z0-9-]*)")


@dataclass(frozen=True)
class OutputTarget:
    """Where a system takes a job's outputs from.

    Args:
        path: of a file or a directory.
        form: a file that `KEY=value` lines are appended to, such a file whose reader takes quotes off and
            expands `$`, one that they are all of, or a directory with a file for each output.
        limit: bytes of all values together; None: no limit of the system's own.
    """

    path: str
    form: Literal["appended", "dotenv", "file", "directory"] = "appended"
    limit: int | None = None


@dataclass(frozen=True)
class TokenRequest:
    """How an identity token is fetched that no variable holds.

    Args:
        url: to GET; its JSON answer has the token as `value`.
        bearer: the variable that holds the credential for it.
    """

    url: str
    bearer: str


class Dialect:
    """One system's rules. This base is a container that nobody but a person started."""

    name: ClassVar[str] = "plain"
    """The word for it, as in `as_="plain"`."""

    title: ClassVar[str] = "docker run"
    """For people."""

    marks: ClassVar[Mapping[str, str]] = {}
    """The variables by which it can be told in a job, as it sets them."""

    prefixes: ClassVar[tuple[str, ...]] = (PREFIX,)
    """What the variables begin with that carry inputs. An empty one that is not `PLUGIN_` gives none."""

    ignored: ClassVar[frozenset[str]] = frozenset()
    """Variables with such a prefix that are the system's own, unless the plugin has such an input."""

    taken: ClassVar[frozenset[str]] = frozenset()
    """Names of inputs that mean something else to the system."""

    joins_lists: ClassVar[bool] = False
    """Whether a YAML list arrives as one text, joined by commas."""

    written: ClassVar[str] = "with.{key} ({variable})"
    """How a job writes an input, from its `key`, its `variable`, and the `name` of that without prefix."""

    advice: ClassVar[Mapping[Topic, str]] = {
        "daemon": "mount /var/run/docker.sock, or set DOCKER_HOST",
        "identity": "set the variable SIGSTORE_ID_TOKEN",
        "credential": "pass it as a variable",
        "checkout": 'mount the checkout and name it as working directory: -v "$PWD:/src" -w /src',
    }
    """How a job gets what it lacks."""

    @classmethod
    def is_here(cls, environ: Mapping[str, str]) -> bool:
        """Whether `environ` is one of this system's."""
        return True

    def inputs(self, environ: Mapping[str, str], keys: Collection[str]) -> dict[str, str]:
        """Return the inputs in `environ`, as the `PLUGIN_*` variables that gocdnext would have set.

        Args:
            environ: the container's.
            keys: the `with:` keys that the plugin has.

        Raises:
            ContractError: one input is given twice, with different values.
        """
        known = {PREFIX + canonical(key) for key in keys}
        found: dict[str, str] = {}
        for name in sorted(environ):
            prefix = next((each for each in self.prefixes if name.startswith(each)), None)
            if prefix is None:
                continue
            variable = PREFIX + canonical(name.removeprefix(prefix))
            if variable in known or not (name in self.ignored or (prefix != PREFIX and not environ[name])):
                add(found, variable, environ[name], name)
        return found

    def reshape(self, text: str, form: str) -> str:
        """Return a value as the input's own reader takes it: a list or a map as lines.

        Args:
            text: as the system hands it over.
            form: the input's format (`gocdnext_sdk.contract.dialects.values`).

        Raises:
            ContractError: how many values there are cannot be known.
        """
        return reshape(text, form, joined=self.joins_lists)

    def workspace(self, environ: Mapping[str, str]) -> str | None:
        """Return where the checkout is, if that need not be the working directory."""
        return None

    def outputs(self, environ: Mapping[str, str]) -> tuple[OutputTarget, ...]:
        """Return where outputs go."""
        return ()

    def summary(self, environ: Mapping[str, str]) -> str | None:
        """Return the file that takes a summary in Markdown."""
        return None

    def event_file(self, environ: Mapping[str, str]) -> str | None:
        """Return the file with the event that started the run, as JSON."""
        return None

    def metadata(self, environ: Mapping[str, str], event: Mapping[str, Any] | None = None) -> dict[str, str]:
        """Return the `CI_*` variables that gocdnext would have set.

        Args:
            environ: the container's.
            event: what `event_file` holds; None: nothing.
        """
        found = self.translated(environ, event or {})
        if sha := found.get("CI_COMMIT_SHA") or environ.get("CI_COMMIT_SHA"):
            found["CI_COMMIT_SHORT_SHA"] = sha[:SHORT_SHA]
        return found

    def translated(self, environ: Mapping[str, str], event: Mapping[str, Any]) -> dict[str, str]:
        """Return those of them that this system names otherwise."""
        return {}

    def token_request(self, environ: Mapping[str, str], audience: str) -> TokenRequest | None:
        """Return how to fetch an identity token, where it is fetched."""
        return None

    def annotation(self, level: Literal["error", "warning"], text: str) -> str:
        """Return the line that makes a message stand out; empty: there is no such thing."""
        return ""

    def group(self, title: str, number: int, now: int) -> tuple[str, str] | None:
        """Return the lines that begin and end a part of the log which can be folded; None: there are none.

        Args:
            title: of the part.
            number: of the part, in this log.
            now: seconds since 1970.
        """
        return None

    def naming(self, key: str) -> str:
        """Return how a job writes the input `key`."""
        name = canonical(key)
        return self.written.format(key=key, name=name, variable=PREFIX + name)

    def in_its_words(self, line: str) -> str:
        """Return a message, which is in the words of gocdnext, as this system's users know things.

        Plugins write `docker: true` and `with.image`, and need not know where they run.
        """
        for pattern, topic in _ADVICE:
            line = pattern.sub(self.advice[topic].replace("\\", r"\\"), line)
        return _INPUT.sub(lambda match: self.naming(match[1]), line)

    def hand_over(self, inputs: Mapping[str, str]) -> dict[str, str]:
        """Return the variables by which this system would hand `inputs` over.

        Args:
            inputs: `with:` key to text.
        """
        return {PREFIX + canonical(key): text for key, text in inputs.items()}


def add(found: dict[str, str], variable: str, text: str, name: str) -> None:
    """Add the value of `variable` that the variable `name` gives; an empty one gives none.

    Raises:
        ContractError: there is another value already.
    """
    if found.get(variable) and text and found[variable] != text:
        raise ContractError(f"{name}: another variable gives this input another value; keep one")
    found[variable] = text or found.get(variable, "")


def canonical(name: str) -> str:
    """Return a name in upper case, `_` for all but letters and digits: `db-password` is `DB_PASSWORD`."""
    return re.sub(r"[^A-Z0-9]", "_", name.upper())


def cause(word: str | None, found: Mapping[str, str]) -> dict[str, str]:
    """Return CI_CAUSE: a push of a tag is `tag`, a schedule or a person may start a run for one too.

    Args:
        word: what started the run, None if gocdnext has no word for it.
        found: the other variables.
    """
    if "CI_TAG_NAME" in found and word in (None, "webhook"):
        word = "tag"
    return {"CI_CAUSE": word} if word else {}


def renamed(environ: Mapping[str, str], names: Mapping[str, str]) -> dict[str, str]:
    """Return the values of variables under other names: `names` has ours and theirs."""
    return {ours: environ[theirs] for ours, theirs in names.items() if environ.get(theirs)}
