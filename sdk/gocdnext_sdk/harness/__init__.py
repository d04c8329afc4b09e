"""Run a pipeline on a local engine as the platform would.

with Session(DockerEngine()) as session:
    report = run_pipeline(Path(".gocdnext/release.yaml"), RunOptions(secrets=secrets), session=session)
assert report.passed
"""

from gocdnext_sdk.harness.engine import Pull
from gocdnext_sdk.harness.registry import Registry
from gocdnext_sdk.harness.results import JobReport, Listener, LogLine, RunReport, Status
from gocdnext_sdk.harness.runner import RunOptions, run_pipeline
from gocdnext_sdk.harness.session import Session, Stop

__all__ = [
    "JobReport",
    "Listener",
    "LogLine",
    "Pull",
    "Registry",
    "RunOptions",
    "RunReport",
    "Session",
    "Status",
    "Stop",
    "run_pipeline",
]
