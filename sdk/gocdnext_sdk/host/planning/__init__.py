"""What a job would do, without doing it.

A plugin's `run` is called with a `PlanningJob`, which starts no tool, contacts no registry and needs no
daemon. A value that only a run can know is shown by name: `<digest of ghcr.io/org/app:v1>`.
"""

from gocdnext_sdk.host.planning.model import Login, RunPlan, Step
from gocdnext_sdk.host.planning.placeholders import Placeholders
from gocdnext_sdk.host.planning.plan_run import plan_run

__all__ = ["Login", "Placeholders", "RunPlan", "Step", "plan_run"]
