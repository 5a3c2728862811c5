"""What a specification is: frozen data, read from TOML and validated once; names of code; canonical hashes."""

from __future__ import annotations

import hashlib
import json
import tomllib
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from magbench.errors import SpecError

Target = Annotated[str, Field(pattern=r"^[\w.]+:\w+$")]
"""A class or function by its module and name: ``package.module:Name``."""


def load(target: str) -> Any:
    """What a :data:`Target` names; imports its module.

    Raises:
        SpecError: the module or what it should hold is not there.
    """
    module, _, attribute = target.partition(":")
    try:
        return getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise SpecError(f"{target!r} cannot be loaded: {type(error).__name__}: {error}.") from error


def canonical_hash(value: Any) -> str:
    """sha256 (hex) of ``value`` as canonical JSON: sorted keys, no spaces, UTF-8."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


class Spec(BaseModel):
    """Base of all specifications."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @classmethod
    def from_toml(cls, path: Path, **defaults: Any) -> Self:
        """Read one TOML file; ``defaults`` fill what it leaves out.

        Raises:
            SpecError: the file is not TOML, or breaks the specification.
        """
        return cls.parse({**defaults, **read_toml(path)}, str(path))

    @classmethod
    def parse(cls, values: dict[str, Any], origin: str) -> Self:
        """Validate ``values``; ``origin`` is named in the error.

        Raises:
            SpecError: a field is unknown, missing or out of range.
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            problems = "; ".join(
                f"{'.'.join(map(str, item['loc'])) or 'file'}: {item['msg']} (found {item['input']!r:.80})"
                for item in error.errors()
            )
            raise SpecError(f"{origin}: {problems}. Allowed fields: {', '.join(cls.model_fields)}.") from None


def read_toml(path: Path) -> dict[str, Any]:
    """Parse a TOML file.

    Raises:
        SpecError: it cannot be read or is not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SpecError(f"{path}: cannot be read as TOML: {error}.") from None
