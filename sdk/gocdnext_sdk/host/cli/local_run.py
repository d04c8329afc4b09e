"""What `gocdnext-plugin run` does with its options: one pipeline on this machine, once or again and again."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from gocdnext_sdk.errors import UsageError
from gocdnext_sdk.host.cli.interrupt import interruptible
from gocdnext_sdk.host.cli.options import run_of
from gocdnext_sdk.host.cli.project import Project
from gocdnext_sdk.host.cli.project import pipeline as find_pipeline
from gocdnext_sdk.host.cli.publishing import ask_to_publish
from gocdnext_sdk.host.cli.reports import check_forms, recorded, write_forms
from gocdnext_sdk.host.cli.secrets import collect
from gocdnext_sdk.host.cli.sigstore import STATE, running
from gocdnext_sdk.host.harness import user_folders
from gocdnext_sdk.host.harness.engine.interface import Pull
from gocdnext_sdk.host.harness.engine.local import local_engine
from gocdnext_sdk.host.harness.given import REGISTRY_SECRETS
from gocdnext_sdk.host.harness.image_manifests import manifests_here
from gocdnext_sdk.host.harness.local_registry import LocalRegistry
from gocdnext_sdk.host.harness.options import MANY_FILES, NewRegistry, NewSigstore, Preferred, RunOptions
from gocdnext_sdk.host.harness.prepare import Prepared, prepare
from gocdnext_sdk.host.harness.report.interface import Tee
from gocdnext_sdk.host.harness.runner import run_prepared
from gocdnext_sdk.host.harness.session import Session, Stop
from gocdnext_sdk.host.harness.stand_in import login_secrets
from gocdnext_sdk.host.pipeline import Graph, parse_file, revision
from gocdnext_sdk.host.pipeline.model import Approval, Pipeline
from gocdnext_sdk.host.pipeline.modes import MODES, ModeName

if TYPE_CHECKING:
    from gocdnext_sdk.host.harness.local_sigstore import LocalSigstore
    from gocdnext_sdk.host.harness.report.console import ConsoleListener
    from gocdnext_sdk.host.harness.report.interface import RunReport

Registry: TypeAlias = "LocalRegistry | NewRegistry | None"
Sigstore: TypeAlias = "LocalSigstore | NewSigstore | None"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The options of the command, named as there, and typed as click passes them."""

    target: str | None
    jobs: tuple[str, ...]
    secrets_file: Path | None
    secrets: tuple[str, ...]
    variables: Mapping[str, str]
    local: Mapping[str, str]
    use_images: Mapping[str, str]
    build_contexts: tuple[str, ...]
    mode: ModeName
    registry: bool
    registry_for: tuple[str, ...]
    registry_port: int | None
    publish: bool
    sigstore: bool
    sigstore_at: Path | None
    id_tokens: tuple[str, ...]
    project: str | None
    network: str | None
    event: str
    branch: str | None
    tag: str | None
    pr: int | None
    workspace: Path | None
    default_image: str
    pull: str
    parallel: int
    notify: bool
    ask: bool
    no_cache: bool
    no_layers: bool
    reuse: bool
    show_outputs: bool
    no_record: bool
    verbose: bool
    no_color: bool


class LocalRun:
    """A pipeline that runs when it is told to, each time from what its file and the checkout then say.

    Args:
        asked: the options.
        forms: a report's form to the file that it goes to, for those that are wanted.

    Raises:
        UsageError: the options do not fit one another, there is no such pipeline, or no place for a report.
    """

    def __init__(self, asked: Asked, forms: Mapping[str, Path | None]) -> None:
        if asked.ask and not (sys.stdin.isatty() and sys.stdout.isatty()):
            raise UsageError("--ask needs a terminal")
        check_forms(forms)
        self._asked = asked
        self._forms = forms
        self._settings = Project.find()
        self._file = find_pipeline(asked.target)
        self.workspace = (asked.workspace or revision.workspace_of(self._file)).resolve()
        self._secrets_file = asked.secrets_file or self._settings.secrets_file
        self._registry, self._sigstore = _provided(asked)
        self._told: dict[str, str] = {}
        """Secrets that were found or typed, which are not asked for again."""

    def once(self) -> RunReport:
        """Run it now, show it, and write its report.

        Raises:
            Error: as of `prepare` and `run_prepared`; or it would publish, and that is not wanted.
        """
        from gocdnext_sdk.host.harness.report.console import ConsoleListener, open_console

        asked = self._asked
        prepared = self._prepared()
        console = open_console("never" if asked.no_color else "auto")
        with (
            interruptible() as stop,
            closing(ConsoleListener(console, "everything" if asked.verbose else "steps")) as shown,
            recorded(keep=not asked.no_record) as recorder,
            Session(local_engine(), stop) as session,
        ):
            if asked.ask:
                gates = partial(_approve, shown, stop)
                prepared = replace(prepared, options=replace(prepared.options, approve=gates))
            report = run_prepared(prepared, session=session, listener=Tee(shown, recorder))
        write_forms(recorder.report or report, self._forms)
        return report

    def _prepared(self) -> Prepared:
        pipeline = parse_file(self._file)
        self._ask_for_secrets(pipeline)
        prepared = prepare(pipeline, self._options(), self.workspace)
        ask_to_publish(prepared.publications, self.workspace, said=self._asked.publish)
        return prepared

    def _ask_for_secrets(self, pipeline: Pipeline) -> None:
        """Find the secrets of the jobs that run, but for those that the registry gives."""
        asked = self._asked
        lay_out = Graph.alone if asked.reuse and asked.jobs else Graph.of
        selected = [each.job for each in lay_out(pipeline, asked.jobs).jobs]
        wanted = {name for job in selected for name in job.secrets} - self._told.keys()
        if self._registry:
            wanted.difference_update(REGISTRY_SECRETS)
        if asked.registry_for:
            wanted.difference_update(name for job in selected for name, _ in login_secrets(job))
        self._told |= collect(file=self._secrets_file, names=asked.secrets, wanted=sorted(wanted))

    def _options(self) -> RunOptions:
        asked, settings = self._asked, self._settings
        state = asked.sigstore_at and asked.sigstore_at / STATE
        return RunOptions(
            jobs=asked.jobs,
            secrets=self._told,
            variables={**settings.variables, **asked.variables},
            preferred=Preferred(images=settings.images, local=settings.local),
            local={name: _directory(path) for name, path in asked.local.items()},
            use_images=asked.use_images,
            build_contexts=asked.build_contexts,
            mode=MODES[asked.mode],
            registry=self._registry,
            registry_for=asked.registry_for,
            sigstore=self._sigstore,
            id_tokens=collect(file=None, names=asked.id_tokens, wanted=(), option="--id-token"),
            network=asked.network,
            run=run_of(self.workspace, asked.event, asked.branch, asked.tag, asked.pr, asked.project or ""),
            pull=Pull(asked.pull),
            parallel=asked.parallel,
            default_image=asked.default_image,
            profiles=settings.profiles,
            notify=asked.notify,
            brought_back=user_folders.brought_back(),
            caches=None if asked.no_cache else user_folders.caches(),
            layered_from=None if asked.no_layers else MANY_FILES,
            handover=user_folders.handover(),
            manifests=manifests_here,
            reuse=asked.reuse,
            show_outputs=asked.show_outputs,
            private=tuple(filter(None, (self._secrets_file, state))),
        )


def _provided(asked: Asked) -> tuple[Registry, Sigstore]:
    """Return the registry and the Sigstore of the run: new ones, or those that already run.

    Raises:
        UsageError: both are asked for, or nothing runs there.
    """
    new = asked.registry or asked.registry_port or (asked.registry_for and not asked.sigstore_at)
    registry = NewRegistry(asked.registry_port or 0) if new else None
    sigstore = NewSigstore() if asked.sigstore else None
    if asked.sigstore_at is None:
        return registry, sigstore
    if registry or sigstore or asked.network:
        raise UsageError("--sigstore-at brings its own registry and network; leave the other options out")
    return running(asked.sigstore_at)


def _approve(console: ConsoleListener, stop: Stop, name: str, gate: Approval) -> bool:
    needed = f" ({gate.required} people there)" if gate.required > 1 else ""
    what = f": {gate.description}" if gate.description else ""
    return console.ask(f"approve `{name}`{needed}{what}?", stop.requested)


def _directory(text: str) -> Path:
    path = Path(text)
    if not path.is_dir():
        raise UsageError(f"--local: {text} is not a directory")
    return path
