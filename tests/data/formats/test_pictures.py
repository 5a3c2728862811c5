"""Archives of pictures: read member by member, dangerous or cut ones refused."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest
from data.conftest import picture

from magbench.data.formats.pictures import LARGEST, LARGEST_HEADER, Tally, pictures
from magbench.errors import DataError

NODE_OF = {"a": 0, "b": 1, "c": 2}.get


def read(path: Path, tally: Tally | None = None) -> list[bytes | None]:
    return list(pictures(path, NODE_OF, 3, io.BytesIO(), tally or Tally()))


def write(path: Path, members: list[tarfile.TarInfo], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as archive:
        for member in members:
            archive.addfile(member, io.BytesIO(picture(1)) if member.size else None)
    return path


def member(name: str, **settings: object) -> tarfile.TarInfo:
    found = tarfile.TarInfo(name)
    found.size = len(picture(1))
    for key, value in settings.items():
        setattr(found, key, value)
    return found


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_any_order_any_compression(tmp_path: Path, mode: str) -> None:
    members = [
        member("folder", type=tarfile.DIRTYPE, size=0),
        member("folder/c.jpg"),
        member("folder/._c.jpg"),
        member("folder/readme.txt"),
        member("folder/x.jpg"),
        member("./a.PNG"),
        member("a.jpg"),
        member("b.jpg", size=0),
    ]
    tally = Tally()
    assert read(write(tmp_path / "pictures.tar", members, mode), tally) == [picture(1), None, picture(1)]
    assert tally.unknown == ["folder/x.jpg"]
    assert tally.repeated == ["a.jpg"]


DANGEROUS: dict[str, tarfile.TarInfo] = {
    "parent": member("../a.jpg"),
    "inside": member("x/../../a.jpg"),
    "backslash": member("x\\..\\..\\a.jpg"),
    "absolute": member("/etc/a.jpg"),
    "symbolic link": member("a.jpg", type=tarfile.SYMTYPE, linkname="/etc/passwd", size=0),
    "hard link": member("a.jpg", type=tarfile.LNKTYPE, linkname="b.jpg", size=0),
    "device": member("a.jpg", type=tarfile.CHRTYPE, size=0),
}


@pytest.mark.parametrize("case", list(DANGEROUS))
def test_dangerous_members_are_refused(tmp_path: Path, case: str) -> None:
    path = write(tmp_path / "pictures.tar", [member("b.jpg"), DANGEROUS[case]])
    with pytest.raises(DataError, match=r"pictures\.tar: the member .* is a (path out|link or device).*refused"):
        read(path)


def test_a_member_too_large_for_a_picture_is_refused_before_it_is_read(tmp_path: Path) -> None:
    header = member("a.jpg", size=LARGEST + 1).tobuf()
    (tmp_path / "pictures.tar").write_bytes(header + bytes(10240))
    with pytest.raises(DataError, match=f"{LARGEST + 1} bytes, allowed {LARGEST}"):
        read(tmp_path / "pictures.tar")


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
@pytest.mark.parametrize("share", [0, 0.1, 0.5, 0.9])
def test_a_cut_archive_is_no_short_archive(tmp_path: Path, mode: str, share: float) -> None:
    path = tmp_path / "pictures.tar"
    write(path, [member(f"{name}{k}.jpg") for k in range(30) for name in "abc"] + [member("a.jpg")], mode)
    content = path.read_bytes()
    ending = 10240 if mode == "w" else 0  # a plain archive ends with zeros, of which some may be lost
    path.write_bytes(content[: int((len(content) - ending) * share)])
    with pytest.raises(DataError, match="cannot be read as a tar archive"):
        read(path)


def test_pictures_of_something_else(tmp_path: Path) -> None:
    path = write(tmp_path / "pictures.tar", [member("x.jpg"), member("y.jpg")])
    with pytest.raises(DataError, match=r"found x\.jpg, y\.jpg, expected pictures named after the nodes"):
        read(path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="found no picture at all"):
        read(tmp_path / "empty")


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE, tarfile.XGLTYPE])
def test_a_header_that_is_read_as_a_whole_may_not_be_large(tmp_path: Path, kind: bytes) -> None:
    header = member("././@LongLink", size=LARGEST_HEADER + 1, type=kind).tobuf()
    (tmp_path / "pictures.tar").write_bytes(header + bytes(10240))
    with pytest.raises(DataError, match=f"a header of {LARGEST_HEADER + 1} bytes, allowed {LARGEST_HEADER}"):
        read(tmp_path / "pictures.tar")


def test_a_long_name_is_no_large_header(tmp_path: Path) -> None:
    path = write(tmp_path / "pictures.tar", [member("x" * 200 + "/a.jpg")])
    assert read(path)[0] == picture(1)


def test_a_sparse_header_that_makes_no_sense_is_a_damaged_archive(tmp_path: Path) -> None:
    odd = member("a.jpg", pax_headers={"GNU.sparse.size": "abc", "GNU.sparse.map": "x,y"})
    path = tmp_path / "pictures.tar"
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(odd, io.BytesIO(picture(1)))
    with pytest.raises(DataError, match="cannot be read as a tar archive"):
        read(path)
