"""What meta.json says of a stored data set: counts, columns, feature sets, licence, and the hash of every file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from magbench.errors import DataError

META = "meta.json"
PICTURE_MASK = "images_has.npy"

Word = Annotated[str, StringConstraints(pattern=r"^\w+$")]
# Names become paths, so no part may begin with a dot.
FeatureSet = Annotated[str, StringConstraints(pattern=r"^\w[\w.+-]*$")]
FileName = Annotated[str, StringConstraints(pattern=r"^\w[\w.+-]*(/\w[\w.+-]*)*$")]


class FileEntry(BaseModel):
    """Size and hash of one file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bytes: int = Field(ge=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class GraphCounts(BaseModel):
    """The four counts of :class:`magbench.data.mag.Counts`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    nodes: int = Field(ge=1)
    directed_edges: int = Field(ge=0)
    self_loops: int = Field(ge=0)
    undirected_edges: int = Field(ge=0)


class PublishedGraph(BaseModel):
    """The graph as its authors store it, before :func:`magbench.data.mag.simple_undirected`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    directed_edges: int = Field(ge=0)
    self_loops: int = Field(ge=0)
    undirected_edges: int = Field(ge=0)
    isolated: int = Field(ge=0)


class Meta(BaseModel):
    """The content of meta.json.

    ``features`` gives for each feature set the dimension of each modality, ``labels`` for each label column its class
    names, ``files`` for each file, relative to the folder, its size and sha256. A data set that was converted from a
    published layout says which ``mirror`` it came from and how its ``published`` graph is counted.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["magbench-store/1"] = "magbench-store/1"
    name: str
    version: int = Field(ge=1)
    builder: str
    licence: str
    source: str
    counts: GraphCounts
    modalities: list[Word] = Field(min_length=1)
    features: dict[FeatureSet, dict[Word, int]] = Field(min_length=1)
    labels: dict[Word, list[str]]
    files: dict[FileName, FileEntry]
    mirror: str | None = None
    published: PublishedGraph | None = None

    def to_json(self) -> str:
        """The text of meta.json."""
        return self.model_dump_json(indent=1, exclude_none=True) + "\n"

    @property
    def full_name(self) -> str:
        """``<name>@<version>``."""
        return f"{self.name}@{self.version}"


def read_meta(folder: Path) -> Meta:
    """The meta.json of `folder`. Raises DataError when it is missing, damaged or of another format."""
    path = folder / META
    again = "Fetch or build the data set again."
    try:
        return Meta.model_validate_json(path.read_bytes())
    except FileNotFoundError as error:
        raise DataError(f"{path} is missing: the folder holds no data set. {again}") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error}. {again}") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise DataError(f"{path} is damaged or of another format: {place}: {first['msg']}. {again}") from error


def check_sizes(folder: Path, meta: Meta) -> None:
    """Compare the size of every file with meta.json. Raises DataError naming the file, found, expected, next step."""
    for name, expected in meta.files.items():
        path = folder / name
        found = path.stat().st_size if path.is_file() else None
        if found != expected.bytes:
            state = "is missing" if found is None else f"has {found} bytes"
            raise DataError(f"{path} {state}, expected {expected.bytes} bytes. {_next_step(meta)}")


def _next_step(meta: Meta) -> str:
    return f"Run `magbench data verify {meta.name}`, then fetch or build the data set again."


@dataclass(frozen=True)
class Conversion:
    """What was made of published files, and what a reader should know of it."""

    folder: Path
    meta: Meta
    notes: tuple[str, ...]
