"""Frames two streams and an exit status in one stream: for terminal sessions and for the plugin.

A terminal merges standard output and error, converts line ends and echoes input; the official plugin
prints its own lines in between. So the script's output travels as base64 between marked lines: standard
output as it comes, then standard error and the exit status.
"""

from __future__ import annotations

import base64
import binascii

from opskit.transport.session_manager.commands import OutputCollector, as_root
from opskit.transport.session_manager.data_channel import Stream

READY, OUT, ERR, END, CANNOT = (
    f"opskit-{event}" for event in ("ready", "out", "err", "end", "cannot-base64")
)
MOST_LINE = 1000
"""Characters of a line of input: a terminal accepts 4096 and drops the rest."""
LAST_LINE = "."
TYPED = ":"
"""The prefix of every line of input: a terminal may echo the line late, in the middle of the output."""
MOST_SPARE = 500
"""Characters of unframed output that are kept: they give the reason when the end mark is missing."""
SHELL_MISSING = ("executable file not found", "no such file or directory")

WRAPPER_TEMPLATE = (
    "command -v base64 >/dev/null || {{ echo {cannot}; exit 1; }}; {script}; r() {{ {run}; }}; "
    'exec 3>&1; printf "\\n{out}\\n"; e=$({{ r 3>&- | base64 >&3; }} 2>&1 | base64); '
    'printf "\\n{err}\\n%s\\n{end}\\n" "$e"'
)
STDIN_TEMPLATE = (
    'stty -echo 2>/dev/null; printf "\\n{ready}\\n"; p=; '
    'while IFS= read -r l && [ "$l" != {last} ]; do p=$p${{l#{typed}}}; done; s=$(echo "$p"|base64 -d)'
)


def command(script: str, limit_s: float) -> str:
    """A single command line that contains the script."""
    packed = base64.b64encode(script.encode()).decode()
    return _line(f"s=$(echo {packed}|base64 -d)", limit_s)


def command_for_input(limit_s: float) -> str:
    """A short command line that reads its script from the terminal (`input_of`).

    ECS documents no limit for a command's length; a script of opskit has about 40,000 characters.
    """
    return _line(STDIN_TEMPLATE.format(ready=READY, last=LAST_LINE, typed=TYPED), limit_s)


def input_of(script: str) -> bytes:
    """The script as lines of terminal input."""
    packed = base64.b64encode(script.encode()).decode()
    size = MOST_LINE - len(TYPED)
    lines = [TYPED + packed[at : at + size] for at in range(0, len(packed), size)]
    return "".join(f"{line}\n" for line in (*lines, LAST_LINE)).encode()


def _line(script: str, limit_s: float) -> str:
    markers = {"cannot": CANNOT, "out": OUT, "err": ERR, "end": END}
    return "sh -c '" + WRAPPER_TEMPLATE.format(script=script, run=as_root(limit_s), **markers) + "'"


class Demultiplexer:
    """Splits one merged stream; output that belongs to neither stream is kept as `unframed`."""

    def __init__(self, heard: OutputCollector) -> None:
        self._heard = heard
        heard.is_separate = True
        self._rest = b""
        self._stream: Stream | None = None
        self._base64 = b""
        self.unframed = ""
        self.is_ready = self.has_begun = self.has_ended = self.cannot = False

    def take(self, data: bytes) -> None:
        """Process the next bytes of the stream."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._take_line(line.strip(b"\r").decode("utf-8", "replace"))

    @property
    def has_no_shell(self) -> bool:
        """Whether the output reports that there is no `sh`."""
        message = f"{self.unframed}{self._rest.decode('utf-8', 'replace')}".lower()
        return not self.has_begun and any(phrase in message for phrase in SHELL_MISSING)

    def _take_line(self, line: str) -> None:
        if line == READY:
            self.is_ready = True
        elif line == CANNOT:
            self.cannot = True
        elif line in (OUT, ERR, END):
            self._give(is_last=True)
            self._stream = {OUT: Stream.OUT, ERR: Stream.ERR}.get(line)
            self.has_begun, self.has_ended = True, line == END
        elif self._stream is not None and _is_base64(line):
            self._base64 += line.encode()
            self._give(is_last=False)
        else:
            self.unframed = f"{self.unframed}{line} "[-MOST_SPARE:]

    def _give(self, *, is_last: bool) -> None:
        """Pass on the bytes that can be decoded: four characters make three bytes."""
        if self._stream is None:
            return
        whole = len(self._base64) // 4 * 4
        try:
            data = base64.b64decode(self._base64[:whole], validate=True)
        except binascii.Error:
            data = b""
        self._base64 = b"" if is_last else self._base64[whole:]
        if data:
            self._heard.take(self._stream, data)


def _is_base64(line: str) -> bool:
    return bool(line) and all(c.isascii() and (c.isalnum() or c in "+/=") for c in line)
