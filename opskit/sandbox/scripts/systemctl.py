"""`systemctl` of the imitated instance, for the one service that matters here: its agent.

The agent itself runs elsewhere; it looks into the file that is written here.
"""

import json
import os
import sys
from pathlib import Path

SERVICE = "amazon-ssm-agent"
FILE = Path(os.environ["HOME"]) / f"{SERVICE}.json"


def main(arguments):
    action, name = arguments[0], arguments[-1].removesuffix(".service")
    if name != SERVICE or action not in ("start", "stop", "restart", "is-active"):
        sys.exit(f"Failed to {action} {name}: Unit {name}.service not found.")
    settings = json.loads(FILE.read_text())
    if action == "is-active":
        print("active" if settings["is_running"] else "inactive")
        sys.exit(0 if settings["is_running"] else 3)
    settings["is_running"] = action != "stop"
    FILE.write_text(json.dumps(settings))


if __name__ == "__main__":
    main(sys.argv[1:])
