"""Where secrets come from: a file that can carry a PEM, the environment, or the terminal.

Nothing is taken from the environment unless it is asked for by name: a pipeline file may come from a
stranger, and could name any variable.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from getpass import getpass
from pathlib import Path

from gocdnext_sdk.errors import UsageError

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_DOUBLE_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


def read_file(path: Path) -> dict[str, str]:
    """Return the secrets in a file: a YAML map (``.yaml``, ``.yml``), else dotenv.

    Both carry multi-line values: YAML in a ``|`` block, dotenv between quotes. Values are taken as they are;
    nothing in them is expanded. Between double quotes of dotenv, a backslash makes a line break (``\\n``,
    ``\\r``), a double quote or a backslash; what else it makes in one tool and not in the other is refused.

    Raises:
        UsageError: it cannot be read, or a line of it makes no sense; values are never quoted.
    """
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise UsageError(f"secrets file {path}: {reason}") from None
    found = _from_yaml(path, text) if path.suffix in {".yaml", ".yml"} else _from_dotenv(path, text)
    for number, name in enumerate(found, start=1):
        if not _NAME.fullmatch(name):
            # Not quoted: it may be a line of a key that lost its quotes.
            raise UsageError(f"secrets file {path}: name {number} is not valid; use letters, digits and _")
        if "\0" in found[name] or not _is_text(found[name]):
            what = "holds a NUL or half a character, which no variable can"
            raise UsageError(f"secrets file {path}: the value of {name} {what}; give it in base64")
    return found


def _from_dotenv(path: Path, text: str) -> dict[str, str]:
    from io import StringIO

    from dotenv.parser import parse_stream

    found: dict[str, str] = {}
    for binding in parse_stream(StringIO(text)):
        line = binding.original.line
        if binding.error or (binding.key is not None and binding.value is None):
            raise UsageError(
                f"{path}:{line}: not NAME=value; put a value of several lines between double quotes, "
                "and close them"
            )
        if binding.key is None or binding.value is None:  # a comment, a blank line
            continue
        if binding.key in found:
            raise UsageError(f"{path}:{line}: this name is set twice")
        if _is_ambiguous(binding.original.string):
            raise UsageError(
                f"{path}:{line}: tools read a backslash or a backtick in this value in different ways; "
                "put it between single quotes, where it is taken as it is"
            )
        found[binding.key] = binding.value
    return found


def _is_ambiguous(binding: str) -> bool:
    """Tell whether motdotla/dotenv, python-dotenv, godotenv and sh disagree about quotes and escapes."""
    value = binding.partition("=")[2].lstrip(" \t")
    if quoted := _DOUBLE_QUOTED.match(value):
        return not set(_ESCAPED.findall(quoted[1])).isdisjoint("abftv'$`")
    return value.startswith("`")


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _from_yaml(path: Path, text: str) -> dict[str, str]:
    import yaml
    from yaml.nodes import MappingNode, ScalarNode

    def fail(node_or_error: object, what: str) -> UsageError:
        mark = getattr(node_or_error, "start_mark", None) or getattr(node_or_error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
        return UsageError(f"{where}: {what}; write a map of NAME: value")

    try:
        root = yaml.compose(text, yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise fail(error, "not YAML") from None
    if root is None:
        return {}
    if not isinstance(root, MappingNode):
        raise fail(root, "not a map")
    found: dict[str, str] = {}
    for key, value in root.value:
        if not isinstance(value, ScalarNode):
            raise fail(value, "a secret is a text, not a list or map")
        if value.tag == "tag:yaml.org,2002:binary":
            raise fail(value, "a secret is a text, and is not decoded")
        if key.value in found:
            raise fail(key, "this name is set twice")
        # The text as written, also of what looks like a number.
        found[key.value] = str(value.value)
    return found


def collect(
    *,
    file: Path | None,
    names: Iterable[str],
    wanted: Iterable[str],
    environment: Mapping[str, str] = os.environ,
    ask: Callable[[str], str] | None = None,
    option: str = "--secret",
) -> dict[str, str]:
    """Return all secrets that are given.

    Args:
        file: see `read_file`.
        names: each from the environment, else asked for.
        wanted: what the pipeline declares; asked for if not given otherwise.
        environment: where `names` are looked up.
        ask: prompts for one secret; by default the terminal, where there is one.
        option: what gave `names`.

    Raises:
        UsageError: one of `names` is neither in the environment nor can be asked for.
    """
    if ask is None and sys.stdin.isatty() and sys.stderr.isatty():
        ask = _prompt
    found = read_file(file) if file else {}
    for name in names:
        if not _NAME.fullmatch(name):
            raise UsageError(f"{option} takes a name, and the value from the environment; it was given more")
        if name in environment:
            found[name] = environment[name]
        elif ask:
            found[name] = ask(name)
        else:
            other = ", or use --secrets-file" if option == "--secret" else ""
            raise UsageError(f"{option} {name}: not in the environment; export {name}{other}")
    if ask:
        found |= {name: ask(name) for name in dict.fromkeys(wanted) if name not in found}
    return found


def _prompt(name: str) -> str:
    return getpass(f"secret {name}: ", stream=sys.stderr)
