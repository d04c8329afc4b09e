"""Which job may start when: stages, needs, matrices, limits, and what a failure stops."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gocdnext_sdk.host.harness.schedule import Schedule
from gocdnext_sdk.host.pipeline import Graph, parse_text
from gocdnext_sdk.host.pipeline.graph import JobInstance

HEAD = "stages: [build, test, ship]\njobs:\n"
CELLS = "parallel: {matrix: [{OS: [alpine, debian]}]}"


def graph(*jobs: str) -> Graph:
    """Lay out jobs that are written ``NAME STAGE [NEED]... [MATRIX]``."""
    text = HEAD
    for each in jobs:
        name, stage, *rest = each.split(maxsplit=2)
        needs, matrix, cells = (rest[0] if rest else "").partition("parallel")
        text += f"  {name}: {{stage: {stage}, uses: one/{name}@v1, needs: [{', '.join(needs.split())}]"
        text += f", {matrix}{cells}}}\n" if matrix else "}\n"
    return Graph.of(parse_text(text))


def names(jobs: list[JobInstance]) -> list[str]:
    return [each.name for each in jobs]


def dropped(schedule: Schedule) -> dict[str, str]:
    return {job.name: reason for job, reason in schedule.drop()}


def test_a_stage_starts_when_the_one_before_has_passed() -> None:
    schedule = Schedule(graph("b1 build", "b2 build", "t test", "s ship"))
    first, second = schedule.start()
    assert (first.name, second.name) == ("b1", "b2")
    schedule.finish(first, passed=True)
    assert schedule.start() == []
    schedule.finish(second, passed=True)
    (third,) = schedule.start()
    assert third.name == "t"
    schedule.finish(third, passed=True)
    assert names(schedule.start()) == ["s"]
    assert schedule.drop() == []


def test_a_job_waits_for_those_of_its_stage_that_it_needs() -> None:
    schedule = Schedule(graph("a build", "b build a", "c build a b"))
    (a,) = schedule.start()
    schedule.finish(a, passed=True)
    (b,) = schedule.start()
    assert b.name == "b"
    schedule.finish(b, passed=True)
    assert names(schedule.start()) == ["c"]


def test_a_job_waits_for_every_cell_of_a_matrix_that_it_needs() -> None:
    schedule = Schedule(graph(f"m build {CELLS}", "b build m"))
    first, second = schedule.start()
    schedule.finish(first, passed=True)
    assert schedule.start() == []
    assert schedule.drop() == []
    schedule.finish(second, passed=True)
    assert names(schedule.start()) == ["b"]


def test_one_failed_cell_drops_what_needs_the_matrix() -> None:
    schedule = Schedule(graph(f"m build {CELLS}", "b build m"))
    first, second = schedule.start()
    schedule.finish(first, passed=False)
    assert dropped(schedule) == {"b": "needs m, which did not pass"}
    schedule.finish(second, passed=True)
    assert schedule.start() == []


def test_a_limit_holds_and_a_free_place_is_taken() -> None:
    schedule = Schedule(graph("a build", "b build", "c build"), limit=2)
    a, b = schedule.start()
    assert schedule.start() == []
    schedule.finish(b, passed=True)
    assert names(schedule.start()) == ["c"]
    schedule.finish(a, passed=True)
    assert schedule.running


def test_a_failure_stops_what_needs_it_and_later_stages_but_not_its_siblings() -> None:
    schedule = Schedule(graph("a build", "b build", "c build a", "d build c", "t test", "s ship"), limit=1)
    (a,) = schedule.start()
    schedule.finish(a, passed=False)
    assert dropped(schedule) == {
        "c": "needs a, which did not pass",
        "d": "needs c, which did not pass",
        "t": "stage build failed",
        "s": "stage build failed",
    }
    assert schedule.drop() == []
    (b,) = schedule.start()
    assert b.name == "b"
    schedule.finish(b, passed=True)
    assert schedule.start() == []
    assert not schedule.running


def test_a_job_of_an_earlier_run_counts_as_passed() -> None:
    """`--reuse` leaves out what is needed; it is not in the graph."""
    text = HEAD + "  a: {stage: build, uses: one/a@v1}\n  b: {stage: build, uses: one/b@v1, needs: [a]}\n"
    schedule = Schedule(Graph.alone(parse_text(text), ["b"]))
    assert names(schedule.start()) == ["b"]


PIPELINE = graph(
    "a build", f"m build {CELLS}", "b build a", "c build m b", "t test", "u test t", "v test", "s ship"
)


@given(st.data(), st.integers(0, 3))
def test_whatever_passes_and_in_whatever_order_every_job_starts_or_is_dropped_once(
    data: st.DataObject, limit: int
) -> None:
    schedule = Schedule(PIPELINE, limit)
    running: list[JobInstance] = []
    started: list[str] = []
    stopped: list[str] = []
    passed: set[str] = set()
    while True:
        for job in schedule.start():
            assert {each.name for each in PIPELINE.jobs if each.job.name in job.job.needs} <= passed
            running.append(job)
            started.append(job.name)
        stopped += dropped(schedule)
        assert schedule.running == bool(running)
        assert not limit or len(running) <= limit
        assert len({each.job.stage for each in running}) <= 1
        if not running:
            break
        ended = running.pop(data.draw(st.integers(0, len(running) - 1)))
        good = data.draw(st.booleans())
        schedule.finish(ended, passed=good)
        passed |= {ended.name} if good else set()
    assert sorted([*started, *stopped]) == sorted(each.name for each in PIPELINE.jobs)
