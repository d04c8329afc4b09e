"""Look for secrets where they must not be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from gocdnext_sdk.host.testing.result import Result
from gocdnext_sdk.runtime.masking import Masker


def find_leaks(result: Result, secrets: Iterable[str], folders: Mapping[str, Path]) -> Result:
    """Return `result` with every place where one of `secrets`, in any form, shows.

    Args:
        result: of a run.
        secrets: bare values; those too short to be masked are not looked for.
        folders: what the run left behind, by the name it goes by in a message.
    """
    return replace(result, leaks=tuple(_places(result, Masker(secrets), folders)))


def _places(result: Result, masker: Masker, folders: Mapping[str, Path]) -> Iterator[str]:
    for number, line in enumerate(result.log.splitlines(), start=1):
        if (masked := masker.mask(line)) != line:
            yield f"line {number} of the log: {masked}"
    for call in result.calls:
        for argument in call.argv:
            if (masked := masker.mask(argument)) != argument:
                yield f"an argument of {call.tool}: {masked}"
    for name, value in result.outputs.items():
        if masker.mask(value) != value:
            yield f"output {name}"
    for name, folder in folders.items():
        for path in sorted(folder.rglob("*")):
            # In the workspace only what the run wrote counts: a test may have put a key there on purpose.
            relative = path.relative_to(folder).as_posix()
            if name == "workspace" and relative not in result.changed:
                continue
            if path.is_file() and not path.is_symlink():
                content = path.read_bytes()
                if masker.mask_bytes(content) != content:
                    yield f"file {relative} in the {name}"
