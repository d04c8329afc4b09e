"""The order of a pipeline's jobs as a picture: text for a terminal, Mermaid for a page."""

from __future__ import annotations

from collections.abc import Iterator

from gocdnext_sdk.host.pipeline.graph import Graph


def as_text(graph: Graph) -> str:
    """Return the stages in their order, each job with those that it waits for."""
    return "\n".join(_text(graph))


def as_mermaid(graph: Graph) -> str:
    """Return a flowchart in Mermaid's language (mermaid.js.org/syntax/flowchart)."""
    return "\n".join(_mermaid(graph))


def _text(graph: Graph) -> Iterator[str]:
    for number, stage in enumerate(graph.stages):
        if number:
            yield "  ↓"
        yield stage.name
        for job in stage.jobs:
            needs = f" ← {', '.join(job.job.needs)}" if job.job.needs else ""
            yield f"  {job.name}{needs}"


def _mermaid(graph: Graph) -> Iterator[str]:
    ids = {job.name: f"j{number}" for number, job in enumerate(graph.jobs)}
    cells: dict[str, list[str]] = {}
    for job in graph.jobs:
        cells.setdefault(job.job.name, []).append(ids[job.name])
    yield "flowchart LR"
    for number, stage in enumerate(graph.stages):
        yield f'  subgraph s{number}["{_quoted(stage.name)}"]'
        yield from (f'    {ids[job.name]}["{_quoted(job.name)}"]' for job in stage.jobs)
        yield "  end"
    for number in range(1, len(graph.stages)):
        yield f"  s{number - 1} --> s{number}"
    for job in graph.jobs:
        for need in job.job.needs:
            yield from (f"  {other} -.-> {ids[job.name]}" for other in cells.get(need, ()))


def _quoted(text: str) -> str:
    """Return a text that ends no label and is no markup."""
    return "".join(each if each.isalnum() or each in " ._-/=," else f"#{ord(each)};" for each in text)
