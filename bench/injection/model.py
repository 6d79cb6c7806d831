"""A model server on loopback that says what a forger wants it to say, and keeps what it was sent."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Model:
    """One server; `answer` is what it replies from now on."""

    def __init__(self) -> None:
        self.answer: dict[str, Any] = {}
        self.requests: list[dict[str, Any]] = []
        self.url = ""

    def says(self, text: str | None, calls: list[tuple[str, str]] | None = None) -> None:
        """Reply with a text, or with tool calls (name, arguments)."""
        message: dict[str, Any] = {"role": "assistant", "content": text}
        if calls:
            message["tool_calls"] = [
                {"id": f"c{n}", "type": "function", "function": {"name": name, "arguments": arguments}}
                for n, (name, arguments) in enumerate(calls)
            ]
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        self.answer = {"model": "forger", "choices": [choice]}

    def sent_words(self) -> str:
        """The user's part of the newest request."""
        parts = self.requests[-1]["messages"][1]["content"]
        return parts if isinstance(parts, str) else str(parts[0]["text"])


@contextmanager
def serving() -> Iterator[Model]:
    """Serve until the block ends."""
    model = Model()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            """Nothing on the terminal."""

        def do_POST(self) -> None:
            size = int(self.headers["Content-Length"])
            model.requests.append(json.loads(self.rfile.read(size)))
            body = json.dumps(model.answer).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    model.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    try:
        yield model
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
