"""The end of both servers, by the signals of each system."""

from __future__ import annotations

import os
import signal
import threading

import pytest
import uvicorn
import uvicorn.server

import waiting
from mlsp.serving import asgi
from mlsp.serving.asgi import Message, Receive, Send

pytestmark = pytest.mark.skipif(
    os.name != "posix", reason="a signal of POSIX stands for Ctrl-Break"
)
# Windows has this one, and POSIX one more that nobody uses.
CTRL_BREAK = signal.SIGUSR2


async def unused(scope: Message, receive: Receive, send: Send) -> None:
    raise AssertionError


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, CTRL_BREAK])
def test_signals_that_end_programs_are_no_failures(
    number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As uvicorn has it on Windows.
    handled = (signal.SIGINT, signal.SIGTERM, CTRL_BREAK)
    monkeypatch.setattr(uvicorn.server, "HANDLED_SIGNALS", handled)
    monkeypatch.setattr(asgi, "HANDLED_SIGNALS", handled)
    before = [signal.getsignal(one) for one in handled]
    server = uvicorn.Server(uvicorn.Config(unused, lifespan="off", log_config=None))

    def end() -> None:
        waiting.until(lambda: server.started, seconds=20, pause=0.01)
        os.kill(os.getpid(), number)

    ending = threading.Thread(target=end)
    with asgi.listen("127.0.0.1", 0, max_waiting=1) as listener:
        ending.start()
        asgi.run_until_signal(server, listener)
    ending.join()
    assert server.should_exit
    assert [signal.getsignal(one) for one in handled] == before
