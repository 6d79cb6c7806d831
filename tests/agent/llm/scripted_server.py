"""A scripted OpenAI-compatible server on loopback: real HTTP, replies in the order of a list."""

import json
import socket
import struct
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Answer:
    """One reply: status, headers, pieces of the body, a pause before each piece, or a torn connection."""

    pieces: list = field(default_factory=list)
    status: int = 200
    headers: dict = field(default_factory=dict)
    pause_s: float = 0.0
    torn: bool = False


def body(text=None, calls=(), finish="stop", **more):
    """A reply that is not streamed."""
    message = {"role": "assistant", "content": text}
    if calls:
        message["tool_calls"] = [
            {"id": f"c{n}", "type": "function", "function": {"name": name, "arguments": args}}
            for n, (name, args) in enumerate(calls)
        ]
    choice = {"index": 0, "message": message, "finish_reason": finish}
    return Answer([json.dumps({"model": "scripted-1", "choices": [choice], **more}).encode()])


def event(value):
    """One server-sent event."""
    return f"data: {json.dumps(value)}\n\n".encode()


def delta(finish=None, **message):
    """One chunk of a stream."""
    return event(
        {"model": "scripted-1", "choices": [{"index": 0, "delta": message, "finish_reason": finish}]}
    )


def part(name=None, arguments=None, ident=None, index=None):
    """A fragment of a tool call; what is None is left out, as some servers do."""
    function = {k: v for k, v in {"name": name, "arguments": arguments}.items() if v is not None}
    entries = {"id": ident, "index": index, "function": function}
    return {"tool_calls": [{k: v for k, v in entries.items() if v is not None}]}


DONE = b"data: [DONE]\n\n"


class Scripted:
    """What the server was asked, and what it says next; the last answer is repeated."""

    def __init__(self, answers):
        self.answers, self.requests, self.headers = list(answers), [], []
        self.url = ""

    def next(self):
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def _handler(script):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args):
            pass

        def do_POST(self):
            script.headers.append(dict(self.headers))
            script.requests.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            answer = script.next()
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Connection", "close")
            self.end_headers()
            for piece in answer.pieces:
                time.sleep(answer.pause_s)
                try:
                    self.wfile.write(piece)
                    self.wfile.flush()
                except OSError:
                    return
            if answer.torn:  # a reset, not an orderly end
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.close()

    return Handler


@contextmanager
def serving(*answers):
    """Run the script; yields it with its `url`."""
    script = Scripted(answers)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(script))
    server.handle_error = lambda *args: None
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    script.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    try:
        yield script
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
