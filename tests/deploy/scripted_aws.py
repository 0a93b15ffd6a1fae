"""An AWS endpoint and an instance's metadata, scripted: what our scripts on an instance talk to."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "imds-token"


class ScriptedAws:
    """Answers what it was given; keeps the names of the calls that came.

    `answers`: by the last part of X-Amz-Target or the Action of a form.  `metadata`: by path; a
    list is used up value by value, its last one stays.
    """

    def __init__(
        self, answers: dict[str, Any], metadata: dict[str, list[str]] | None = None
    ) -> None:
        self.answers = answers
        self.metadata = metadata or {}
        self.calls: list[tuple[str, str]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                self.send(200, TOKEN if self.path == "/latest/api/token" else "")

            def do_GET(self) -> None:
                values = outer.metadata.get(self.path.removeprefix("/latest/meta-data/"))
                is_known = self.headers.get("X-aws-ec2-metadata-token") == TOKEN
                if not values or not is_known:
                    self.send(404 if is_known else 401, "")
                    return
                self.send(200, values.pop(0) if len(values) > 1 else values[0])

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"])).decode()
                target = self.headers.get("X-Amz-Target", "").rpartition(".")[2]
                name = target or dict(p.split("=", 1) for p in body.split("&"))["Action"]
                outer.calls.append((name, body))
                answer = outer.answers[name]
                self.send(200, answer if isinstance(answer, str) else json.dumps(answer))

            def send(self, status: int, text: str) -> None:
                self.send_response(status)
                self.send_header("content-length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    def __enter__(self) -> ScriptedAws:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def env(self) -> dict[str, str]:
        """What makes boto3 ask here."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_DEFAULT_REGION": "eu-central-1",
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "S4FW_METADATA": self.url,
        }
