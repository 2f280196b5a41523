"""A process of its own, and a hub on this machine."""

import hashlib
import json
import os
import subprocess
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

import qlit

Run = Callable[..., subprocess.CompletedProcess[str]]


def environment(**changes: str) -> dict[str, str]:
    """This process' environment for another one: qlit importable, nothing that would keep it from its hub."""
    kept = {k: v for k, v in os.environ.items() if not k.endswith("_OFFLINE") and "proxy" not in k.lower()}
    return {**kept, "PYTHONPATH": str(Path(qlit.__file__).parents[1]), **changes}


class FakeHub:
    """The part of the Hugging Face hub's HTTP interface that a download uses.

    Args:
        repos: Files by path, by repository: "models/owner/name" or "datasets/owner/name".
    """

    commit = "0123456789abcdef0123456789abcdef01234567"

    def __init__(self, repos: dict[str, dict[str, bytes]]) -> None:
        self.repos = repos
        self.requests: list[str] = []
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None: ...

            def do_HEAD(self) -> None:
                self.answer()

            def do_GET(self) -> None:
                self.answer()

            def do_POST(self) -> None:
                self.answer(json.loads(self.rfile.read(int(self.headers["Content-Length"])) or b"{}"))

            def answer(self, posted: dict[str, list[str]] | None = None) -> None:
                path = unquote(urlsplit(self.path).path)
                hub.requests.append(f"{self.command} {path}")
                status, headers, body = hub.reply(path, posted)
                self.send_response(status)
                for key, value in {"Content-Length": str(len(body)), "X-Repo-Commit": hub.commit, **headers}.items():
                    self.send_header(key, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def reply(self, path: str, posted: dict[str, list[str]] | None) -> tuple[int, dict[str, str], bytes]:
        if path == "/":
            return 200, {}, b"{}"
        api = path.startswith("/api/")
        kind_and_rest = path.removeprefix("/api/") if api else path.lstrip("/")
        if not kind_and_rest.startswith(("models/", "datasets/")):
            kind_and_rest = f"models/{kind_and_rest}"
        repo = "/".join(kind_and_rest.split("/")[:3])
        files = self.repos.get(repo)
        if files is None:
            return 404, {"X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository not found"}, b"{}"
        rest = kind_and_rest[len(repo) + 1 :].split("/")
        if api:
            return (
                200,
                {"Content-Type": "application/json"},
                json.dumps(self.listing(repo, files, rest, posted)).encode(),
            )
        content = files.get("/".join(rest[2:]))  # resolve/<revision>/<path>
        if content is None:
            return 404, {"X-Error-Code": "EntryNotFound"}, b""
        return 200, {"ETag": f'"{hashlib.sha256(content).hexdigest()}"'}, content

    def listing(
        self, repo: str, files: dict[str, bytes], rest: list[str], posted: dict[str, list[str]] | None
    ) -> object:
        if rest[0] in ("tree", "paths-info"):
            named = files if posted is None else [path for path in posted["paths"] if path in files]
            return [{"type": "file", "path": p, "size": len(files[p]), "oid": "0" * 40} for p in named]
        siblings = [{"rfilename": path} for path in files]
        name = repo.partition("/")[2]
        return {"id": name, "sha": self.commit, "siblings": siblings, "private": False, "tags": [], "downloads": 0}
