"""Files of strangers: whatever is in them, a prediction is read whole or refused with one message."""

from __future__ import annotations

import io
import json
import struct
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.lib import format as npy
from PIL import Image
from predictions.cases import example

from magbench.errors import RecordError
from magbench.predictions import arrays as module
from magbench.predictions.arrays import read_npz
from magbench.predictions.images import LONGEST_SIDE, decode
from magbench.predictions.kinds import kind_of
from magbench.predictions.texts import FILE as TEXTS_FILE
from magbench.predictions.texts import Texts

STORED = ("classes", "ranks", "images")
"""Kinds whose file is an ``.npz``."""
GIGABYTES = 10 * 10**9


def refused(read: Callable[[], object], name: str = "") -> str:
    """The one message with which a read is refused, which names what was read."""
    with pytest.raises(RecordError) as caught:
        read()
    message = str(caught.value)
    assert name in message and "\n" not in message and len(message) < 2000, message
    return message


def reader(folder: Path, kind: str, content: bytes) -> Callable[[], object]:
    """A read of the file of a kind with this content."""
    name = TEXTS_FILE if kind == "texts" else "predictions.npz"
    (folder / name).write_bytes(content)
    return lambda: kind_of(kind).read(folder)


def npz(members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def npy_of(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    npy.write_array(buffer, array)
    return buffer.getvalue()


def npy_with(header: str, content: bytes = b"", version: tuple[int, int] = (1, 0)) -> bytes:
    """An ``.npy`` file with any header."""
    text = header.encode("latin1") + b"\n"
    return b"\x93NUMPY" + bytes(version) + struct.pack("<H" if version == (1, 0) else "<I", len(text)) + text + content


def header(shape: object, descr: str = "'<i8'") -> str:
    return f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}"


GOOD = npz({f"{name}.npy": npy_of(array) for name, array in example("classes").arrays().items()})


class Trap:
    """Unpickled, it would write a file."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (self.path, "w")


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    np.savez(
        tmp_path / "predictions.npz",
        nodes=np.array([Trap(str(tmp_path / "sprung"))], dtype=object),
        true=np.zeros(1, dtype=int),
        classes=np.zeros(1, dtype=int),
    )
    refused(lambda: kind_of("classes").read(tmp_path), "predictions.npz")
    assert not (tmp_path / "sprung").exists()
    structured = npy_with(header((1,), "[('a', '|O'), ('b', '<i8')]"), b"\0" * 16)
    refused(reader(tmp_path, "classes", npz({"nodes.npy": structured})), "predictions.npz")


def peak_bytes(read: Callable[[], object], name: str) -> int:
    """Most memory that was taken while a read was refused."""
    tracemalloc.start()
    try:
        refused(read, name)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_header_that_promises_ten_gigabytes_allocates_none(compression: int, tmp_path: Path) -> None:
    members = {"nodes.npy": npy_with(header((GIGABYTES // 8,)), b"\0" * 16)}
    content = npz(members, compression)
    assert len(content) < 1000
    assert peak_bytes(reader(tmp_path, "classes", content), "predictions.npz") < 1 << 20


def test_an_entry_that_promises_ten_gigabytes_allocates_none(tmp_path: Path) -> None:
    """The directory of the zip file itself says so, in both of its places, by the fields of 64 bits."""
    content = npy_with(header((GIGABYTES // 8,)), b"\0" * 16)
    size = GIGABYTES + len(content) - 16
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("nodes.npy", content)
        archive.filelist[0].file_size = size
        archive.filelist[0].compress_size = size
    found = zipfile.ZipFile(io.BytesIO(buffer.getvalue())).infolist()
    assert found[0].file_size == size and len(buffer.getvalue()) < 1000
    assert peak_bytes(reader(tmp_path, "classes", buffer.getvalue()), "predictions.npz") < 1 << 20


def test_many_small_arrays_may_not_make_a_large_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_BYTES", 400)
    assert "more than 400" in refused(reader(tmp_path, "classes", GOOD), "predictions.npz")


def test_a_file_of_texts_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / TEXTS_FILE).open("wb") as stream:
        stream.truncate(GIGABYTES)
    assert peak_bytes(lambda: Texts.read(tmp_path), TEXTS_FILE) < 1 << 20


@pytest.mark.parametrize(
    "head",
    [
        header((2,)),
        header((4,)),
        header((-1,)),
        header((-1, -3)),
        header((10**30,)),
        header((0, 10**30)),
        header((0, 2**62)),
        header((2**62, 4)),
        header((3, 0)),
        header((1, 3)),
        header(()),
        header("(3.0,)"),
        header("3"),
        header((3,), "'<f8'"),
        header((3,), "'<M8[s]'"),
        header((3,), "'<c8'"),
        header((6,), "'|S4'"),
        header((24,), "'|b1'"),
        header((3,), "'nonsense'"),
        header((3,), "'<i8', 'colour': 1"),
        header((1,), "('<i8', (3,))"),
        header((10**12,), "'<U0'"),
        "{'descr': '<i8'}",
        "{'descr': '<i8', 'fortran_order': 1, 'shape': (3,)}",
        "{'descr': '<i8', 'fortran_order': False, 'shape': (3,)",
        "{'descr': '<i8', 'fortran_order': False, 'shape': (3,",
        "{'descr': '<i8', 'fortran_order': False, 'shape': '''",
        "{'descr': '<i8', 'fortran_order': False, 'shape': (__import__('os'),)}",
        "{'descr': '<i8', 'fortran_order': False, 'shape': (" + "-" * 9000 + "3,)}",
        "{'descr': '<i8', 'fortran_order': False, 'shape': " + "(" * 4000 + ")" * 4000 + "}",
        "[" * 9000,
        "\\",
        "\x00",
        "1 if",
        "",
        " " * 50000,
    ],
    ids=lambda head: head[-60:].strip() or "blank",
)
def test_headers_of_arrays(head: str, tmp_path: Path) -> None:
    members = {"true.npy": npy_of(np.arange(3)), "classes.npy": npy_of(np.arange(3))}
    content = npz({"nodes.npy": npy_with(head, b"\0" * 24), **members})
    refused(reader(tmp_path, "classes", content), "predictions.npz")


@pytest.mark.parametrize("shape", [(0, 10**30), (0, 2**62), (2**62, 0, 4), (10**12, 0)])
def test_no_bytes_make_no_shape(shape: tuple[int, ...], tmp_path: Path) -> None:
    for descr in ("'<i8'", "'<U0'"):
        content = npz({"nodes.npy": npy_with(header(shape, descr))})
        refused(reader(tmp_path, "classes", content), "predictions.npz")


@pytest.mark.parametrize("version", [(2, 0), (3, 0), (0, 0), (255, 255)])
def test_formats_of_arrays(version: tuple[int, int], tmp_path: Path) -> None:
    """The second is as the first with longer headers; there are no others."""
    member = npy_with(header((3,)), np.arange(3).tobytes(), version)
    content = npz({"nodes.npy": member, "true.npy": npy_of(np.arange(3)), "classes.npy": npy_of(np.arange(3))})
    read = reader(tmp_path, "classes", content)
    if version == (2, 0):
        assert read().nodes.tolist() == [0, 1, 2]  # type: ignore[attr-defined]
    else:
        refused(read, "predictions.npz")


@pytest.mark.parametrize(
    "name",
    ["../nodes.npy", "/nodes.npy", "a/nodes.npy", "..\\nodes.npy", "nodes.txt", "nodes", "nodes.npy/", "\x1b.npy"],
)
def test_members_are_arrays_without_a_path(name: str, tmp_path: Path) -> None:
    read = reader(tmp_path, "classes", npz({"nodes.npy": npy_of(np.arange(3)), name: npy_of(np.arange(3))}))
    assert "\x1b" not in refused(read, "predictions.npz")
    assert [path.name for path in tmp_path.iterdir()] == ["predictions.npz"]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"PK\x05\x06" + b"\0" * 18, b"\x93NUMPY", b"{}", b"\0" * 9999])
@pytest.mark.parametrize("kind", [*STORED, "texts"])
def test_what_is_no_such_file(kind: str, content: bytes, tmp_path: Path) -> None:
    if kind == "texts" and not content:
        assert reader(tmp_path, kind, content)().rows == 0  # type: ignore[attr-defined]
    else:
        refused(reader(tmp_path, kind, content), "predictions.")


@pytest.mark.parametrize("kind", [*STORED, "texts"])
def test_what_is_not_there(kind: str, tmp_path: Path) -> None:
    refused(lambda: kind_of(kind).read(tmp_path), "predictions.")
    (tmp_path / ("predictions.jsonl" if kind == "texts" else "predictions.npz")).mkdir()
    refused(lambda: kind_of(kind).read(tmp_path), "predictions.")


def content_of(kind: str, folder: Path) -> bytes:
    (name,) = example(kind).write(folder)
    return (folder / name).read_bytes()


@pytest.mark.parametrize("kind", STORED)
def test_truncated_anywhere(kind: str, tmp_path: Path) -> None:
    content = content_of(kind, tmp_path)
    for size in range(0, len(content), 7):
        refused(reader(tmp_path, kind, content[:size]), "predictions.npz")


@pytest.mark.parametrize("mask", [0x01, 0x80, 0xFF])
@pytest.mark.parametrize("kind", [*STORED, "compressed"])
def test_flipped_anywhere(kind: str, mask: int, tmp_path: Path) -> None:
    """A file with one other byte is refused, or what is read of it is what it held; no error is of another kind."""
    good = example("classes" if kind == "compressed" else kind)
    content = content_of(good.kind, tmp_path)
    if kind == "compressed":
        members = {f"{name}.npy": npy_of(array) for name, array in good.arrays().items()}
        content = npz(members, zipfile.ZIP_DEFLATED)
    wrong = []
    for place in range(0, len(content), 1 if kind == "compressed" else 5):
        flipped = bytearray(content)
        flipped[place] ^= mask
        try:
            again = reader(tmp_path, good.kind, bytes(flipped))().arrays()  # type: ignore[attr-defined]
            if not all(np.array_equal(array, good.arrays()[name]) for name, array in again.items()):
                wrong.append((place, "read as something else"))
        except RecordError:
            pass
        except Exception as error:
            wrong.append((place, repr(error)))
    assert not wrong


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_damaged_members_of_other_compressions(compression: int, tmp_path: Path) -> None:
    content = npz({f"{name}.npy": npy_of(array) for name, array in example("classes").arrays().items()}, compression)
    for place in range(40, 400):
        flipped = bytearray(content)
        flipped[place] ^= 0xFF
        try:
            reader(tmp_path, "classes", bytes(flipped))()
        except RecordError as error:
            assert "predictions.npz" in str(error)


def changed(kind: str, **update: Any) -> dict[str, np.ndarray]:
    """The arrays of the example of a kind with others in their place; None: without."""
    found = {**example(kind).arrays(), **update}
    return {name: np.asarray(array) for name, array in found.items() if array is not None}


@pytest.mark.parametrize(
    ("kind", "update", "expected"),
    [
        ("classes", {"classes": None}, "its arrays are nodes, scores, true; expected classes, nodes, true"),
        ("classes", {"colour": [1]}, "its arrays are classes, colour, nodes, scores, true"),
        ("classes", {"nodes": [1, 2]}, "its arrays do not fit together (classes 3, nodes 2, scores 3, true 3)"),
        ("classes", {"nodes": [1.0, 2, 3]}, "nodes is float64, expected <i8"),
        ("classes", {"nodes": [True, False, True]}, "nodes is bool, expected <i8"),
        ("classes", {"nodes": ["1", "2", "3"]}, "nodes is <U1, expected <i8"),
        ("classes", {"nodes": [[1, 2, 3]]}, "nodes has the shape [1, 3], expected 1 dimensions"),
        ("classes", {"nodes": 7}, "nodes has the shape []"),
        ("classes", {"scores": np.zeros((3, 0), dtype=np.float32)}, "scores has the shape [3, 0]"),
        ("classes", {"scores": np.zeros(3, dtype=np.float32)}, "scores has the shape [3], expected 2 dimensions"),
        ("classes", {"scores": np.zeros((3, 2), dtype=np.int64)}, "scores is int64, expected <f4"),
        ("classes", {"nodes": np.array([1, 2, 2**64 - 1], dtype=np.uint64)}, "nodes"),
        ("classes", {"nodes": [-1, 2, 3]}, "nodes"),
        ("classes", {"classes": [-1, 0, 0]}, "classes"),
        ("ranks", {"above": None}, "expected above, equal"),
        ("ranks", {"side": [0, 0]}, "do not fit together"),
        ("ranks", {"sides": [1, 2]}, "sides is int64, expected <U"),
        ("ranks", {"sides": [b"a", b"b"]}, "sides is |S1, expected <U"),
        ("ranks", {"above": [-1, 0, 0, 0, 0]}, "above"),
        ("ranks", {"equal": [0, 0, 0, 0, -7]}, "equal"),
        ("ranks", {"item": [-1, 0, 0, 0, 0]}, "item"),
        ("ranks", {"item": [2**31 - 1, 0, 0, 0, 0]}, "item"),
        ("ranks", {"side": [0, 1, 2, 0, 0]}, "side"),
        ("ranks", {"side": None}, "side"),
        ("ranks", {"sides": None}, "sides"),
        ("ranks", {"sides": ["one"]}, "sides"),
        ("ranks", {"sides": ["a", "b", "c"]}, "sides"),
        ("ranks", {"pools": [7]}, "pools"),
        ("ranks", {"pools": [7, -9]}, "pools"),
        ("ranks", {"part": [0, 1, 2, 0, 0]}, "part"),
        ("ranks", {"parts": None}, "parts"),
        ("texts", {"utf8": None}, "expected nodes, reference_counts, reference_ends, text_ends, utf8"),
        ("texts", {"utf8": np.array([255] * 23, dtype=np.uint8)}, "utf"),
        ("texts", {"text_ends": [5, 4, 7]}, "its texts do not end where it says"),
        ("texts", {"text_ends": [-1, 5, 7]}, "text"),
        ("texts", {"text_ends": [5, 5, 6]}, "its texts do not end where it says"),
        ("texts", {"text_ends": [5, 5, 2**62]}, "text"),
        ("texts", {"reference_ends": [5, 12, 15]}, "its texts do not end where it says"),
        ("texts", {"reference_counts": [2, 1, 0]}, "its references are not as many as it says"),
        ("texts", {"reference_counts": [4, 1, -1]}, "reference"),
        ("texts", {"reference_counts": [2, 1, 2]}, "its references are not as many as it says"),
        ("texts", {"reference_counts": [2, 1]}, "do not fit together"),
        ("texts", {"nodes": [-3, 5, 8]}, "nodes"),
        ("images", {"ends": [3, 2, 8]}, "its pictures do not end where it says"),
        ("images", {"ends": [3, 3, 9]}, "its pictures do not end where it says"),
        ("images", {"ends": [-1, 3, 8]}, "images"),
        ("images", {"ends": [3, 3]}, "do not fit together"),
        ("images", {"encoded": "text"}, "encoded is <U4"),
        ("images", {"nodes": [-3, 5, 8]}, "nodes"),
    ],
)
def test_arrays_that_make_no_prediction(kind: str, update: dict[str, Any], expected: str) -> None:
    message = refused(lambda: kind_of(kind).unpack(changed(kind, **update), "HERE"), "HERE")
    assert expected in message and kind in message


def test_a_prediction_of_another_kind_is_refused(tmp_path: Path) -> None:
    for kind in STORED:
        content = content_of(kind, tmp_path)
        for other in STORED:
            if other != kind:
                assert repr(other) in refused(reader(tmp_path, other, content), "predictions.npz")


def line(**values: object) -> bytes:
    return json.dumps({"node": 3, "text": "a", "references": ["b"], **values}).encode() + b"\n"


@pytest.mark.parametrize(
    "content",
    [
        line()[:-3],
        line() + b"\n" + line(),
        line() + b"null\n",
        line(node=-1),
        line(node=2**63),
        line(node=10**400),
        line(node=1.5),
        line(node="3"),
        line(node=True),
        line(text=None),
        line(text=["a"]),
        line(references=[]),
        line(references=["a", None]),
        line(references="a"),
        line(colour="red"),
        line(text="\ud800"),
        b'{"node": 3, "text": "\xff", "references": ["b"]}\n',
        b'{"node": 3, "text": "a", "references": ' + b"[" * 100_000 + b"\n",
        b"[" * 100_000,
        b"\xef\xbb\xbf" + line(),
    ],
    ids=lambda content: repr(content[:60]),
)
def test_lines_that_are_no_texts(content: bytes, tmp_path: Path) -> None:
    refused(reader(tmp_path, "texts", content), TEXTS_FILE)


def png(width: int = 4, height: int = 3, **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), (200, 30, 40)).save(buffer, options.pop("format", "PNG"), **options)
    return buffer.getvalue()


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png_of(*chunks: bytes, width: int = 4, height: int = 3) -> bytes:
    """A PNG of any chunks behind a header."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunks)


PIXELS = chunk(b"IDAT", zlib.compress((b"\0" + b"\1\2\3" * 4) * 3))


def test_pictures_are_decoded() -> None:
    assert decode(png(), "HERE").getpixel((1, 1)) == (200, 30, 40)
    assert decode(png(format="WEBP", lossless=True), "HERE").size == (4, 3)
    assert decode(png_of(PIXELS, chunk(b"IEND", b"")), "HERE").getpixel((0, 0)) == (1, 2, 3)
    assert decode(png(LONGEST_SIDE, 1), "HERE").size == (LONGEST_SIDE, 1)


@pytest.mark.parametrize(
    "picture",
    [
        b"",
        b"\x89PNG\r\n\x1a\n",
        png(format="JPEG"),
        png(format="GIF"),
        png(format="BMP"),
        png(format="TIFF"),
        b"%!PS-Adobe-3.0 EPSF-3.0\n",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        png(LONGEST_SIDE + 1, 1),
        png(1, LONGEST_SIDE + 1),
        png_of(PIXELS, chunk(b"IEND", b""), width=50_000, height=50_000),
        png_of(PIXELS, chunk(b"IEND", b""), width=10_000, height=10_000),
        png_of(PIXELS, chunk(b"IEND", b""), width=2**31 - 1, height=2**31 - 1),
        png_of(PIXELS, chunk(b"IEND", b""), width=0, height=0),
        png_of(chunk(b"IEND", b"")),
        png_of(chunk(b"IDAT", b"nothing"), chunk(b"IEND", b"")),
        png_of(chunk(b"IDAT", zlib.compress(b"")), chunk(b"IEND", b"")),
        png_of(PIXELS, width=40, height=30),
        png_of(chunk(b"zTXt", b"k\0\0" + zlib.compress(b"\0" * 10**8)), PIXELS, chunk(b"IEND", b"")),
        png_of(chunk(b"gAMA", b""), PIXELS, chunk(b"IEND", b"")),
    ],
    ids=range(20),
)
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_pictures_that_are_not_decoded(picture: bytes) -> None:
    refused(lambda: decode(picture, "HERE"), "HERE")


@pytest.mark.parametrize("late", [chunk(b"gAMA", b""), chunk(b"pHYs", b"\0"), chunk(b"cHRM", b"\0" * 3)], ids=range(3))
def test_chunks_behind_the_pixels(late: bytes) -> None:
    """A picture whose pixels are whole is decoded, or refused."""
    try:
        assert decode(png_of(PIXELS, late, chunk(b"IEND", b"")), "HERE").size == (4, 3)
    except RecordError as error:
        assert "HERE" in str(error)


@pytest.mark.parametrize("form", ["PNG", "WEBP"])
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_flipped_and_truncated_pictures(form: str) -> None:
    content = png(format=form)
    wrong = []
    for place in range(len(content)):
        for broken in (content[:place], *(_flipped(content, place, mask) for mask in (0x01, 0x80, 0xFF))):
            try:
                assert max(decode(broken, "HERE").size) <= LONGEST_SIDE
            except RecordError:
                pass
            except Exception as error:
                wrong.append((place, repr(error)))
    assert not wrong


def _flipped(content: bytes, place: int, mask: int) -> bytes:
    return content[:place] + bytes([content[place] ^ mask]) + content[place + 1 :]


def test_what_is_not_wanted_is_not_read(tmp_path: Path) -> None:
    """Of a kept file only the arrays of one cell are; the others may be damaged."""
    path = tmp_path / "kept.npz"
    path.write_bytes(npz({"a_0.npy": npy_of(np.arange(3)), "a_1.npy": b"damaged"}))
    assert read_npz(path, wanted=lambda name: name.endswith("_0"))["a_0"].tolist() == [0, 1, 2]
    refused(lambda: read_npz(path), "kept.npz")
