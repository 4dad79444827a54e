"""LinkBox, as far as its operators see it: a web server with one honest health path."""

import json
import os
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

IDLE_S = 1.0
"""A pooled connection that was idle for longer is closed: so faults show within seconds."""

lock = threading.Lock()
pooled = None
used_at = 0.0


def ask_database():
    """One real question over the pooled connection; the driver's first words if that fails."""
    global pooled, used_at
    import psycopg

    with lock:
        try:
            if pooled is None or time.monotonic() - used_at > IDLE_S:
                if pooled is not None:
                    pooled.close()
                pooled = None
                # Settings come from the environment, as libpq reads it.
                pooled = psycopg.connect(connect_timeout=2, autocommit=True)
            pooled.execute("select 1")
            used_at = time.monotonic()
        except psycopg.Error as error:
            pooled = None
            return str(error).strip().split("\n")[0][:300]
    return ""


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path != "/health":
            return self.answer(200, {"app": "linkbox"})
        error = os.environ.get("LINKBOX_ERROR") or ask_database()
        if error:
            return self.answer(503, {"status": "error", "error": error})
        return self.answer(200, {"status": "ok"})

    def answer(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *arguments):
        print("linkbox: " + arguments[0] % arguments[1:], flush=True)


server = ThreadingHTTPServer((os.environ.get("LISTEN", "0.0.0.0"), int(os.environ["PORT"])), Handler)
server.daemon_threads = True
server.serve_forever()
