"""State of one probe: its request, its answers, and the secrets to keep out of them.

A part of the probe's program, so it keeps to Python 3.6 and the standard library.
"""

import hashlib
import re
import sys
import threading
import urllib.parse

from opskit.probe.program.redaction import UserInfo, forms_of, pieces_of

ONE_WORD = re.compile(r"^[\w./:+,=-]*$")


class Probe:
    """One run. Passwords stay in this process: an answer holds a fingerprint.

    Attributes:
        values: purpose -> piece of the credential, as soon as it is read.
        containers: (name, field -> value) of each container with connection settings.
    """

    def __init__(self, request):
        self.request = request
        self.lines = []
        self.secrets = set()
        self.parts = set()
        self.values = {}
        self.reads_done = threading.Event()
        self.containers = []
        self.lock = threading.Lock()
        self.user_info = UserInfo(request["url_patterns"])
        self.database_url = re.compile(
            r"^(jdbc:)?(%s)[a-z0-9+.-]*://" % "|".join(request["database_url_schemes"]), re.I
        )

    def emit(self, *fields):
        """Keep a line; it is printed when all answers are there."""
        with self.lock:
            self.lines.append([str(f) for f in fields])

    def secret(self, value):
        """Register a value that must not be printed, and return its fingerprint."""
        with self.lock:
            if len(value.strip()) >= 4:
                self.secrets.update(forms_of(value) | forms_of(value.strip()))
                for part in pieces_of(value.strip()):
                    self.parts.update(forms_of(part))
        return self.fingerprint(value)

    def fingerprint(self, value):
        """The first digits of a value's SHA-256 with the run's key."""
        return hashlib.sha256((self.request["key"] + value).encode("utf-8")).hexdigest()[:6]

    def hold_secrets(self, environment):
        """Register the passwords in an environment: of URLs, even of malformed ones, and of variables.

        Where settings are emitted, the container's own password variable is registered with them.
        """
        if not self.request["environment"]:
            for name in self.request["password_variables"]:
                self.secret(environment.get(name, ""))
        for value in environment.values():
            scheme = self.database_url.match(value)
            if scheme and "@" in value:
                rest = value[scheme.end() :]
                location = rest.split("?")[0]
                login = (location if "@" in location else rest).rpartition("@")[0]
                password = login.partition(":")[2]
                self.secret(password)
                self.secret(urllib.parse.unquote(password))

    def clean(self, text):
        """A field without secrets, tabs and control characters."""
        for value in sorted(self.secrets, key=len, reverse=True):
            text = text.replace(value, "<secret>")
        if not ONE_WORD.match(text):
            text = self.user_info.cut(self.without_pieces(text))
        return re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+", " ", text)

    def without_pieces(self, text):
        """A message without the pieces of secrets, which a client that misreads a URL takes for a host."""
        names = [value for purpose, value in self.values.items() if purpose != "password"]
        names += self.request["hostnames"]
        shown = set(piece for name in names for piece in [name] + re.split(r"[\W_]+", name))
        for part in sorted(self.parts - shown, key=len, reverse=True):
            pattern = re.escape(part)
            if part.isalpha() or part.isdigit():
                pattern = r"(?:(?<![\w.-])|(?<=\\[nrt]))" + pattern + r"(?![\w-]|\.\w)"
            text = re.sub(pattern, "<secret>", text)
        return text

    def print_all(self):
        """Print every line and the end mark."""
        with self.lock:
            for line in self.lines:
                sys.stdout.write("\t".join(self.clean(f) for f in line) + "\n")
        sys.stdout.write("end\n")
        sys.stdout.flush()
