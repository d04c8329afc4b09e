"""`gocdnext-plugin report`: what earlier runs did, in any form."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from gocdnext_sdk.errors import UsageError
from gocdnext_sdk.host.harness import user_folders
from gocdnext_sdk.host.harness.report import record

if TYPE_CHECKING:
    from gocdnext_sdk.host.harness.report.interface import RunReport

_PATH = click.Path(path_type=Path)

FORMS: Final = ("log_dir", "junit", "markdown", "json", "html")
"""The parameters of `report_options`."""


def report_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that write a report; `write_forms` takes them."""
    for option in (
        click.option(
            "--log-dir", "log_dir", type=_PATH, metavar="DIRECTORY", help="Write a log for each job."
        ),
        click.option("--junit", type=_PATH, metavar="FILE", help="Write JUnit's XML: a case for each job."),
        click.option("--markdown", type=_PATH, metavar="FILE", help="Write Markdown, for a pull request."),
        click.option(
            "--json", type=_PATH, metavar="FILE", help="Write JSON; `report --schema` describes it."
        ),
        click.option(
            "--html", type=_PATH, metavar="FILE", help="Write one HTML file that needs nothing else."
        ),
    ):
        command = option(command)
    return command


def check_forms(forms: Mapping[str, Path | None]) -> None:
    """Look, before a run, whether its report can be written afterwards.

    Args:
        forms: as of `write_forms`.

    Raises:
        UsageError: a file cannot be written.
    """
    for name, file in forms.items():
        if file is None or name == "log_dir":
            continue
        if file.is_dir():
            raise UsageError(f"{file}: cannot be written: it is a directory")
        if not file.parent.is_dir():
            raise UsageError(f"{file}: cannot be written: there is no directory {file.parent}")


def write_forms(report: RunReport, forms: Mapping[str, Path | None]) -> None:
    """Write a run in the forms that were asked for.

    Args:
        report: the run.
        forms: the option's name to where it goes.

    Raises:
        UsageError: a file cannot be written.
    """
    from gocdnext_sdk.host.harness.report import html, json, junit, markdown

    renderers = {"html": html.render, "json": json.render, "junit": junit.render, "markdown": markdown.render}
    for name, render in renderers.items():
        if file := forms.get(name):
            json.write_text(file, render(report))
    if folder := forms.get("log_dir"):
        record.write_logs(report, folder)


@contextmanager
def recorded(*, keep: bool) -> Iterator[record.Recorder]:
    """Record what a run does; without `keep`, only as long as it lasts."""
    if keep:
        with closing(record.Recorder(user_folders.runs())) as recorder:
            yield recorder
        return
    from tempfile import TemporaryDirectory

    with TemporaryDirectory(prefix="gocdnext-") as folder, closing(record.Recorder(Path(folder))) as recorder:
        yield recorder


@click.command("report", short_help="Show an earlier run, or write it as HTML, JSON, JUnit or Markdown.")
@click.argument("run", required=False, default="")
@report_options
@click.option("--list", "list_", is_flag=True, help="List the runs that are kept.")
@click.option("--schema", is_flag=True, help="Print the JSON Schema of --json, and exit.")
def command(*, run: str, list_: bool, schema: bool, **forms: Path | None) -> None:
    """Show RUN, by its id or the beginning of it. [default: the latest]

    Every run is kept with its logs as they were shown, secrets masked; the last 50 are.
    """
    from gocdnext_sdk.host.harness.report import json
    from gocdnext_sdk.host.harness.report.console import ConsoleListener, open_console

    if schema:
        click.echo(json.SCHEMA.read_text(encoding="utf-8"), nl=False)
        return
    if list_:
        for each in record.kept(user_folders.runs()):
            found = record.load(user_folders.runs(), each)
            click.echo(f"{each}  {found.verdict:7}  {found.seconds:7.1f} s  {found.pipeline}")
        return
    report = record.load(user_folders.runs(), run)
    if not any(forms.values()):
        with closing(ConsoleListener(open_console())) as console:
            console.run_finished(report)
    write_forms(report, forms)
