"""References in values: three passes, in this order.

1. *needs*: `${{ needs.JOB.outputs.ALIAS }}`, an output of a job this one needs;
2. *strict*: `${{ NAME }}`, an unknown name is an error;
3. *soft*: `${NAME}`, an unknown name stays as it is (`with:` only).

Each is one sweep over the text: what a reference stands for is not looked at again in the same
pass. The soft pass runs on the *result* of the strict one, so a secret that contains
`${CI_BRANCH}` is rewritten, and there is no way to escape a reference.

Source: upstream `server/pkg/refs` and `server/internal/scheduler/refs.go`. Error messages name
references, never a value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from gocdnext_sdk.contract.errors import ContractError, UnknownReference

# RE2's \s is these five and no more.
_S = r"[\t\n\f\r ]*"
_REFERENCE = re.compile(rf"\$\{{\{{{_S}([^}}]+?){_S}\}}\}}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SOFT = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_ANY = re.compile(rf"{_REFERENCE.pattern}|{_SOFT.pattern}")
_NEEDS = re.compile(
    r"needs\.(?P<job>[A-Za-z0-9_-]+)"
    r"(?:\.matrix\[(?P<cell>[^\]]+)\])?"
    r"\.outputs\.(?P<alias>[a-z][a-zA-Z0-9_-]*)"
)


@dataclass(frozen=True, slots=True)
class JobOutputs:
    """What a finished job offers to those that need it."""

    values: Mapping[str, str] = field(default_factory=dict)
    """Alias to value, of a job without a matrix."""
    cells: Mapping[str, Mapping[str, str]] | None = None
    """Of a matrix job: cell key (see `cell_key`) to alias to value."""
    dimensions: tuple[str, ...] = ()
    """The matrix' dimensions."""


@dataclass(frozen=True, slots=True)
class NeededOutput:
    """An output of another job, as `${{ needs.… }}` names it."""

    job: str
    alias: str
    cell: str | None = None
    """Which cell of a matrix job, as written."""


def references(value: str) -> list[str]:
    """Return the bodies of all `${{ … }}` in a value, in order."""
    return _REFERENCE.findall(value)


def soft_references(value: str) -> list[str]:
    """Return the names in all `${NAME}` of a value, in order."""
    return _SOFT.findall(value)


def split(value: str) -> Iterator[tuple[str, bool]]:
    """Return the pieces of a value in order, each with whether it is a reference, strict or soft."""
    end = 0
    for match in _ANY.finditer(value):
        yield value[end : match.start()], False
        yield match[0], True
        end = match.end()
    yield value[end:], False


def replace_strict(value: str, text: Callable[[str], str]) -> str:
    """Return the value with `text(body)` in the place of each `${{ body }}`, whatever its body is."""
    return _REFERENCE.sub(lambda match: text(match[1]), value)


def is_name(body: str) -> bool:
    """Tell whether the body of a `${{ … }}` is a plain name, which the strict pass takes."""
    return _NAME.fullmatch(body) is not None


def needed_outputs(value: str) -> list[NeededOutput]:
    """Return the outputs of other jobs that a value refers to, in order."""
    matches = (_NEEDS.fullmatch(body) for body in references(value))
    return [NeededOutput(match["job"], match["alias"], match["cell"]) for match in matches if match]


def cell_key(cell: Mapping[str, str]) -> str:
    """Return one matrix cell's key: `K=V,K2=V2`, sorted by dimension; also `GOCDNEXT_MATRIX`."""
    return ",".join(f"{name}={cell[name]}" for name in sorted(cell))


def resolve_needs(value: str, needs: Mapping[str, JobOutputs]) -> str:
    """Apply the needs pass.

    Args:
        value: the text.
        needs: what each job in this one's `needs:` gave, by job name.

    Raises:
        ContractError: the job is not needed, gave no such output, or a matrix cell is named
            where there is none, or the other way round.
    """

    def replace(match: re.Match[str]) -> str:
        found = _NEEDS.fullmatch(match[1])
        return _output(match[1], found, needs) if found else match[0]

    return _REFERENCE.sub(replace, value)


def resolve_strict(value: str, *sources: Mapping[str, str]) -> str:
    """Apply the strict pass; the first source that has a name wins.

    Raises:
        UnknownReference: an unknown name.
        ContractError: anything but a name between the braces.
    """
    odd: set[str] = set()
    unknown: set[str] = set()

    def replace(match: re.Match[str]) -> str:
        name = match[1]
        if not _NAME.fullmatch(name):
            odd.add(name)
            return match[0]
        for source in sources:
            if name in source:
                return source[name]
        unknown.add(name)
        return match[0]

    result = _REFERENCE.sub(replace, value)
    if odd:
        raise ContractError(
            f"unsupported reference {_listed(odd)}; only a plain name stands between the braces, "
            "as in ${{ TOKEN }}, or needs.JOB.outputs.ALIAS"
        )
    if unknown:
        raise UnknownReference(
            f"unknown reference {_listed(unknown)}; list it in the job's secrets: or define it in variables:",
            unknown,
        )
    return result


def resolve_soft(value: str, *sources: Mapping[str, str]) -> str:
    """Apply the soft pass; the first source that has a name wins, an unknown name stays as written."""

    def replace(match: re.Match[str]) -> str:
        return next((source[match[1]] for source in sources if match[1] in source), match[0])

    return _SOFT.sub(replace, value)


def _output(body: str, match: re.Match[str], needs: Mapping[str, JobOutputs]) -> str:
    shown = f"${{{{ {body} }}}}"
    job, selector, alias = match["job"], match["cell"], match["alias"]
    if job not in needs:
        raise ContractError(f"{shown}: {job} is not in this job's needs:, or did not run")
    outputs = needs[job]
    values = outputs.values
    if outputs.cells is None:
        if selector is not None:
            raise ContractError(f"{shown}: {job} has no matrix; write needs.{job}.outputs.{alias}")
    elif selector is None:
        raise ContractError(
            f"{shown}: {job} is a matrix; name one cell, needs.{job}.matrix[K=V].outputs.{alias}"
        )
    else:
        try:
            key = _canonical(selector, outputs.dimensions)
        except ContractError as error:
            raise ContractError(f"{shown}: {error}") from None
        if key not in outputs.cells:
            cells = " | ".join(sorted(outputs.cells))
            raise ContractError(f"{shown}: no cell {key}; the cells are {cells}")
        values = outputs.cells[key]
    if alias not in values:
        raise ContractError(
            f"{shown}: {job} ran, but has no output {alias}; declare it in that job's outputs:"
        )
    return values[alias]


def _canonical(selector: str, dimensions: tuple[str, ...]) -> str:
    selector = selector.strip()
    if "=" not in selector:
        if not selector or len(dimensions) != 1:
            raise ContractError(f"a matrix over {', '.join(dimensions)} needs the form matrix[K=V,K2=V2]")
        return f"{dimensions[0]}={selector}"
    cell: dict[str, str] = {}
    for part in selector.split(","):
        name, _, value = part.strip().partition("=")
        if not name or not value:
            raise ContractError(f"{part.strip()!r} is not K=V")
        if name in cell:
            raise ContractError(f"the matrix selector names {name} twice")
        if dimensions and name not in dimensions:
            raise ContractError(f"no matrix dimension {name}; the dimensions are {', '.join(dimensions)}")
        cell[name] = value
    return cell_key(cell)


def _listed(names: set[str]) -> str:
    return ", ".join(f"${{{{ {name} }}}}" for name in sorted(names))
