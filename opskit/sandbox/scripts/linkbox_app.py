"""LinkBox, as far as its operators see it: a web server with one honest health path."""

import json
import os
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

LIFE_S = 1.5
"""A pooled connection that is older is replaced: so faults show within seconds."""
SILENT_MS = 2000
"""A connection whose packets are not acknowledged for so long is given up."""

lock = threading.Lock()
pooled = None
opened_at = 0.0


def ask_database():
    """One real question over the pooled connection; the driver's first words if that fails."""
    global pooled, opened_at
    import psycopg

    with lock:
        try:
            if pooled is None or time.monotonic() - opened_at > LIFE_S:
                if pooled is not None:
                    pooled.close()
                pooled = None
                # Settings come from the environment, as libpq reads it.
                pooled = psycopg.connect(
                    connect_timeout=2, tcp_user_timeout=SILENT_MS, autocommit=True
                )
                opened_at = time.monotonic()
            pooled.execute("select 1")
        except psycopg.Error as error:
            pooled = None
            return str(error).strip().split("\n")[0][:300]
    return ""


def maintenance():
    """The reason why the app turns its users away; empty when it does not."""
    file = os.environ.get("MAINTENANCE_FILE", "")
    return "down for maintenance (%s exists)" % file if file and os.path.exists(file) else ""


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/":
            return self.answer(200, {"app": "linkbox"})
        if self.path != "/health":
            return self.answer(404, {"error": "no such page"})
        error = os.environ.get("LINKBOX_ERROR") or maintenance() or ask_database()
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


server = ThreadingHTTPServer(
    (os.environ.get("LISTEN", "0.0.0.0"), int(os.environ["PORT"])), Handler
)
server.daemon_threads = True
server.serve_forever()
