"""The application of test/upstreams, on Python's own http.server. What it answers is written down there."""

import base64
import gzip
import hashlib
import json
import queue
import re
import socket
import struct
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

SMALL, LARGE = 100_000, 8 << 20
PATTERN = (bytes(range(251)) * (LARGE // 251 + 1))[:LARGE]
streams, kept, deliveries, lock = {}, {}, {}, threading.Lock()


def deliver(name):
    with lock:
        deliveries[name] = deliveries.get(name, 0) + 1


class App(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    trapped = False

    def handle_one_request(self):
        if not self.trapped:
            return super().handle_one_request()
        # It reads what comes, and hangs up.
        head = self.connection.recv(65536)
        posted = re.match(rb"POST /posts/(\S+)", head)
        if posted:
            deliver(posted[1].decode())
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True

    def answer(self):
        self.url = urlsplit(self.path)
        self.query = {name: values[0] for name, values in parse_qs(self.url.query, keep_blank_values=True).items()}
        getattr(self, self.url.path.split("/")[1])()

    do_GET = do_HEAD = do_POST = do_PUT = answer

    def handle_expect_100(self):
        return True if self.path == "/unwanted" else super().handle_expect_100()

    def log_message(self, *_):
        pass

    def id(self):
        return self.url.path.split("/")[2]

    def body(self):
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return b"".join(parts)

    def begin(self, status, *headers):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()

    def text(self, status, content, *headers):
        content = content.encode() if isinstance(content, str) else content
        self.begin(status, ("Content-Length", str(len(content))), *headers)
        if self.command != "HEAD":
            self.wfile.write(content)

    def chunk(self, content):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(content), content))

    def who(self):
        header = {}
        for name, value in self.headers.items():
            header.setdefault(name, []).append(value)
        self.text(200, json.dumps({"Method": self.command, "Host": self.headers["Host"], "Target": self.path, "Header": header}))

    def up(self):
        content = self.body()
        self.text(200, json.dumps({
            "Length": self.headers.get("Content-Length", ""), "Coding": self.headers.get("Transfer-Encoding", ""),
            "Bytes": len(content), "SHA256": hashlib.sha256(content).hexdigest(),
        }))

    def down(self):
        if "chunked" not in self.query:
            return self.text(200, PATTERN)
        self.begin(200, ("Transfer-Encoding", "chunked"))
        for at in range(0, LARGE, 65536):
            self.chunk(PATTERN[at:at + 65536])
        self.chunk(b"")

    def file(self):
        etag = ("ETag", '"first"')
        if self.headers.get("If-None-Match") == etag[1]:
            return self.begin(304, etag)
        wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        if not wanted:
            return self.text(200, PATTERN[:SMALL], etag)
        first, last = int(wanted[1]), int(wanted[2])
        self.text(206, PATTERN[first:last + 1], etag, ("Content-Range", f"bytes {first}-{last}/{SMALL}"))

    def kept(self):
        if self.command != "PUT":
            return self.text(200, kept[self.path])
        kept[self.path] = self.body()
        self.text(201, "")

    def unwanted(self):
        self.text(413, "too much", ("Connection", "close"))

    def trailers(self):
        self.begin(200, ("Transfer-Encoding", "chunked"), ("Trailer", "X-Checksum"))
        self.chunk(b"the end")
        self.wfile.write(b"0\r\nX-Checksum: 7\r\n\r\n")

    def hints(self):
        self.send_response_only(103)
        self.send_header("Link", "</style.css>; rel=preload")
        self.end_headers()
        self.text(200, "late")

    def gzip(self):
        self.text(200, gzip.compress(b"a page that is packed", mtime=0), ("Content-Encoding", "gzip"))

    def cookies(self):
        self.text(200, "", *(("Set-Cookie", cookie) for cookie in ("a=1; Path=/", "b=2; HttpOnly", "a=3; Path=/deep")))

    def redirect(self):
        self.text(302, "", ("Location", "../else%2Fwhere?x=%20#there"))

    def missing(self):
        self.text(404, "not found, says the application", ("X-Page", "own"))

    def broken(self):
        self.text(500, "broken, says the application", ("X-Page", "own"))

    def events(self):
        events = streams[self.query["id"]] = queue.Queue()
        self.begin(200, ("Content-Type", "text/event-stream"), ("Transfer-Encoding", "chunked"))
        event = "begun"
        while event is not None:
            self.chunk(f"data: {event}\n\n".encode())
            event = events.get()
        self.chunk(b"")

    def push(self):
        streams[self.query["id"]].put(None if "end" in self.query else self.query["data"])
        self.begin(204)

    def posts(self):
        deliver(self.id())
        self.body()
        self.text(200, "taken")

    def deliveries(self):
        self.text(200, str(deliveries.get(self.id(), 0)))

    def hangs(self):
        deliver(self.id())
        self.close_connection = True

    def trap(self):
        self.text(200, "set")
        self.trapped = True

    def dies(self):
        if "chunked" in self.query:
            self.begin(200, ("Transfer-Encoding", "chunked"))
            self.chunk(PATTERN[:SMALL])
        else:
            self.begin(200, ("Content-Length", str(LARGE)))
            self.wfile.write(PATTERN[:SMALL])
        self.close_connection = True

    def peer(self):
        self.text(200, str(self.client_address[1]))

    def socket(self):
        accept = hashlib.sha1((self.headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()
        self.begin(101, ("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Accept", base64.b64encode(accept).decode()))
        self.close_connection, closed = True, False
        while head := self.rfile.read(2):
            first, size = head[0], head[1] & 127
            if size == 126:
                size = int.from_bytes(self.rfile.read(2), "big")
            mask = self.rfile.read(4)
            payload = bytes(byte ^ mask[i % 4] for i, byte in enumerate(self.rfile.read(size)))
            asked = re.fullmatch(rb"close (\d+)", payload)
            if asked:
                self.frame(0x88, int(asked[1]).to_bytes(2, "big"))
                closed = True
            elif not closed:
                self.frame(first, payload)
            if first == 0x88:
                return

    def frame(self, first, payload):
        length = bytes([len(payload)]) if len(payload) < 126 else b"\x7e" + len(payload).to_bytes(2, "big")
        self.wfile.write(bytes([first]) + length + payload)


server = ThreadingHTTPServer(("127.0.0.1", 0), App)
print("listening on", server.server_port)
server.serve_forever()
