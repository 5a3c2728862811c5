"""Record v2: one JSON a cell (task × method × seed), for successes and failures alike.

The JSON Schema is :func:`json_schema`; a file of another schema is refused by name, never half-read. A record of schema
1 is read as one of schema 2 (:mod:`magbench.results.schema1`).
"""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    NonNegativeInt,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)

from magbench.errors import RecordError
from magbench.results import schema1

SCHEMA = "magbench.record/2"
Status = Literal["ok", "failed", "timeout", "oom"]
Name = Annotated[str, Field(pattern=r"^([\w+][\w.+@-]*)?$")]
"""A name that is part of a kept file's path: no separator, no dot at its start."""


def _time(text: str) -> str:
    if datetime.fromisoformat(text).tzinfo is None:
        raise ValueError("a time needs its zone")
    return text


Time = Annotated[str, AfterValidator(_time)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Lean(_Part):
    """A part whose newer fields leave no trace where they are absent, so that older records stay as they are."""

    @model_serializer(mode="wrap")
    def _dump(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        newer = {name for name, field in type(self).model_fields.items() if not field.is_required()}
        return {key: value for key, value in handler(self).items() if value is not None or key not in newer}


class TaskPart(_Part):
    """``variant``: the options in the brackets of its name; ``design``: whether its version fixes the test items."""

    id: str = Field(pattern=r"^\w+/[\w+][\w.+-]*(\[[\w=.,+-]+\])?$")
    version: int
    hash: str
    variant: dict[str, str]
    design: Literal["drawn", "fixed"]


class DatasetPart(_Part):
    """``sha256``: of each part that the family reads, as it was loaded (``None``: it could not be loaded)."""

    id: Name
    version: int
    features: Name
    sha256: dict[str, str] | None


class SourcePart(_Part):
    sha256: str
    commit: str | None
    dirty: bool | None


class MethodPart(_Lean):
    """``name``: canonical method string; ``config``: every option in force; ``params``: fitted numbers.

    ``revisions``: of each component the number that its method.toml declares, or the sha256 of a user's own files. The
    ``source`` says where the code came from; it identifies nothing. ``towers``, in retrieval: ``pure``, where a side is
    embedded without the other, or ``coupled``.
    """

    name: str = Field(pattern=r"^[^\x00-\x1f\x7f-\x9f]+$")
    config: dict[str, Any]
    config_sha256: str
    params: int | None
    revisions: dict[str, int | str]
    source: SourcePart
    towers: Literal["pure", "coupled"] | None = None


class ErrorPart(_Part):
    """``type`` is the exception's class; ``user`` marks what the method's author or user can mend."""

    type: str
    message: str
    user: bool
    traceback: str = ""


class ScorePart(_Lean):
    """``split``: ``test``, or a part of it, ``test/<part>``; ``pool``: candidates of a query, where that matters."""

    metric: str
    version: int
    split: str
    value: FiniteFloat
    n: NonNegativeInt
    pool: int | None = None

    @model_validator(mode="after")
    def _within_bounds(self) -> ScorePart:
        from magbench.metrics import METRICS

        known = METRICS.get(self.metric)
        if known is not None and known.version == self.version:
            low, high = known.bounds
            if not low <= self.value <= high:
                raise ValueError(f"{self.metric} must be from {low:g} to {high:g}, not {self.value:g}")
        return self


class SelectionPart(_Part):
    """What was chosen on validation: by which ``metric``, its ``value``, among how many ``trials``, and the ``config``
    that won."""

    split: str
    metric: str | None
    value: float | None
    epoch: int | None
    trials: int
    config: dict[str, Any]


class FilePart(_Part):
    path: Name
    sha256: str


class PredictionsPart(_Part):
    """``kind``: one of :data:`magbench.predictions.kinds.KINDS`; ``rows``: predicted items."""

    kind: str
    files: tuple[FilePart, ...]
    rows: int


class CostPart(_Part):
    """Seconds of wall time, bytes of memory."""

    fit_s: float | None
    predict_s: float | None
    peak_rss: int | None
    peak_cuda: int | None


class MagbenchPart(_Part):
    version: str
    engine: int
    commit: str | None
    dirty: bool | None


class Record(_Part):
    """One cell's result."""

    schema_: Literal["magbench.record/2"]
    run_id: str
    key: str
    task: TaskPart
    dataset: DatasetPart
    method: MethodPart
    protocol: Name
    seed: NonNegativeInt
    status: Status
    error: ErrorPart | None
    warnings: tuple[str, ...]
    scores: tuple[ScorePart, ...]
    selection: SelectionPart | None
    predictions: PredictionsPart | None
    telemetry: dict[str, FiniteFloat]
    cost: CostPart
    env: dict[str, Any]
    started: Time
    finished: Time
    magbench: MagbenchPart

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=lambda name: name.rstrip("_"), populate_by_name=True
    )

    @model_validator(mode="after")
    def _has_scores(self) -> Record:
        if self.status == "ok" and (not self.scores or self.scores[0] not in self.overall):
            raise ValueError("a cell that is ok must have a score over all test items first")
        return self

    def to_json(self) -> str:
        """JSON text, one field order, ending in a newline."""
        return self.model_dump_json(by_alias=True, indent=1) + "\n"

    @property
    def core_seconds(self) -> float:
        """Seconds from the cell's start to its end, times its threads: it keeps to as many cores."""
        taken = datetime.fromisoformat(self.finished) - datetime.fromisoformat(self.started)
        threads = self.env.get("threads")
        return max(taken.total_seconds(), 0.0) * (threads if isinstance(threads, int) and threads > 0 else 1)

    @property
    def overall(self) -> tuple[ScorePart, ...]:
        """The scores over all test items, without those of their parts (``test/…``)."""
        return tuple(score for score in self.scores if "/" not in score.split)

    def value(self, metric: str) -> float:
        """The score called ``metric``; NaN for a cell without it."""
        return next((score.value for score in self.overall if score.metric == metric), float("nan"))


def parse_record(text: str | bytes, origin: str) -> Record:
    """Read one record.

    Raises:
        RecordError: not JSON, another schema, or a field that breaks it; ``origin`` is named.
    """
    try:
        values = json.loads(text)
        if isinstance(values, dict) and values.get("schema") == schema1.SCHEMA:
            values = schema1.upgraded(values)
        return Record.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        where, found = ".".join(map(str, first["loc"])) or "file", f" (found {first['input']!r:.60})"
        problem = f"{where}: {first['msg']}{found}"
    except (ValueError, RecursionError) as error:
        problem = f"file: {error}"
    raise RecordError(
        f"{origin} is not a record of schema {SCHEMA}: {problem}. Move it away, or run with another --out."
    )


def read_record(path: Path) -> Record:
    """Read ``path``; raises as :func:`parse_record`, and when the file cannot be read."""
    try:
        return parse_record(path.read_bytes(), str(path))
    except OSError as error:
        raise RecordError(f"{path} cannot be read: {error.strerror}.") from None


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a record file."""
    return Record.model_json_schema(by_alias=True)
