"""The my-plugin plugin."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from gocdnext_sdk import DaemonUse, Findings, Input, Job, Plugin, PluginInputs, Problem, Words, WorkspacePath


class MyPluginInputs(PluginInputs):
    """The `with:` map. A field without a default is required; `fail_on` is written `fail-on` in YAML."""

    path: WorkspacePath = Input(".", description="File or directory to search.")
    words: Words = Input("FIXME", description="Words that it must not contain.")
    allowed: int = Input("0", description="How many occurrences are allowed.", ge=0)

    def check(self, environ: Mapping[str, str], workspace: Path) -> Iterable[Problem]:
        """Check what a field's type cannot say. Called before anything is touched."""
        if not (workspace / self.path).exists():
            yield Problem("path", f'there is no "{self.path}" in the workspace')


class MyPlugin(Plugin[MyPluginInputs]):
    """Fail when files contain words that must not be released."""

    name = "gocdnext-plugin-my-plugin"
    category = "quality"
    inputs = MyPluginInputs
    outputs = {"FOUND": "How many lines contain one of the words."}
    # What `lint` knows about it; declare images that it reads, publishes or signs here too.
    daemon = DaemonUse("never")

    def run(self, inputs: MyPluginInputs, job: Job) -> dict[str, str]:
        """Search, report, and fail if there are too many.

        Run a tool with `job.tool("hadolint").run("--no-color", inputs.path)`: it gets an argument list, never
        a shell, and only what it needs of the job's environment.
        """
        found = list(find(job.workspace / inputs.path, inputs.words))
        for path, number, word in found:
            print(f"{path.relative_to(job.workspace)}:{number}: {word}")
        job.output(FOUND=str(len(found)))
        if len(found) > inputs.allowed:
            raise Findings(f"{len(found)} lines contain one of {', '.join(inputs.words)}")
        job.say(f"{len(found)} found, {inputs.allowed} allowed")
        return {}


def find(root: Path, words: Iterable[str]) -> Iterator[tuple[Path, int, str]]:
    """Yield path, line number and word of every line below `root` that contains one of `words`."""
    for path in sorted(root.rglob("*")) if root.is_dir() else [root]:
        if not path.is_file() or ".git" in path.parts:
            continue
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), start=1):
            yield from ((path, number, word) for word in words if word in line)


if __name__ == "__main__":
    MyPlugin.main()
