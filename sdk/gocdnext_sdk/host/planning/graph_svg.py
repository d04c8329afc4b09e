"""The order of a pipeline's jobs as an SVG: a column for each stage, a curve to each job from its needs."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from gocdnext_sdk.host.pipeline.graph import Graph

_CHARACTER, _LINE, _PAD, _GAP = 7.3, 34, 12, 56
"""Pixels: a character of 12-pixel monospace, a job with the room below it, inside a box, between stages."""
_TOP = 44
_STYLE = (
    "text{font:12px ui-monospace,Menlo,Consolas,monospace;fill:#1f2328}"
    ".stage{font-weight:600}.box{fill:#f6f8fa;stroke:#d1d9e0}.job{fill:#fff;stroke:#59636e}"
    ".need{fill:none;stroke:#0969da}.then{fill:none;stroke:#59636e;stroke-dasharray:3 3}"
    "@media(prefers-color-scheme:dark){text{fill:#f0f6fc}.box{fill:#151b23;stroke:#3d444d}"
    ".job{fill:#0d1117;stroke:#9198a1}.need{stroke:#4493f8}.then{stroke:#9198a1}}"
)


def as_svg(graph: Graph) -> str:
    """Return an SVG document."""
    return "\n".join(_svg(graph))


def _svg(graph: Graph) -> Iterator[str]:
    boxes: dict[str, tuple[float, float, float]] = {}  # left, right and middle of each job
    columns: list[tuple[str, float, float]] = []
    left, rows = 8.0, 0
    for stage in graph.stages:
        longest = max(len(stage.name), *(len(job.name) for job in stage.jobs))
        width = longest * _CHARACTER + 4 * _PAD
        columns.append((stage.name, left, width))
        for row, job in enumerate(stage.jobs):
            boxes[job.name] = (left + _PAD, left + width - _PAD, _TOP + row * _LINE + _LINE / 2)
        left += width + _GAP
        rows = max(rows, len(stage.jobs))
    width, height = max(left - _GAP + 8, 16), _TOP + rows * _LINE + _PAD
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" role="img" aria-label="{escape(graph.pipeline.name)}">'
    )
    yield f"<style>{_STYLE}</style>"
    yield (
        '<defs><marker id="end" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" '
        'orient="auto"><path d="M0 0L8 4L0 8z" fill="#59636e"/></marker></defs>'
    )
    for at, (name, start, wide) in enumerate(columns):
        box = f'x="{start:.1f}" y="8" width="{wide:.1f}" height="{height - 16:.1f}"'
        yield f'<rect class="box" {box} rx="8"/>'
        yield f'<text class="stage" x="{start + _PAD:.1f}" y="29">{escape(name)}</text>'
        if at:
            yield _curve("then", start - _GAP, 25, start, 25)
    yield from _needs(graph, boxes)
    for name, (near, far, middle) in boxes.items():
        box = f'x="{near:.1f}" y="{middle - 13:.1f}" width="{far - near:.1f}" height="26"'
        yield f'<rect class="job" {box} rx="5"/>'
        yield f'<text x="{near + _PAD:.1f}" y="{middle + 4:.1f}">{escape(name)}</text>'
    yield "</svg>"


def _needs(graph: Graph, boxes: dict[str, tuple[float, float, float]]) -> Iterator[str]:
    cells: dict[str, list[str]] = {}
    for job in graph.jobs:
        cells.setdefault(job.job.name, []).append(job.name)
    for job in graph.jobs:
        left, right, middle = boxes[job.name]
        for other in (name for need in job.job.needs for name in cells.get(need, ())):
            near, far, height = boxes[other]
            if near == left:  # in the same stage: around the right side
                yield _around(far, height, right, middle)
            else:
                yield _curve("need", far, height, left, middle)


def _curve(kind: str, x: float, y: float, to_x: float, to_y: float) -> str:
    bend = (to_x - x) / 2
    path = f"M{x:.1f} {y:.1f}C{x + bend:.1f} {y:.1f} {to_x - bend:.1f} {to_y:.1f} {to_x:.1f} {to_y:.1f}"
    return f'<path class="{kind}" d="{path}" marker-end="url(#end)"/>'


def _around(x: float, y: float, to_x: float, to_y: float) -> str:
    out = max(x, to_x) + _GAP / 3
    path = f"M{x:.1f} {y:.1f}C{out:.1f} {y:.1f} {out:.1f} {to_y:.1f} {to_x:.1f} {to_y:.1f}"
    return f'<path class="need" d="{path}" marker-end="url(#end)"/>'
