"""Settings from flags, environment and a TOML file, in that order of precedence.

A *section* is a frozen attrs class, one attribute a key; its annotation is the
type a value must have. Every value is checked the same way wherever it comes
from, and an error names where that was.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

import attrs

from raftleader.errors import ConfigError

T = TypeVar("T", bound=attrs.AttrsInstance)

SECTIONS = ("leader", "agent", "client")


def load_section(
    kind: type[T],
    section: str,
    *,
    flags: Mapping[str, object],
    environ: Mapping[str, str],
    file: Path | None,
) -> T:
    """One section, complete and checked. Raises ConfigError.

    Flags that are None or empty lists were not given. Environment names are
    ``RAFTLEADER_<SECTION>_<KEY>``; those of the client have no section in them.
    A key without a default that nobody gives is an error that says how to.
    """
    names = [field.name for field in attrs.fields(kind)]
    flag_names = {field.name: flag_of(field) for field in attrs.fields(kind)}
    hints = get_type_hints(kind)
    values: dict[str, object] = {}
    if file is not None:
        for key, value in read_file(file).get(section, {}).items():
            where = f"{file} [{section}]"
            if key not in names:
                raise ConfigError(f"{where}: unknown key {key!r}{nearest(key, names)}")
            values[key] = checked(value, hints[key], f"{where} {key}")
    _refuse_unknown_variables(section, names, environ)
    for name in names:
        variable = variable_of(section, name)
        text = environ.get(variable)
        if text:
            values[name] = from_text(text, hints[name], variable)
    for name, value in flags.items():
        if value is not None and value != [] and value != ():
            values[name] = checked(value, hints[name], flag_names[name])
    for field in attrs.fields(kind):
        if field.default is attrs.NOTHING and field.name not in values:
            raise ConfigError(
                f"{field.name} is missing: give {flag_names[field.name]}, "
                f"{variable_of(section, field.name)} or {field.name} in [{section}]"
            )
    return kind(**values)


def read_file(file: Path) -> dict[str, dict[str, object]]:
    """The sections of a TOML file. Raises ConfigError for what is none."""
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{file}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: not TOML: {error}") from error
    for name, table in document.items():
        if name not in SECTIONS:
            raise ConfigError(
                f"{file}: unknown section [{name}]{nearest(name, SECTIONS)}"
                if isinstance(table, dict)
                else f"{file}: key {name!r} stands in no section; "
                f"sections are {', '.join(f'[{section}]' for section in SECTIONS)}"
            )
        if not isinstance(table, dict):
            raise ConfigError(f"{file}: [{name}] must be a section")
    return document


def flag_of(field: attrs.Attribute[Any]) -> str:
    """The flag of a key; a list's flag is given once for each item, so singular."""
    return str(field.metadata.get("flag", f"--{field.name.replace('_', '-')}"))


def variable_of(section: str, key: str) -> str:
    """The environment variable of a key."""
    prefix = "" if section == "client" else f"{section.upper()}_"
    return f"RAFTLEADER_{prefix}{key.upper()}"


def _refuse_unknown_variables(
    section: str, names: Sequence[str], environ: Mapping[str, str]
) -> None:
    """A misspelt variable is no setting. Those of the client have no prefix of
    their own, and others may stand beside them: there only a near miss is refused."""
    known = [variable_of(section, name) for name in names]
    if section == "client":
        for variable in sorted(environ):
            others = ("RAFTLEADER_LEADER_", "RAFTLEADER_AGENT_")
            if variable in known or variable.startswith(others):
                continue
            if close := difflib.get_close_matches(variable, known, n=1, cutoff=0.9):
                raise ConfigError(
                    f"environment: unknown {variable!r}; did you mean {close[0]!r}?"
                )
        return
    for variable in sorted(environ):
        if variable.startswith(variable_of(section, "")) and variable not in known:
            raise ConfigError(
                f"environment: unknown {variable!r}{nearest(variable, known)}"
            )


def nearest(word: str, words: Sequence[str]) -> str:
    """``; did you mean 'x'?`` for a near miss, else what there is."""
    close = difflib.get_close_matches(word, words, n=1)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; known are {', '.join(sorted(words))}"


def checked(value: object, kind: Any, where: str) -> object:
    """``value`` as ``kind``, or ConfigError that names ``where`` and the type.

    Only a whole number for a float, and a list for a tuple, are converted.
    """
    kind = _without_none(kind)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if kind is int and isinstance(value, bool):
        raise ConfigError(f"{where}: expected a whole number, got {value!r}")
    if kind is Path and isinstance(value, str):
        if not value:
            raise ConfigError(f"{where}: must not be empty")
        return Path(value)
    if kind == tuple[str, ...] and isinstance(value, list | tuple):
        for item in value:
            checked(item, str, where)
        return tuple(value)
    if isinstance(kind, type) and isinstance(value, kind):
        return value
    raise ConfigError(f"{where}: expected {_named(kind)}, got {value!r}")


def from_text(text: str, kind: Any, where: str) -> object:
    """The value of an environment variable. Lists are separated by commas."""
    kind = _without_none(kind)
    if kind is bool:
        words = {"1": True, "true": True, "yes": True}
        words |= {"0": False, "false": False, "no": False}
        if text.lower() in words:
            return words[text.lower()]
        raise ConfigError(f"{where}: expected true or false, got {text!r}")
    if kind is int or kind is float:
        try:
            number: object = kind(text)
        except ValueError:
            raise ConfigError(
                f"{where}: expected {_named(kind)}, got {text!r}"
            ) from None
        return number
    if kind == tuple[str, ...]:
        return tuple(item.strip() for item in text.split(",") if item.strip())
    return checked(text, kind, where)


def _without_none(kind: Any) -> Any:
    arguments = [a for a in getattr(kind, "__args__", ()) if a is not type(None)]
    is_optional = type(None) in getattr(kind, "__args__", ())
    return arguments[0] if is_optional and len(arguments) == 1 else kind


def _named(kind: Any) -> str:
    names = {
        str: "a string",
        int: "a whole number",
        float: "a number",
        bool: "true or false",
        Path: "a path (a string)",
        tuple[str, ...]: "a list of strings",
    }
    return names[kind]
