"""The model a plugin author writes: typed fields, and what each is for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, SecretBytes, SecretStr
from pydantic.fields import FieldInfo

from gocdnext_sdk.contract.keys import is_portable
from gocdnext_sdk.errors import Problem
from gocdnext_sdk.inputs.constraints import Always, Constraint
from gocdnext_sdk.inputs.parsers import parse_duration
from gocdnext_sdk.inputs.types import Duration
from gocdnext_sdk.secret import Secret

if TYPE_CHECKING:
    from gocdnext_sdk.runtime.job import Job


@dataclass(frozen=True)
class Traits:
    """What an input has beyond its type.

    Args:
        tool_env: the variable through which the tool gets the value; no other way, no other tool.
        deprecated_aliases: former keys that still work, with a warning.
        login: whether it logs the job in at its image's registry.
    """

    tool_env: str | None = None
    deprecated_aliases: tuple[str, ...] = ()
    login: bool = False


def Input(  # noqa: N802 - stands where pydantic's Field would stand
    default: Any = ...,
    *,
    description: str,
    tool_env: str | None = None,
    deprecated_aliases: tuple[str, ...] = (),
    login: bool = False,
    **constraints: Any,
) -> Any:
    """Declare an input.

    Args:
        default: its value when it is not given or empty, as text or as the field's type; without one the
            input is required.
        description: one or two sentences for the manifest, the README and the schema.
        tool_env: the environment variable through which the wrapped tool gets the value.
        deprecated_aliases: former `with:` keys of this input.
        login: whether it logs the job in at the registry of its image, as `username` does; lint asks for one.
        constraints: what `pydantic.Field` knows (`ge`, `pattern`, `max_length` …); `examples` are what a
            plan takes for the value when it is a secret that is not given; `…` in one becomes unique.

    Raises:
        TypeError: `deprecated_aliases` is a single text.
    """
    if isinstance(deprecated_aliases, str):
        raise TypeError(
            f"deprecated_aliases={deprecated_aliases!r} is a text, where a tuple of keys is needed"
        )
    info: FieldInfo = Field(default, description=description, validate_default=True, **constraints)
    info.metadata.append(Traits(tool_env, deprecated_aliases, login))
    return info


def with_key(name: str) -> str:
    """Return the `with:` key of a field: `build_args` is written `build-args`."""
    return name.replace("_", "-")


def key_of(name: str, field: FieldInfo) -> str:
    """Return the `with:` key of a field: its alias, where it has one of its own."""
    return field.alias or with_key(name)


class PluginInputs(BaseModel):
    """Base of a plugin's inputs.

    A field is optional if it has a default. Its key in the `with:` map is the field's name in kebab case.
    Docstrings and descriptions become the documentation.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=with_key,
        populate_by_name=True,
        hide_input_in_errors=True,
        arbitrary_types_allowed=True,
        defer_build=True,  # bases are never validated themselves, and building costs every start
    )

    timeout: Duration | None = Input(
        None,
        description='Time that the whole job may take, e.g. "10m"; its tools are then stopped, and it fails. '
        "No limit if not given.",
    )

    constraints: ClassVar[tuple[Constraint, ...]] = (Always("timeout"),)
    """Rules between inputs; a subclass adds its own to its parents'."""

    elsewhere: ClassVar[Mapping[str, str]] = {}
    """Keys that plugins for the same work have and this one cannot have, each with the reason."""

    listed_last: ClassVar[bool] = True
    """Whether a class's own fields stand below all others in what is generated: those that several plugins
    take in the same way and that few jobs need. Not inherited."""

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        keys = {with_key(name) for name in cls.model_fields}
        for name, field in cls.model_fields.items():
            if cls._has_taken(name):
                raise TypeError(
                    f"{cls.__qualname__}.{name}: is taken by the SDK; give the input another name"
                )
            for alias in map(with_key, traits(field).deprecated_aliases):
                if alias in keys:
                    raise TypeError(f"{cls.__qualname__}.{name}: {alias} is another input or its former key")
                keys.add(alias)
            if _mentions(field.annotation, SecretStr) or _mentions(field.annotation, SecretBytes):
                raise TypeError(f"{cls.__qualname__}.{name}: nothing masks it; write `Secret`")
            if isinstance(field.default, str) and is_secret(field):
                raise TypeError(f"{cls.__qualname__}.{name}: a secret has no default but None")
            if not is_portable(with_key(name)):
                # Only such names reach a container alike on every engine (docs/contract.md §4).
                raise TypeError(f"{cls.__qualname__}.{name}: an input is named like build_args")

    @classmethod
    def _has_taken(cls, name: str) -> bool:
        """Tell whether an input would take the place of what the bases of the model have under its name."""
        if name == "timeout":
            return cls.model_fields[name].annotation != PluginInputs.model_fields[name].annotation
        return any(name in vars(base) for base in cls.__mro__[1:] if issubclass(base, PluginInputs))

    @property
    def seconds(self) -> float | None:
        """How long the whole job may take; None: no limit."""
        return None if self.timeout is None else parse_duration(self.timeout)

    def check(self, environ: Mapping[str, str], workspace: Path) -> Iterable[Problem]:
        """Yield what is wrong beyond a single field. Called once, before anything is touched.

        Args:
            environ: the job's environment.
            workspace: the checkout, to which paths in inputs are relative.
        """
        return ()

    def prepared(self, job: Job) -> Self:
        """Return the inputs with what only the network can tell, such as a login by an identity.

        Called once, before `run`.

        Args:
            job: what the preparation may touch.
        """
        return self

    def tool_environ(self) -> dict[str, str | Secret]:
        """Return the variables through which the wrapped tool gets inputs, as declared by `tool_env`."""
        environ: dict[str, str | Secret] = {}
        for name, field in type(self).model_fields.items():
            variable = traits(field).tool_env
            value = getattr(self, name)
            if variable is not None and value is not None:
                environ[variable] = value if isinstance(value, Secret) else as_text(value)
        return environ


def traits(field: FieldInfo) -> Traits:
    """Return what `Input` declared for `field`."""
    return next((each for each in field.metadata if isinstance(each, Traits)), Traits())


def is_secret(field: FieldInfo) -> bool:
    """Tell whether the field holds a `Secret`, optional or annotated."""
    return _mentions(field.annotation, Secret)


def is_boolean(field: FieldInfo) -> bool:
    """Tell whether the field is a boolean, optional or annotated."""
    return _mentions(field.annotation, bool)


def all_constraints(model: type[PluginInputs]) -> tuple[Constraint, ...]:
    """Return the constraints of `model` and of everything it inherits from, each once."""
    found: dict[Constraint, None] = {}
    for base in reversed(model.__mro__):
        found.update(dict.fromkeys(base.__dict__.get("constraints", ())))
    return tuple(found)


def _mentions(annotation: object, wanted: type) -> bool:
    return annotation is wanted or any(_mentions(each, wanted) for each in get_args(annotation))


def as_text(value: object) -> str:
    """Return the text that a `with:` map would have for a value."""
    if isinstance(value, Secret):
        return value.reveal()
    if isinstance(value, Enum):
        return as_text(value.value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple) and any(isinstance(item, tuple) for item in value):
        return "\n".join(key if text is None else f"{key}={text}" for key, text in value)
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return str(value)
