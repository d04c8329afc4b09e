"""The inputs that say what is written, and where."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from gocdnext_sdk import Boolean, Input, PluginInputs, Problem, WorkspacePath, quoted
from gocdnext_sdk.workspace import is_directory, is_file, is_in_workspace

from .formats import TEMPLATES, Format, Reports, Wanted


class ReportInputs(PluginInputs):
    """`format`, `template`, `output`, `reports` and `attach`."""

    format: Format = Input(
        "table",
        description="Format of the report. `html`, `junit`, `gitlab`, `gitlab-codequality` and `asff` are "
        "templates that come with Trivy.",
    )
    template: str | None = Input(
        None,
        description='Template of the format `template`: "@path/to/file.tpl", its text, or one of Trivy\'s '
        'own, by the name it has there: "@contrib/html.tpl".',
    )
    output: WorkspacePath | None = Input(
        None,
        description="Path of the report in the workspace; the log then shows the table. If empty, the report "
        "goes to the log.",
    )
    reports: Reports = Input(
        "",
        description="Reports of the one scan, one `FORMAT=PATH` a line, e.g. `sarif=reports/trivy.sarif`, "
        "with the formats of `format`. With `{platform}` in the path there is a file for each platform.",
    )

    attach: Boolean = Input(
        "false",
        description="Attach the reports to the image in its registry, as OCI referrers: each to the image "
        "that it is about. The login must be allowed to push.",
    )

    @property
    def wanted(self) -> tuple[Wanted, ...]:
        """Every report that goes into a file."""
        first = (Wanted(self.format, self.output),) if self.output else ()
        return (*first, *self.reports)

    @property
    def in_log(self) -> Wanted:
        """What the log shows: the report, where no file is to have it."""
        return Wanted("table" if self.wanted else self.format, "")

    def check_reports(self, workspace: Path) -> Iterator[Problem]:
        """Check that each report can be made, and has a file of its own."""
        formats = {self.format, *(each.format for each in self.reports)}
        if "template" in formats and not self.template:
            yield Problem("template", "is required", "a report has the format `template`")
        if self.template and "template" not in formats:
            yield Problem(
                "template", "has no effect without a report of that format", "write format: template"
            )
        if self.template and self.template.startswith("@") and not _is_template(self.template[1:], workspace):
            what = f"there is no template {quoted(self.template[1:])}"
            yield Problem("template", what, "give the path of a .tpl file")
        if self.reports and self.format != "table" and not self.output:
            what = f"{self.format} has no file, and the log shows the table beside `reports`"
            yield Problem("format", what, f"write `{self.format}=PATH` as a line of `reports`")
        for key, each in (("output", self.output), *(("reports", each.path) for each in self.reports)):
            if each and is_directory(workspace / each):
                yield Problem(key, f"{quoted(each)} is a directory", "give the path of a file")
        if self.output and self.wanted[0].place in (each.place for each in self.reports):
            yield Problem("reports", f"{quoted(self.output)} is the path of `output` too", "name it once")


def _is_template(path: str, workspace: Path) -> bool:
    """Whether there is a template of that name: in the checkout or, by its name there, one of Trivy's own."""
    if path in (contrib(each) for each in TEMPLATES):
        return True
    return path.endswith(".tpl") and is_file(workspace / path) and is_in_workspace(path, workspace)


def contrib(name: str) -> str:
    """Return the path of one of Trivy's own templates in its repository and its image."""
    return f"contrib/{name}.tpl"
