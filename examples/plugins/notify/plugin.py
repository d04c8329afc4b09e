"""The notify plugin: tell a webhook, of Slack, Mattermost, Discord or Teams, how a run went."""

from __future__ import annotations

from typing import Literal

from gocdnext_sdk import DaemonUse, Input, Job, Plugin, PluginInputs, Secret

FIELDS = {"slack": "text", "mattermost": "text", "teams": "text", "discord": "content"}
"""What each service calls the message."""


class NotifyInputs(PluginInputs):
    """The `with:` map."""

    webhook: Secret = Input(description="The webhook's URL, which is a secret: whoever has it can write.")
    service: Literal["slack", "mattermost", "teams", "discord"] = Input(
        "slack", description="Whose webhook it is."
    )
    message: str = Input("", description="The text; by default the job, the commit and the run's page.")


class Notify(Plugin[NotifyInputs]):
    """Tell a webhook how a run went."""

    name = "gocdnext-plugin-notify"
    category = "notifications"
    inputs = NotifyInputs
    daemon = DaemonUse("never")

    def run(self, inputs: NotifyInputs, job: Job) -> dict[str, str]:
        """Send one message."""
        ci = job.ci
        place = " ".join(filter(None, (ci.tag or ci.branch, ci.short_commit, ci.run_url)))
        message = inputs.message or f"{ci.job or 'A job'} has run: {place}"
        job.http("POST", inputs.webhook, json={FIELDS[inputs.service]: message})
        job.say(f"told {inputs.service}")
        return {}


if __name__ == "__main__":
    Notify.main()
