"""Runs a program, and ends it when standard input closes: that happens however our parent ends."""

import subprocess
import sys
import threading

server = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)


def end_with_parent():
    sys.stdin.read()
    server.terminate()
    try:
        server.wait(5)
    except subprocess.TimeoutExpired:
        server.kill()


threading.Thread(target=end_with_parent, daemon=True).start()
sys.exit(server.wait())
