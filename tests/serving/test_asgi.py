"""The end of both servers, by the signals of each system."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(
    os.name != "posix", reason="a signal of POSIX stands for Ctrl-Break"
)
# Windows has this one, and POSIX one more that nobody uses.
CTRL_BREAK = signal.SIGUSR2
# In a process of its own: a server runs an event loop in the main thread, where a browser's tests may run theirs.
PROGRAM = """
import os, signal, sys, threading, time
import uvicorn, uvicorn.server
from mlsp.serving import asgi

# As uvicorn has it on Windows.
handled = uvicorn.server.HANDLED_SIGNALS = asgi.HANDLED_SIGNALS = (
    signal.SIGINT, signal.SIGTERM, signal.SIGUSR2,
)
before = [signal.getsignal(one) for one in handled]
server = uvicorn.Server(uvicorn.Config(lambda *_: None, lifespan="off", log_config=None))

def end():
    while not server.started:
        time.sleep(0.01)
    os.kill(os.getpid(), int(sys.argv[1]))

with asgi.listen("127.0.0.1", 0, max_waiting=1) as listener:
    threading.Thread(target=end, daemon=True).start()
    asgi.run_until_signal(server, listener)
assert server.should_exit
assert [signal.getsignal(one) for one in handled] == before
print("ended")
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, CTRL_BREAK])
def test_signals_that_end_programs_are_no_failures(number: signal.Signals) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(int(number))],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "ended\n"), done.stderr
