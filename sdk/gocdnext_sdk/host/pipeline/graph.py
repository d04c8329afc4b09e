"""From a pipeline to what runs, in which order."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from typing import Self

from gocdnext_sdk.contract import refs
from gocdnext_sdk.host.pipeline.errors import Diagnostic, PipelineError, suggest
from gocdnext_sdk.host.pipeline.model import Job, Pipeline


@dataclass(frozen=True, slots=True)
class JobInstance:
    """A job, or one cell of a matrix job."""

    job: Job
    cell: Mapping[str, str] | None = None
    """Dimension to value; none for a job without a matrix."""

    @property
    def name(self) -> str:
        """The job's name, for a cell with its values: `test [GO=1.25 OS=alpine]`."""
        if self.cell is None:
            return self.job.name
        values = " ".join(f"{name}={self.cell[name]}" for name in sorted(self.cell))
        return f"{self.job.name} [{values}]"

    @property
    def cell_key(self) -> str:
        """`GO=1.25,OS=alpine`, also the value of `GOCDNEXT_MATRIX`; empty without a matrix."""
        return refs.cell_key(self.cell) if self.cell is not None else ""

    def collect(self, so_far: refs.JobOutputs | None, values: Mapping[str, str]) -> refs.JobOutputs:
        """Return what the job offers to others once this run of it, or of one cell of its matrix, is done.

        Args:
            so_far: what the matrix' earlier cells left.
            values: alias to value.
        """
        if self.cell is None:
            return refs.JobOutputs(values=values)
        cells = {**((so_far.cells if so_far else None) or {}), self.cell_key: values}
        return refs.JobOutputs(cells=cells, dimensions=tuple(sorted(self.cell)))


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage: its jobs run side by side, once those they need are done."""

    name: str
    jobs: tuple[JobInstance, ...]
    """Ordered so that a job comes after those it needs."""


@dataclass(frozen=True, slots=True)
class Graph:
    """What a run of a pipeline consists of. Stages run one after the other."""

    pipeline: Pipeline
    stages: tuple[Stage, ...]
    """Without stages that have no job to run."""

    @property
    def jobs(self) -> tuple[JobInstance, ...]:
        """All jobs of all stages, in order."""
        return tuple(job for stage in self.stages for job in stage.jobs)

    @classmethod
    def of(cls, pipeline: Pipeline, only: Sequence[str] = ()) -> Self:
        """Lay out a pipeline's run.

        Args:
            pipeline: a checked pipeline.
            only: names of jobs, or of single cells as `JobInstance.name` gives them. They run
                together with all they need, directly or not: an output of a needed job exists only
                once that job has run. Jobs of earlier stages that nobody needs do not run. Empty is
                the whole pipeline.

        Raises:
            PipelineError: no job has such a name.
        """
        cells = {job.name: _cells(job) for job in _ordered(pipeline.jobs)}
        if only:
            cells = _selected(pipeline, cells, only)
        stages = (
            Stage(
                stage,
                tuple(c for instance in cells.values() for c in instance if c.job.stage == stage),
            )
            for stage in dict.fromkeys(pipeline.stages)
        )
        return cls(pipeline, tuple(stage for stage in stages if stage.jobs))

    @classmethod
    def alone(cls, pipeline: Pipeline, only: Sequence[str]) -> Self:
        """Lay out a run of these jobs without what they need, which others have left.

        Raises:
            PipelineError: no job has such a name.
        """
        whole = cls.of(pipeline, only)
        stages = (
            Stage(stage.name, tuple(c for c in stage.jobs if {c.job.name, c.name} & set(only)))
            for stage in whole.stages
        )
        return cls(pipeline, tuple(stage for stage in stages if stage.jobs))

    @property
    def missing(self) -> tuple[str, ...]:
        """The jobs that others need, and that do not run."""
        own = {each.job.name for each in self.jobs}
        wanted = (
            name for each in self.jobs for name in _wanted(each.job, {j.name for j in self.pipeline.jobs})
        )
        return tuple(dict.fromkeys(name for name in wanted if name not in own))


def _ordered(jobs: Iterable[Job]) -> list[Job]:
    by_name = {job.name: job for job in jobs}
    sorter = TopologicalSorter({job.name: job.needs for job in by_name.values()})
    return [by_name[name] for name in sorter.static_order()]


def _cells(job: Job) -> list[JobInstance]:
    if not job.matrix:
        return [JobInstance(job)]
    names = sorted(job.matrix)
    rows = itertools.product(*(job.matrix[name] for name in names))
    return [JobInstance(job, dict(zip(names, row, strict=True))) for row in rows]


def _selected(
    pipeline: Pipeline, cells: Mapping[str, list[JobInstance]], only: Sequence[str]
) -> dict[str, list[JobInstance]]:
    chosen: dict[str, list[JobInstance]] = {}
    needed: list[str] = []
    for name in only:
        matches = [c for instance in cells.values() for c in instance if name in {c.job.name, c.name}]
        if not matches:
            what = f"there is no job `{name}`"
            raise PipelineError(Diagnostic(pipeline.mark, what, suggest(name, cells, "jobs")))
        for match in matches:
            found = chosen.setdefault(match.job.name, [])
            if match not in found:
                found.append(match)
            needed.extend(_wanted(match.job, cells))
    while needed:
        name = needed.pop()
        if chosen.get(name) != cells[name]:
            chosen[name] = cells[name]
            needed.extend(_wanted(pipeline.job(name), cells))
    return {name: chosen[name] for name in cells if name in chosen}


def _wanted(job: Job, known: Collection[str]) -> Iterator[str]:
    """Yield the jobs whose outputs or files a job takes."""
    yield from job.needs
    for needed in job.needs_artifacts:
        if not needed.from_pipeline and needed.from_job in known:
            yield needed.from_job
