"""A pipeline file to the model, as strictly as the server, with every mistake at once.

Source: upstream `server/pkg/parser/parse.go`, `parse_helpers.go`, `parse_validate.go`.
"""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Final, Literal, cast

from gocdnext_sdk.host.pipeline import syntax
from gocdnext_sdk.host.pipeline.decode import Decoder, Fields
from gocdnext_sdk.host.pipeline.errors import Diagnostic, Mark, PipelineError, suggest
from gocdnext_sdk.host.pipeline.extends import flatten, is_template
from gocdnext_sdk.host.pipeline.job import read_job, read_plugin
from gocdnext_sdk.host.pipeline.model import (
    NOTIFICATION_STAGE,
    Job,
    Material,
    Notification,
    Pipeline,
    Trigger,
    Value,
)
from gocdnext_sdk.host.pipeline.schema import FILE
from gocdnext_sdk.host.pipeline.services import read_services
from gocdnext_sdk.host.pipeline.yaml import MappingNode, compose

_EVENTS: Final = ("push", "pull_request", "tag", "manual", "cron", "upstream")
_GIT_EVENTS: Final = _EVENTS[:3]
_NOTIFY: Final = ("failure", "success", "always", "canceled")
_MIN_POLL: Final = 60.0
_MAX_POLL: Final = 24 * 3600.0


def parse_file(path: Path) -> Pipeline:
    """Read a pipeline file. Its name is the pipeline's, if `name:` gives no other.

    Raises:
        PipelineError: the file cannot be read, or says something the platform would refuse.
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        what = error.strerror if isinstance(error, OSError) else "not UTF-8"
        mark = Mark(str(path), 1, 1)
        raise PipelineError(Diagnostic(mark, f"cannot read the file: {what}")) from None
    return parse_text(text, str(path))


def parse_text(text: str, file: str = "pipeline.yaml") -> Pipeline:
    """Read a pipeline from text.

    Args:
        text: the YAML text.
        file: the name that messages carry.

    Raises:
        PipelineError: it says something the platform would refuse; holds every mistake.
    """
    decoder = Decoder()
    node = compose(text, file)
    fields = decoder.fields(node, FILE, "the pipeline")
    # With a scalar or a list for a file, nothing below would add to what is wrong.
    if isinstance(node, MappingNode):
        pipeline = _Reader(decoder, fields, Path(file).stem).pipeline()
        if not decoder.problems:
            return pipeline
    raise PipelineError(dict.fromkeys(decoder.problems))


class _Reader:
    def __init__(self, decoder: Decoder, fields: Fields, stem: str) -> None:
        self._decoder = decoder
        self._fields = fields
        self._stem = stem
        self._variables: dict[str, Value] = fields.get("variables", {})

    def pipeline(self) -> Pipeline:
        fields = self._fields
        for key in ("include", "template"):
            if key in fields.values:
                self._decoder.notice(fields.at(key), f"the platform ignores `{key}:`", "remove it")
        stages = self._stages()
        jobs = self._jobs(stages)
        return Pipeline(
            name=self._name(),
            mark=fields.mark,
            stages=stages,
            jobs=jobs,
            variables=self._variables,
            services=tuple(read_services(self._decoder, fields.get("services", []))),
            notifications=self._notifications(),
            materials=tuple(map(self._material, fields.get("materials", cast("list[Fields]", [])))),
            trigger=self._trigger(),
            concurrency=self._choice("concurrency", ("parallel", "serial")),  # type: ignore[arg-type]
            supersede=self._choice("supersede", ("off", "branch", "pipeline")),  # type: ignore[arg-type]
            notices=tuple(self._decoder.notices),
        )

    def _name(self) -> str:
        name = self._fields.text("name") or self._stem
        if ":" in name:
            self._decoder.error(
                self._fields.at("name"), f"the pipeline's name `{name}` contains a `:`", "rename it"
            )
        return name

    def _choice(self, key: str, choices: tuple[str, ...]) -> str:
        chosen = self._fields.text(key).strip().lower() or choices[0]
        if chosen not in choices:
            self._decoder.error(
                self._fields.at(key), f"`{key}` is `{chosen}`", f"use one of {', '.join(choices)}"
            )
        return chosen

    def _stages(self) -> tuple[str, ...]:
        stages: list[Value] = self._fields.get("stages", [])
        for stage in stages:
            if stage.text == NOTIFICATION_STAGE:
                self._decoder.error(
                    stage.mark, f"the stage name {stage.text} is reserved by the platform", "rename it"
                )
        return tuple(stage.text for stage in stages)

    def _jobs(self, stages: tuple[str, ...]) -> tuple[Job, ...]:
        declared: dict[str, Fields] = self._fields.get("jobs", {})
        flat = flatten(declared, self._decoder)
        jobs = tuple(read_job(self._decoder, n, f, self._variables) for n, f in flat.items())
        known = {job.name: job for job in jobs}
        for job in jobs:
            if job.stage not in stages:
                what = f"stage `{job.stage}` is not in stages:" if job.stage else "`stage:` is missing"
                self._decoder.error(
                    job.at("stage"), f"job `{job.name}`: {what}", suggest(job.stage, stages, "stages")
                )
            needs: list[Value] = flat[job.name].get("needs", [])
            for needed in needs:
                if needed.text in declared.keys() - known and not is_template(needed.text):
                    continue  # broken itself, and reported for that
                if wrong := _wrong_need(job, needed.text, known, stages):
                    self._decoder.error(needed.mark, f"job `{job.name}` {wrong[0]}", wrong[1])
        self._refuse_cycles(jobs)
        return jobs

    def _refuse_cycles(self, jobs: tuple[Job, ...]) -> None:
        known = {job.name: job for job in jobs}
        graph = {job.name: [n for n in job.needs if n in known and n != job.name] for job in jobs}
        try:
            TopologicalSorter(graph).prepare()
        except CycleError as error:
            cycle: list[str] = error.args[1]
            self._decoder.error(
                known[cycle[0]].at("needs"),
                f"dependency cycle: {' -> '.join(reversed(cycle))}",
                "break the cycle",
            )

    def _notifications(self) -> tuple[Notification, ...] | None:
        if "notifications" not in self._fields.values:
            return None
        found: list[Notification] = []
        entries: list[Fields] = self._fields.values["notifications"]
        for entry in entries:
            on = entry.text("on").strip().lower()
            if on not in _NOTIFY:
                self._decoder.error(
                    entry.at("on"),
                    f"a notification's `on` is `{on}`",
                    f"use one of {', '.join(_NOTIFY)}",
                )
            if not entry.text("uses").strip():
                self._decoder.error(entry.mark, "a notification needs `uses:`")
                continue
            plugin = read_plugin(self._decoder, entry.values["uses"], entry.get("with", {}), "notification")
            found.append(
                Notification(
                    cast("Literal['failure', 'success', 'always', 'canceled']", on),
                    plugin,
                    entry.texts("secrets"),
                    entry.mark,
                )
            )
        return tuple(found)

    def _trigger(self) -> Trigger:
        when: Fields = self._fields.get("when", Fields(self._fields.mark))
        trigger = Trigger(when.texts("event"), when.texts("branch"), when.texts("paths"))
        self._check_events(trigger.events, _EVENTS, "when.event", when.at("event"))
        if when.texts("status"):
            self._decoder.error(when.at("status"), "when.status is not enforced", "remove it")
        for path in trigger.paths:
            if wrong := syntax.relative_path(path) or syntax.glob(path):
                self._decoder.error(when.at("paths"), f"when.paths: {path!r} {wrong}")
        return trigger

    def _check_events(self, events: tuple[str, ...], known: tuple[str, ...], where: str, mark: Mark) -> None:
        for event in events:
            if event not in known:
                self._decoder.error(
                    mark, f"{where}: unknown event `{event}`", f"use one of {', '.join(known)}"
                )

    def _material(self, entry: Fields) -> Material:
        for kind in ("git", "upstream", "cron"):
            if kind in entry.values:
                settings: Fields = entry.values[kind]
                if kind == "git":
                    self._check_git(settings)
                flat = {k: v.text for k, v in settings.values.items() if isinstance(v, Value)}
                return Material(kind, flat, entry.mark)
        if not entry.get("manual", default=False):
            self._decoder.error(entry.mark, "a material sets none of git, upstream, cron, manual", "set one")
        return Material("manual", {}, entry.mark)

    def _check_git(self, git: Fields) -> None:
        self._check_events(git.texts("on"), _GIT_EVENTS, "on", git.at("on"))
        interval = git.text("poll_interval").strip()
        if not interval:
            return
        seconds = syntax.seconds(interval)
        if seconds is None or not _MIN_POLL <= seconds <= _MAX_POLL:
            self._decoder.error(
                git.at("poll_interval"),
                f"poll_interval {interval!r} is not a duration between 1m and 24h",
                "write it like 5m or 1h30m",
            )


def _wrong_need(
    job: Job, name: str, known: dict[str, Job], stages: tuple[str, ...]
) -> tuple[str, str] | None:
    if name == job.name:
        return "needs itself", "remove it from needs:"
    if name not in known:
        return f"needs `{name}`, which is no job here", suggest(name, known, "jobs")
    needed = known[name].stage
    order = {stage: position for position, stage in enumerate(stages)}
    if needed in order and job.stage in order and order[needed] > order[job.stage]:
        return (
            f"needs `{name}` of the later stage `{needed}`",
            f"stage `{job.stage}` would wait for ever; move one of the two",
        )
    return None
