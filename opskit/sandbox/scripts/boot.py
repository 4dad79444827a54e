"""What the instance's system starts when it boots: its firewall, its agent, and the container engine, which
starts the containers whose restart policy says so.
"""

import os
import subprocess
import sys
from pathlib import Path

import docker
import systemctl

FIREWALL = Path(os.environ["HOME"]) / "nftables.conf"


def main():
    """Start them."""
    if FIREWALL.exists():
        subprocess.call(["nft", "-f", str(FIREWALL)])
    systemctl.main(["start", systemctl.SERVICE])
    return docker.main(["boot"])


if __name__ == "__main__":
    sys.exit(main())
