"""A hub on loopback: serves a folder as one dataset repository, and misbehaves when told to."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
LFS_BYTES = 1000


class Hub:
    """A context manager; ``url`` is what ``HF_ENDPOINT`` must be.

    Attributes:
        cut: path → how many bytes of each answer to send before the connection breaks.
        stall: path → how many bytes of each answer to send before the hub falls silent, until ``wake`` is set.
        corrupt: paths of which a byte is flipped in every answer.
        gone: paths that are listed but answered with 404.
        redirect: answer with a redirect to another place, as for large files.
        gets: how often each path was asked for.
        sent: how many bytes of each path were sent.
        ranges: the Range headers of each path.
    """

    def __init__(self, root: Path, repo: str) -> None:
        self.root, self.repo = root, repo
        self.cut: dict[str, int] = {}
        self.stall: dict[str, int] = {}
        self.wake = threading.Event()
        self.corrupt: set[str] = set()
        self.gone: set[str] = set()
        self.redirect = False
        self.gets: Counter[str] = Counter()
        self.sent: Counter[str] = Counter()
        self.ranges: dict[str, list[str | None]] = {}
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (_Handler,), {"hub": self}))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    def entry(self, path: Path) -> dict[str, object]:
        """A file as the hub describes it: large ones by their LFS sha256, small ones by their git blob id."""
        content = path.read_bytes()
        sha = hashlib.sha256(content).hexdigest()
        blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
        found: dict[str, object] = {
            "type": "file",
            "path": path.relative_to(self.root).as_posix(),
            "size": len(content),
            "oid": blob,
        }
        if len(content) >= LFS_BYTES:
            found["lfs"] = {"oid": sha, "size": len(content), "pointerSize": 130}
        return found

    def files(self) -> list[Path]:
        return sorted(path for path in self.root.rglob("*") if path.is_file())


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["paths"]
        self._json([self.hub.entry(self.hub.root / path) for path in asked if (self.hub.root / path).is_file()])

    def do_GET(self) -> None:
        hub, path = self.hub, unquote(urlsplit(self.path).path)
        api, files = f"/api/datasets/{hub.repo}", rf"/(?:cdn/)?datasets/{re.escape(hub.repo)}/resolve/[^/]+/(.+)"
        if path in (api, f"{api}/revision/main", f"{api}/revision/{COMMIT}"):
            siblings = [{"rfilename": file.relative_to(hub.root).as_posix()} for file in hub.files()]
            self._json({"id": hub.repo, "sha": COMMIT, "siblings": siblings})
        elif path == f"{api}/tree/{COMMIT}":
            self._json([hub.entry(file) for file in hub.files()])
        elif match := re.fullmatch(files, path):
            self._file(match[1], path.startswith("/cdn/"))
        else:
            self._missing("RepoNotFound")

    def _file(self, name: str, moved: bool) -> None:
        hub, path = self.hub, self.hub.root / name
        if not path.is_file() or name in hub.gone:
            self._missing("EntryNotFound")
            return
        content = bytearray(path.read_bytes())
        if hub.redirect and not moved:
            self.send_response(302)
            self.send_header("Location", f"{hub.url}/cdn{self.path}")
            self._common(name, len(content))
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if name in hub.corrupt:
            content[len(content) // 2] ^= 1
        asked = self.headers.get("Range")
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        body = bytes(content[start:])
        self.send_response(206 if asked else 200)
        self._common(name, len(content))
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Accept-Ranges", "bytes")
        if asked:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        if self.command == "GET":
            hub.gets[name] += 1
            hub.ranges.setdefault(name, []).append(asked)
            sent = body[: hub.cut.get(name, len(body))]
            hub.sent[name] += len(sent)
            if name in hub.stall:
                self.wfile.write(sent[: hub.stall[name]])
                hub.wake.wait(60)
                self.close_connection = True
                return
            self.wfile.write(sent)
            self.close_connection = len(sent) < len(body)

    def _common(self, name: str, size: int) -> None:
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", f'"{hashlib.sha256(name.encode()).hexdigest()}"')
        self.send_header("X-Linked-Size", str(size))

    def _missing(self, code: str) -> None:
        self.send_response(404)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _json(self, value: object) -> None:
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
