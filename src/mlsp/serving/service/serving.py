"""The service's process: sockets, signals, the end."""

from __future__ import annotations

import sys
from collections.abc import Callable

import uvicorn

from mlsp.base.errors import SettingsError
from mlsp.scoring.scorer import Scorer
from mlsp.serving.asgi import listen, run_until_signal
from mlsp.serving.service.app import Service
from mlsp.serving.service.connections import connection_limit, limited_protocol
from mlsp.serving.service.settings import ServiceSettings
from mlsp.serving.service.telemetry import log_to

_WAITING_CONNECTIONS = 2048
# Longer than the 60 s of common balancers: who closes first must not be the service, or a request that is under way is lost.
_IDLE_SECONDS = 75
LOOPBACK = ("127.0.0.1", "localhost", "::1")


def check_access(host: str, settings: ServiceSettings, *, is_open: bool) -> None:
    """Refuse to serve the network without a token by accident.

    Raises:
        SettingsError: `host` is not this machine's own, there is no token, and `is_open` is false.
    """
    if host not in LOOPBACK and settings.token is None and not is_open:
        raise SettingsError(
            f"anyone who reaches {host} could use the service: set MLSP_SERVICE_TOKEN, or add --no-token if that is meant"
        )


def serve_http(
    scorer: Scorer,
    *,
    host: str,
    port: int,
    workers: int,
    settings: ServiceSettings,
    started: Callable[[str], None] = lambda address: None,
) -> None:
    """Serve until SIGTERM or Ctrl-C; then requests in progress are finished, within `settings.drain_s`.

    Args:
        scorer: scores.
        host: address to listen on.
        port: 0 for a free one.
        workers: photos decoded and scored at the same time.
        settings: limits.
        started: told the address once it listens.

    Call it from the main thread, which gets the signals.

    Raises:
        SettingsError: the address is in use, or not this machine's.
    """
    service = Service(scorer, workers=workers, settings=settings)
    log_to(sys.stderr)
    config = uvicorn.Config(
        service.application,
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        server_header=False,
        # Not httptools, which uvicorn would take where it happens to be installed: the limits are checked with this one.
        http=limited_protocol(connection_limit(), settings.header_timeout_s),
        ws="none",
        timeout_keep_alive=_IDLE_SECONDS,
        timeout_graceful_shutdown=max(1, round(settings.drain_s)),
        h11_max_incomplete_event_size=64 * 1024,
    )
    try:
        listener = listen(host, port, max_waiting=_WAITING_CONNECTIONS)
    except OSError as error:
        raise SettingsError(
            f"cannot listen on {host}:{port} ({error.strerror}): name another by --host and --port"
        ) from error
    bound_host, bound_port = listener.getsockname()[:2]
    shown = f"[{bound_host}]" if ":" in bound_host else bound_host
    started(f"http://{shown}:{bound_port}")
    run_until_signal(uvicorn.Server(config), listener)
