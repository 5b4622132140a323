"""A real HTTP server on loopback that serves weights well or badly, and the Hub's addresses and
headers."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit


@dataclasses.dataclass
class Resource:
    """One address, and how it behaves."""

    content: bytes
    content_type: str = "application/octet-stream"
    ranges: bool = True
    etag: str | None = None
    headers: dict[str, str] = dataclasses.field(default_factory=dict)
    redirect: str | None = None
    failures: list[tuple[int, dict[str, str]]] = dataclasses.field(default_factory=list)
    """Status and headers of the first answers."""
    cuts: list[int] = dataclasses.field(default_factory=list)
    """After how many bytes of its body each of the first answers is cut off."""
    gate: threading.Event | None = None
    """Half of the body is sent; the rest once this is set."""
    says_length: bool = True
    """False: the body ends with the connection, as servers without Content-Length do."""
    minds_if_range: bool = True
    """False: a range is sent even of another version than the one that was asked for."""
    drip_s: float | None = None
    """Seconds between two bytes of the body; with `drips_headers` of the headers, too."""
    drips_headers: bool = False


@dataclasses.dataclass(frozen=True)
class Request:
    """One line of the log."""

    method: str
    path: str
    headers: dict[str, str]
    status: int


class Server:
    """The server, its resources by path, and a log of what was asked."""

    def __init__(self, certificate: tuple[Path, Path] | None = None) -> None:
        """Serve by plain HTTP, or by HTTPS with a certificate and its key."""
        self.resources: dict[str, Resource] = {}
        self.log: list[Request] = []
        self.closing = threading.Event()
        self.commits: dict[str, dict[str, bytes]] = {}
        """What was pushed: repository to files."""
        server = self

        class Handler(_Handler):
            pass

        Handler.server_state = server
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.scheme = "https" if certificate else "http"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self._http.socket = context.wrap_socket(self._http.socket, server_side=True)
        # A client that is killed resets its connection: that is the test, not a fault.
        self._http.handle_error = lambda *_: None  # type: ignore[method-assign]
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self._http.server_address[1])

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    @property
    def key(self) -> str:
        """The server's folder in the cache."""
        return f"127.0.0.1+{self.port}+http"

    def add(self, path: str, content: bytes, **behaviour: object) -> str:
        """Serve `content` at a path; returns its URL."""
        self.resources[path] = Resource(content, **behaviour)  # type: ignore[arg-type]
        return self.url + path

    def add_repository(
        self, repo: str, files: dict[str, bytes], *, commit: str = "c" * 40, **behaviour: object
    ) -> None:
        """Serve a Hub repository: weights by redirect to another host, small files at once, with
        the Hub's headers."""
        for name, content in files.items():
            for revision in ("main", commit):
                path = f"/{repo}/resolve/{revision}/{name}"
                headers = {"X-Repo-Commit": commit}
                if name.endswith((".safetensors", ".bin")):
                    sha256 = hashlib.sha256(content).hexdigest()
                    cdn = f"/cdn/{sha256}?signature=abc"
                    self.resources.setdefault(
                        f"/cdn/{sha256}",
                        Resource(content, etag='"cdn-tag"', **behaviour),  # type: ignore[arg-type]
                    )
                    headers |= {"X-Linked-Etag": f'"{sha256}"', "X-Linked-Size": str(len(content))}
                    # Another host name, as the Hub's storage is: credentials must not follow.
                    redirect = f"http://localhost:{self.port}{cdn}"
                    self.resources[path] = Resource(b"", headers=headers, redirect=redirect, etag='"git-sha"')
                else:
                    etag = f'"{hashlib.sha1(b"blob %d%c" % (len(content), 0) + content).hexdigest()}"'
                    self.resources[path] = Resource(content, headers=headers, etag=etag)

    def requests(self, path: str | None = None, method: str = "GET") -> list[Request]:
        """The log of one path, or of all."""
        return [each for each in self.log if each.method == method and path in (None, each.path)]

    def close(self) -> None:
        self.closing.set()
        for resource in self.resources.values():
            if resource.gate:
                resource.gate.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join(10)


class _Handler(BaseHTTPRequestHandler):
    server_state: Server
    protocol_version = "HTTP/1.1"
    timeout = 30

    def do_HEAD(self) -> None:
        self._serve(body=False)

    def do_GET(self) -> None:
        self._serve(body=True)

    def _serve(self, *, body: bool) -> None:
        path = unquote(urlsplit(self.path).path)
        resource = self.server_state.resources.get(path)
        if resource is None:
            self._answer(404, {"X-Error-Code": self._why_missing(path), "X-Repo-Commit": "c" * 40}, b"", body=body)
            return
        if resource.failures and body:
            status, headers = resource.failures.pop(0)
            self._answer(status, headers, b"", body=body)
            return
        headers = {"Content-Type": resource.content_type, **resource.headers}
        if resource.etag:
            headers["ETag"] = resource.etag
        if resource.redirect:
            self._answer(302, {**headers, "Location": resource.redirect}, b"", body=body)
            return
        content, status = resource.content, 200
        start = self._range_start(resource)
        if start is not None:
            if start >= len(content):
                self._answer(416, {"Content-Range": f"bytes */{len(content)}"}, b"", body=body)
                return
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            content, status = content[start:], 206
        cut = resource.cuts.pop(0) if resource.cuts and body else None
        if resource.drip_s is not None and body:
            self._drip(resource, headers)
            return
        gate = resource.gate if body else None
        self._answer(status, headers, content, body=body, cut=cut, gate=gate, says_length=resource.says_length)

    def _drip(self, resource: Resource, headers: dict[str, str]) -> None:
        """Send a byte at a time, until nobody listens."""
        lines = [f"{name}: {value}" for name, value in {**headers, "Content-Length": len(resource.content)}.items()]
        head = "\r\n".join([f"{self.protocol_version} 200 OK", *lines, "", ""]).encode()
        self.server_state.log.append(Request(self.command, unquote(urlsplit(self.path).path), dict(self.headers), 200))
        self.close_connection = True
        if not resource.drips_headers:
            self.wfile.write(head)
        for byte in (head if resource.drips_headers else b"") + resource.content:
            try:
                self.wfile.write(bytes([byte]))
            except OSError:
                return
            if self.server_state.closing.wait(resource.drip_s):
                return

    def _range_start(self, resource: Resource) -> int | None:
        asked, only_if = self.headers.get("Range"), self.headers.get("If-Range")
        changed = resource.minds_if_range and only_if and only_if != resource.etag
        if not asked or not resource.ranges or changed:
            return None
        return int(asked.removeprefix("bytes=").partition("-")[0])

    def _why_missing(self, path: str) -> str:
        repo = path.partition("/resolve/")[0]
        known = any(each.startswith(f"{repo}/resolve/") for each in self.server_state.resources)
        return "EntryNotFound" if known else "RepoNotFound"

    def do_POST(self) -> None:
        """The Hub's address to make a repository, and the two steps of a commit."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        state, path = self.server_state, urlsplit(self.path).path
        if path == "/api/repos/create":
            asked = json.loads(body)
            repo = "/".join(filter(None, (asked.get("organization"), asked["name"])))
            state.commits.setdefault(repo, {})
            self._json({"url": f"{state.url}/{repo}", "id": repo})
        elif path == "/api/validate-yaml":
            self._json({"errors": [], "warnings": []})
        elif "/preupload/" in path:
            files = [{**each, "uploadMode": "regular", "shouldIgnore": False} for each in json.loads(body)["files"]]
            self._json({"files": files})
        elif "/commit/" in path:
            repo = path.removeprefix("/api/models/").partition("/commit/")[0]
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    state.commits[repo][line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            self._json({"commitUrl": f"{state.url}/{repo}/commit/{'d' * 40}", "commitOid": "d" * 40, "success": True})
        else:
            self._answer(404, {}, b"", body=True)

    def _json(self, value: object) -> None:
        self._answer(200, {"Content-Type": "application/json"}, json.dumps(value).encode(), body=True)

    def _answer(
        self,
        status: int,
        headers: dict[str, str],
        content: bytes,
        *,
        body: bool,
        cut: int | None = None,
        gate: threading.Event | None = None,
        says_length: bool = True,
    ) -> None:
        path = urlsplit(self.path).path
        self.server_state.log.append(Request(self.command, unquote(path), dict(self.headers), status))
        self.send_response(status)
        for name, value in {**headers, **({"Content-Length": str(len(content))} if says_length else {})}.items():
            self.send_header(name, value)
        self.close_connection = self.close_connection or not says_length
        self.end_headers()
        if not body:
            return
        try:
            if cut is not None:
                self.wfile.write(content[:cut])
                self.close_connection = True
                return
            half = len(content) // 2 if gate else len(content)
            self.wfile.write(content[:half])
            self.wfile.flush()
            if gate and gate.wait(60):
                self.wfile.write(content[half:])
        except OSError:
            self.close_connection = True

    def log_message(self, *args: object) -> None:
        """Quiet: the log is for tests."""
