"""A pipeline file as the platform reads it: `parse_file` → `Graph` → `resolve`.

```python
pipeline = parse_file(Path(".gocdnext/release.yaml"))
for instance in Graph.of(pipeline).jobs:
    job = resolve(pipeline, instance, Sources(secrets=secrets, run=run))
```
"""

from gocdnext_sdk.host.pipeline.builtins import PullRequest, Revision, Run, Tag, Upstream
from gocdnext_sdk.host.pipeline.errors import Diagnostic, Mark, PipelineError
from gocdnext_sdk.host.pipeline.graph import Graph, JobInstance, Stage
from gocdnext_sdk.host.pipeline.model import Approval, Job, Pipeline, Plugin, Script, Service, Value
from gocdnext_sdk.host.pipeline.parse import parse_file, parse_text
from gocdnext_sdk.host.pipeline.resolve import ResolvedJob, Sources, resolve

__all__ = [
    "Approval",
    "Diagnostic",
    "Graph",
    "Job",
    "JobInstance",
    "Mark",
    "Pipeline",
    "PipelineError",
    "Plugin",
    "PullRequest",
    "ResolvedJob",
    "Revision",
    "Run",
    "Script",
    "Service",
    "Sources",
    "Stage",
    "Tag",
    "Upstream",
    "Value",
    "parse_file",
    "parse_text",
    "resolve",
]
