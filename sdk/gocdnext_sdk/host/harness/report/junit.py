"""A run as JUnit's XML, in the form that CI systems read: a suite of a pipeline, a case of each job.

Source: the schema that Jenkins' xUnit plugin documents (github.com/jenkinsci/xunit-plugin, junit-10.xsd).
"""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

from gocdnext_sdk.host.harness.report.interface import JobReport, RunReport, Status
from gocdnext_sdk.host.harness.report.text import details, plain, tail

_ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 cannot hold, escaped or not."""

_KEPT = 1000
"""Lines of a job's log."""


def render(report: RunReport) -> str:
    """Return the run as XML."""
    kinds = [_KIND.get(job.status, "") for job in report.jobs]
    counts = {f"{kind}s" if kind != "skipped" else kind: str(kinds.count(kind)) for kind in _KINDS}
    numbers = {"tests": str(len(report.jobs)), "time": f"{report.seconds:.3f}", **counts}
    root = ET.Element("testsuites", {"name": _text(report.pipeline), **numbers})
    suite = ET.SubElement(root, "testsuite", {"name": _text(report.pipeline), **numbers})
    if report.began:
        suite.set("timestamp", report.began)
    for job in report.jobs:
        _case(suite, job)
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


_KINDS = ("failure", "error", "skipped")
_KIND = {
    Status.FAILED: "failure",
    Status.ERROR: "error",
    Status.CANCELED: "skipped",
}


def _case(suite: ET.Element, job: JobReport) -> None:
    names = {"name": _text(job.name), "classname": _text(f"{suite.get('name')}.{job.stage}")}
    case = ET.SubElement(suite, "testcase", {**names, "time": f"{job.seconds:.3f}"})
    if kind := _KIND.get(job.status):
        ET.SubElement(case, kind, {"message": _text(details(job))})
    if job.log:
        ET.SubElement(case, "system-out").text = _text("\n".join(tail(job.log, _KEPT)))


def _text(text: str) -> str:
    lines = (plain(line) for line in text.split("\n"))
    return _ILLEGAL.sub("\N{REPLACEMENT CHARACTER}", "\n".join(lines))
