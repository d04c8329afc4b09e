"""The page of a run in a real browser: nothing that a job prints becomes part of the page."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from gocdnext_sdk.host.harness import JobReport, LogLine, RunReport, Status
from gocdnext_sdk.host.harness.report import html

_OWN = "document.title='owned'"
ATTACK = f'</pre></details></article><script>{_OWN}</script><img src=x onerror="{_OWN}">'


def test_a_browser_runs_and_loads_nothing(tmp_path: Path) -> None:
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("there is no Chromium here; tests/unit/host/harness/test_reports.py parses the page")
    job = JobReport(name=ATTACK, stage="a", status=Status.FAILED, log=(LogLine("stdout", ATTACK),))
    # The same words as markup: the page's policy must stop them too.
    page = html.render(RunReport("release", (job,), 1.0)).replace("</body>", f"{ATTACK}</body>")
    file = tmp_path / "report.html"
    file.write_text(page)
    command = [
        browser,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        f"--user-data-dir={tmp_path / 'profile'}",
    ]
    done = subprocess.run(
        [*command, "--dump-dom", file.as_uri()], capture_output=True, text=True, check=True, timeout=120
    )
    assert "<title>release: failed</title>" in done.stdout
    assert done.stdout.count("&lt;script&gt;") >= 2
