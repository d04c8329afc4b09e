"""Which job may start when.

Stages run one after the other. Within a stage, a job waits for those that it needs. When one fails, the
others of its stage go on, and later stages do not start.
"""

from __future__ import annotations

from gocdnext_sdk.host.pipeline.graph import Graph, JobInstance


class Schedule:
    """The state of a run's jobs.

    Args:
        graph: what to run.
        limit: how many jobs may run at the same time, 0 for no limit.
    """

    def __init__(self, graph: Graph, limit: int = 0) -> None:
        self._stages = [list(stage.jobs) for stage in graph.stages]
        self._limit = limit or len(graph.jobs)
        self._running: list[JobInstance] = []
        self._unfinished = {job.name for job in graph.jobs}
        self._passed: set[str] = set()
        self._of_job: dict[str, list[str]] = {}
        for job in graph.jobs:
            self._of_job.setdefault(job.job.name, []).append(job.name)
        self._failed_stage = ""

    @property
    def running(self) -> bool:
        """Whether any job runs."""
        return bool(self._running)

    def start(self) -> list[JobInstance]:
        """Return the jobs that start now, and count them as running."""
        self._advance()
        if not self._stages:
            return []
        waiting = self._stages[0]
        free = self._limit - len(self._running)
        ready = [job for job in waiting if all(map(self._has_passed, job.job.needs))][:free]
        for job in ready:
            waiting.remove(job)
        self._running += ready
        return ready

    def finish(self, job: JobInstance, passed: bool) -> None:
        """Record how a running job ended."""
        self._running.remove(job)
        self._unfinished.discard(job.name)
        if passed:
            self._passed.add(job.name)
        else:
            self._failed_stage = self._failed_stage or job.job.stage

    def drop(self) -> list[tuple[JobInstance, str]]:
        """Return the jobs that can no longer start, each with the reason. Each is returned once."""
        dropped: list[tuple[JobInstance, str]] = []
        for stage in self._stages:
            for job in list(stage):
                if reason := self._obstacle(job):
                    stage.remove(job)
                    self._unfinished.discard(job.name)
                    dropped.append((job, reason))
        return dropped

    def _advance(self) -> None:
        while self._stages and not self._stages[0] and not self._running and not self._failed_stage:
            self._stages.pop(0)

    def _obstacle(self, job: JobInstance) -> str:
        for need in job.job.needs:
            if any(
                cell not in self._unfinished and cell not in self._passed
                for cell in self._of_job.get(need, ())
            ):
                return f"needs {need}, which did not pass"
        if self._failed_stage not in {"", job.job.stage}:
            return f"stage {self._failed_stage} failed"
        return ""

    def _has_passed(self, name: str) -> bool:
        return all(cell in self._passed for cell in self._of_job.get(name, ()))
