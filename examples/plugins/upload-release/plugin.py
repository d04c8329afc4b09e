"""The upload-release plugin: a release on GitHub, Gitea or Forgejo, with files."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote

from gocdnext_sdk import DaemonUse, Input, Items, Job, Plugin, PluginInputs, Problem, Secret
from gocdnext_sdk.workspace import is_in_workspace


class UploadReleaseInputs(PluginInputs):
    """The `with:` map."""

    repository: str = Input(description="The repository, such as org/app.")
    tag: str = Input(description="The release's tag, which is there already.")
    token: Secret = Input(description="May write releases.")
    files: Items = Input("", description="Files to upload; `*` stands for any name.")
    api: str = Input(
        "https://api.github.com", description="The forge; https://HOST/api/v1 for Gitea and Forgejo."
    )

    def check(self, environ: object, workspace: Path) -> Iterable[Problem]:
        """Check that every pattern matches a file of the checkout."""
        for pattern in self.files:
            if not is_in_workspace(pattern, workspace) or not any(workspace.glob(pattern)):
                yield Problem("files", f'"{pattern}" matches no file', "is it relative to the checkout?")


class UploadRelease(Plugin[UploadReleaseInputs]):
    """Make a release and upload files to it."""

    name = "gocdnext-plugin-upload-release"
    category = "release"
    inputs = UploadReleaseInputs
    outputs = {"PAGE": "The release's page."}
    daemon = DaemonUse("never")

    def run(self, inputs: UploadReleaseInputs, job: Job) -> dict[str, str]:
        """Find the release or make it, then upload."""
        releases = f"{inputs.api}/repos/{inputs.repository}/releases"
        there = job.http(
            *("GET", f"{releases}/tags/{quote(inputs.tag, safe='')}"),
            bearer=inputs.token,
            ok={200, 404},
            assumed={"html_url": "<page>", "upload_url": f"{releases}/1/assets", "id": 1},
        )
        if there.status == 404:
            there = job.http("POST", releases, json={"tag_name": inputs.tag}, bearer=inputs.token)
        release = there.json()
        job.output(PAGE=str(release["html_url"]))
        # GitHub takes files on another host, and says where; Gitea takes them below the release.
        place = str(release.get("upload_url") or f"{releases}/{release['id']}/assets").partition("{")[0]
        there_already = {each["name"] for each in release.get("assets") or ()}
        found = (path for pattern in inputs.files for path in job.workspace.glob(pattern))
        paths = sorted({path for path in found if path.is_file()})
        with job.group(f"Upload {len(paths)} files"):
            for path in paths:
                if path.name in there_already:  # as after a job that is run again
                    job.warn(f"{path.name} is there already and stays as it is")
                    continue
                url = f"{place}?name={quote(path.name, safe='')}"
                headers = {"Content-Type": "application/octet-stream"}
                job.http("POST", url, body=path, headers=headers, bearer=inputs.token, seconds=900)
                job.say(f"uploaded {path.name}")
        return {}


if __name__ == "__main__":
    UploadRelease.main()
