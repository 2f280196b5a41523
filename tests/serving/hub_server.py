"""The part of the Hugging Face hub's HTTP interface that an upload uses."""

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class UploadHub:
    """Takes commits of clients that send the right token.

    Args:
        token: The token.
    """

    def __init__(self, token: str) -> None:
        self.created: list[dict[str, object]] = []
        self.files: dict[str, dict[str, bytes]] = {}
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None: ...

            def answer(self, status: int, content: object) -> None:
                body = json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            def do_HEAD(self) -> None:
                self.answer(200, {})

            def do_GET(self) -> None:
                self.answer(200, {"id": "someone/films", "sha": "0" * 40, "siblings": [], "private": True, "tags": []})

            def do_POST(self) -> None:
                sent = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Authorization") != f"Bearer {token}":
                    self.answer(401, {"error": "Invalid credentials"})
                elif self.path == "/api/repos/create":
                    hub.created.append(json.loads(sent))
                    self.answer(200, {"url": f"{hub.url}/someone/films", "name": "someone/films"})
                elif self.path == "/api/validate-yaml":
                    self.answer(200, {"errors": [], "warnings": []})
                elif "/preupload/" in self.path:
                    files = [{"path": f["path"], "uploadMode": "regular", "shouldIgnore": False}
                             for f in json.loads(sent)["files"]]  # fmt: skip
                    self.answer(200, {"files": files})
                else:
                    repo = "/".join(self.path.split("/")[3:5])
                    for line in map(json.loads, sent.splitlines()):
                        if line["key"] == "file":
                            value = line["value"]
                            hub.files.setdefault(repo, {})[value["path"]] = base64.b64decode(value["content"])
                    url = f"{hub.url}/{repo}/commit/{'1' * 40}"
                    self.answer(200, {"success": True, "commitOid": "1" * 40, "commitUrl": url, "hookOutput": ""})

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
