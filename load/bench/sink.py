"""What stands for S3, CloudWatch and a webhook: reads every request, keeps nothing, says fine.

`python -m load.bench.sink` prints `ready PORT`.
"""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_NOTHING = b"\xa0"  # an empty map in CBOR: what PutMetricData answers


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Take it."""
        left = int(self.headers.get("content-length") or 0)
        while left > 0 and (piece := self.rfile.read(min(left, 1 << 16))):
            left -= len(piece)
        is_metrics = "/service/" in self.path
        self.send_response(200)
        if is_metrics:
            self.send_header("smithy-protocol", "rpc-v2-cbor")
            self.send_header("content-type", "application/cbor")
        self.send_header("content-length", str(len(_NOTHING) if is_metrics else 0))
        self.end_headers()
        if is_metrics:
            self.wfile.write(_NOTHING)

    do_PUT = do_POST

    def handle_expect_100(self) -> bool:
        """S3's client waits for it before it sends a body."""
        self.send_response_only(100)
        self.end_headers()
        return True

    def log_message(self, format: str, *args: object) -> None:  # its name there
        """Nothing."""


def main() -> None:
    """Listen until somebody ends this process."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    print(f"ready {server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
