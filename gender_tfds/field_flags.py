"""A setting is a field of a dataclass: declared once, it is an absl flag and lines of `--help`."""

import dataclasses
import math
import textwrap
import typing
from collections.abc import Sequence
from typing import Any

from absl import flags


def setting(
    default: Any,
    help: str,
    *,
    choices: Sequence[str] | None = None,
    lower: float | None = None,
    upper: float | None = None,
    positional: bool = False,
) -> Any:
    """Declares a dataclass field that is also a flag. A default of `dataclasses.MISSING` makes the flag required.

    A positional field, at most one of a command, is a tuple that takes the arguments which are no flags.
    """
    metadata = {"help": help, "choices": choices, "lower": lower, "upper": upper, "positional": positional}
    return dataclasses.field(default=default, metadata=metadata)


def indented(name: str, text: str) -> list[str]:
    """Returns lines of `--help`: a name, and what it means below it."""
    return [f"  {name}", *textwrap.wrap(text, 100, initial_indent=" " * 6, subsequent_indent=" " * 6)]


def describe_flag(field: dataclasses.Field) -> list[str]:
    """Returns the lines of `--help` on a field: name, meaning, choices, default."""
    name = f"--[no]{field.name}" if field.type is bool else f"--{field.name}"
    facts = []
    if field.metadata["choices"]:
        facts.append("one of " + ", ".join(field.metadata["choices"]))
    if field.default is dataclasses.MISSING:
        facts.append("required")
    elif field.default not in (None, "", ()):
        default = ",".join(field.default) if isinstance(field.default, tuple) else field.default
        facts.append(f"default {default}")
    return indented(name, field.metadata["help"] + (f" ({'; '.join(facts)})" if facts else ""))


def _is_finite(value: float | None) -> bool:
    return value is None or math.isfinite(value)


def define_flag(values: flags.FlagValues, field: dataclasses.Field, kind: Any) -> None:
    """Defines the flag of a field whose type is `kind` in a registry."""
    options: dict[str, Any] = {"flag_values": values, "help": field.metadata["help"], "name": field.name}
    options["default"] = None if field.default is dataclasses.MISSING else field.default
    bounds = {"lower_bound": field.metadata["lower"], "upper_bound": field.metadata["upper"]}
    kinds = set(typing.get_args(kind)) or {kind}
    if field.metadata["choices"] and str in kinds:
        flags.DEFINE_enum(enum_values=field.metadata["choices"], **options)
    elif bool in kinds:
        flags.DEFINE_boolean(**options)
    elif int in kinds:
        flags.DEFINE_integer(**options, **bounds)
    elif float in kinds:
        flags.DEFINE_float(**options, **bounds)
        # absl compares with the bounds, and no comparison with nan is true
        flags.register_validator(field.name, _is_finite, "it must be a finite number", flag_values=values)
    elif typing.get_origin(kind) is tuple:
        options["default"] = list(options["default"])
        flags.DEFINE_list(**options)
    else:
        flags.DEFINE_string(**options)
