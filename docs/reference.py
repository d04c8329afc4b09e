"""The reference of the API: which modules it shows, and what their docstrings leave to their code."""

from __future__ import annotations

import ast
import re
from typing import Any

from griffe import (
    Alias,
    Attribute,
    Class,
    Docstring,
    Expr,
    ExprCall,
    ExprKeyword,
    Extension,
    Function,
    GriffeLoader,
    Module,
    Parameter,
    ParameterKind,
    Parameters,
)

_MODULE = re.compile(r"^\| `(gocdnext_sdk[\w.]*)` \|", re.MULTILINE)


def public_modules(page: str) -> list[str]:
    """Return the modules that the text of ``docs/api.md`` lists."""
    return _MODULE.findall(page)


def linked(page: str) -> str:
    """Return ``docs/api.md`` with a link from each module to its page of the reference."""
    return _MODULE.sub(r"| [`\1`](api/\1.md) |", page)


class Reference(Extension):
    """Describe inputs by what declares them, and named tuples by their fields; find what a module hides."""

    def on_attribute(self, *, attr: Attribute, loader: GriffeLoader, **kwargs: Any) -> None:
        """Take an input's description and default from its declaration; drop labels that say nothing."""
        attr.labels.discard("module-attribute")
        if isinstance(attr.value, ExprCall) and attr.value.function.canonical_path.endswith(".Input"):
            named = {each.name: each.value for each in attr.value.arguments if isinstance(each, ExprKeyword)}
            given = [each for each in attr.value.arguments if not isinstance(each, ExprKeyword)]
            text = _text(_tree(named["description"]), attr, loader)
            attr.docstring = Docstring(text, parent=attr, lineno=attr.lineno)
            attr.value = given[0] if given else named.get("default")
            attr.labels -= {"class-attribute", "instance-attribute"}

    def on_class(self, *, cls: Class, loader: GriffeLoader, **kwargs: Any) -> None:
        """Give a named tuple the arguments that it is made with, as a dataclass has them."""
        if any(str(base) == "NamedTuple" for base in cls.bases):
            kind = ParameterKind.positional_or_keyword
            fields = [each for each in cls.attributes.values() if each.annotation is not None]
            made = Parameters(
                Parameter("self", kind=kind),
                *(
                    Parameter(each.name, annotation=each.annotation, kind=kind, default=each.value)
                    for each in fields
                ),
            )
            cls.set_member("__init__", Function("__init__", parameters=made, parent=cls, lineno=cls.lineno))

    def on_module(self, *, mod: Module, loader: GriffeLoader, **kwargs: Any) -> None:
        """Find a function behind the module of its name that it was imported from, as `resolve` is."""
        for name, path in mod.imports.items():
            if path == f"{mod.path}.{name}.{name}":
                mod.members[f"{name}()"] = Alias(name, path, parent=mod)


def _text(node: ast.AST, attr: Attribute, loader: GriffeLoader) -> str:
    """Return the text of an expression: a literal, a constant, or pieces of these."""
    match node:
        case ast.JoinedStr(values=pieces):
            return "".join(_text(each, attr, loader) for each in pieces)
        case ast.FormattedValue(value=value):
            return _text(value, attr, loader)
        case ast.Name(id=name):
            return _text(_tree(loader.modules_collection[attr.resolve(name)].value), attr, loader)
    return str(ast.literal_eval(node))


def _tree(expression: str | Expr) -> ast.expr:
    return ast.parse(str(expression), mode="eval").body
