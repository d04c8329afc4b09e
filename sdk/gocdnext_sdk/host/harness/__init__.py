"""Run a pipeline on a local engine as the platform would.

```python
with Session(DockerEngine()) as session:
    report = run_pipeline(Path(".gocdnext/release.yaml"), RunOptions(secrets=secrets), session=session)
assert report.passed
```
"""

from gocdnext_sdk.host.harness.engine.interface import Pull
from gocdnext_sdk.host.harness.local_registry import LocalRegistry
from gocdnext_sdk.host.harness.options import NewRegistry, NewSigstore, RunOptions
from gocdnext_sdk.host.harness.report.interface import (
    JobReport,
    Listener,
    LogLine,
    NullListener,
    RunReport,
    Status,
)
from gocdnext_sdk.host.harness.runner import run_pipeline
from gocdnext_sdk.host.harness.session import Session, Stop

__all__ = [
    "JobReport",
    "Listener",
    "LocalRegistry",
    "LogLine",
    "NewRegistry",
    "NewSigstore",
    "NullListener",
    "Pull",
    "RunOptions",
    "RunReport",
    "Session",
    "Status",
    "Stop",
    "run_pipeline",
]
