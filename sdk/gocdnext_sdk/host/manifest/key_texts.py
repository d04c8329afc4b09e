"""What the keys of a pipeline are for, in the words that an editor shows when one is hovered over.

docs/pipeline.md says what each does on the platform and in a local run.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

FILE: Final[Mapping[str, str]] = {
    "version": "Any text; nothing looks at it.",
    "name": "The pipeline's name. That of the file, if not given.",
    "when": "Which changes of the repository start the pipeline.",
    "stages": "The stages, in their order. Each needs a job.",
    "variables": "Variables of all jobs: NAME to text. `${{ NAME }}` of a secret or a CI_… variable works.",
    "services": "Containers beside the jobs; their names are host names there.",
    "jobs": "The jobs, by name. One whose name begins with a dot is a template for `extends`.",
    "notifications": "Plugins that run after the pipeline.",
    "materials": "What else starts the pipeline: other repositories, pipelines, a clock, a hand.",
    "concurrency": "`parallel` or `serial`: whether two runs may go on at the same time.",
    "supersede": "`off`, `branch` or `pipeline`: whether a new run cancels an older one.",
    "include": "Ignored by the platform.",
    "template": "Ignored by the platform.",
}

JOB: Final[Mapping[str, str]] = {
    "stage": "One of `stages:`. Required.",
    "uses": "The image of a plugin: `ghcr.io/org/plugin@v1`, or with a digest.",
    "with": "The plugin's inputs: texts. `${{ NAME }}` and `${{ needs.JOB.outputs.ALIAS }}` are resolved.",
    "image": "What `script` runs in, or with `settings` the plugin.",
    "script": "Shell lines; the first that fails ends the job. Variables and secrets are `$NAME`.",
    "settings": "The older form of `with`, beside `image`.",
    "needs": "Jobs of this stage or an earlier one that must have passed; their outputs can be referred to.",
    "variables": "Variables of this job, over those of the pipeline.",
    "secrets": "Names of the secrets that this job may see. It sees no others.",
    "docker": "`true`: the job gets the Docker daemon of its host.",
    "outputs": "What the job hands on: alias to the KEY that it writes to $GOCDNEXT_OUTPUT_FILE.",
    "extends": "A job, or a template, whose keys this one inherits.",
    "parallel": "Runs the job several times, with other variables.",
    "artifacts": "Files that are kept after the job.",
    "needs_artifacts": "Files of other jobs, unpacked before this one starts.",
    "cache": "Directories that are kept between runs, to save time.",
    "test_reports": "Globs of JUnit reports.",
    "coverage_report": "A coverage file that is read after the job.",
    "id_tokens": "Identity tokens: variable to audience.",
    "approval": "A gate: nothing runs until people have approved.",
    "timeout": "How long an approval waits. Of other jobs it is ignored.",
    "retry": "Ignored by the platform.",
    "tags": "Tags that the runner must have.",
    "agent": "Which runners may take the job.",
    "resources": "CPU and memory, in Kubernetes' notation.",
    "cluster": "The cluster whose credentials the job gets.",
    "environment": "The environment that the job belongs to.",
    "deploy": "Marks the job as a deployment.",
    "rules": "Refused by the platform, unless empty.",
    "when": "Refused by the platform: write it at the pipeline.",
}

NOTIFICATION: Final[Mapping[str, str]] = {
    "on": "`failure`, `success`, `always` or `canceled`.",
    "uses": JOB["uses"],
    "with": "The plugin's inputs, all texts.",
    "secrets": "Names of the secrets that it may see.",
}

OUTPUT: Final[Mapping[str, str]] = {
    "env": "The KEY that the job writes to $GOCDNEXT_OUTPUT_FILE.",
    "masked": "`true`: hidden in the logs of jobs that need this one, however short.",
}

INNER: Final[Mapping[str, Mapping[str, str]]] = {
    "when": {
        "event": "push, tag, pull_request …",
        "branch": "Branches; `*` stands for any text.",
        "paths": "Globs; one of the changed files must fit.",
        "status": "Refused by the platform.",
    },
    "a service": {
        "name": "Its host name; made from the image, if not given.",
        "image": "What runs.",
        "env": "Its variables, as written: nothing is substituted.",
        "command": "Arguments for the image's entrypoint.",
        "node_selector": "Kubernetes: labels of the node.",
        "tolerations": "Kubernetes: taints that it tolerates.",
    },
    "a toleration": {
        "key": "The taint's key.",
        "operator": "`Equal` or `Exists`.",
        "value": "The taint's value.",
        "effect": "NoSchedule, PreferNoSchedule or NoExecute.",
        "toleration_seconds": "How long it stays on a node with that taint.",
    },
    "a material": {
        "git": "Another repository.",
        "upstream": "Another pipeline of the project.",
        "cron": "A clock.",
        "manual": "A hand.",
    },
    "a git material": {
        "url": "The repository's address.",
        "branch": "Its branch.",
        "on": "Its events.",
        "auto_register_webhook": "`true`: the server asks the code host to call it.",
        "secret_ref": "The secret with which it is read.",
        "poll_interval": "How often it is looked at, such as 5m.",
    },
    "an upstream material": {
        "pipeline": "Its name.",
        "stage": "Its stage.",
        "status": "How that must have ended.",
    },
    "a cron material": {"expression": "When, as cron writes it."},
    "parallel": {
        "matrix": "Maps of lists: a job for each combination, with a variable for each name.",
        "count": "Ignored by the platform.",
    },
    "artifacts": {
        "paths": "Files and directories; one that is missing fails the job. No reference is resolved.",
        "optional": "The same, but may be missing.",
        "when": "on_success (the default), on_failure or always.",
        "expire_in": "Ignored by the platform.",
    },
    "needs_artifacts": {
        "from_job": "The job that keeps them; it must have ended before.",
        "from_pipeline": "A pipeline that started this one, if it is a job of that.",
        "paths": "Paths as that job declares them; all, if not given.",
        "dest": "The directory below which they are unpacked.",
    },
    "cache": {
        "key": 'Its name. Only `{{ hash "FILE" }}` is replaced in it.',
        "paths": "Directories of the workspace.",
    },
    "coverage_report": {
        "path": "The file.",
        "format": "go-cover, lcov, cobertura or jacoco.",
        "fail_under": "Per cent; less fails the job.",
    },
    "an id_token": {"aud": "Who the token is for: a text or several."},
    "approval": {
        "approvers": "Who may approve.",
        "approver_groups": "Groups whose members may.",
        "required": "How many have to.",
        "quorum_by_label": "Label of a pull request to how many have to.",
        "description": "What is asked.",
    },
    "agent": {
        "profile": "The runner profile: image, variables, limits.",
        "tags": "Tags that the runner must have.",
    },
    "resources": {"requests": "What the job is sure to get.", "limits": "What it may use."},
    "resources.requests": {"cpu": "Such as 500m or 2.", "memory": "Such as 256Mi."},
    "resources.limits": {"cpu": "Such as 500m or 2.", "memory": "Such as 256Mi."},
    "deploy": {
        "environment": "Where to.",
        "version": "What is deployed.",
        "revision": "The revision that is deployed.",
        "target": "The Argo CD application that the job stands for.",
    },
    "deploy.target": {
        "cluster": "Its cluster.",
        "application": "Its name.",
        "namespace": "Its namespace.",
        "sync_mode": "How it is brought up to date.",
    },
    "a rule": {
        "if": "Refused by the platform.",
        "changes": "Refused by the platform.",
        "exists": "Refused by the platform.",
        "when": "Refused by the platform.",
    },
    "include": {
        "local": "Ignored by the platform.",
        "remote": "Ignored by the platform.",
        "template": "Ignored by the platform.",
    },
}
"""Keys of what is inside, by the name that messages give it (`Struct.where`)."""
