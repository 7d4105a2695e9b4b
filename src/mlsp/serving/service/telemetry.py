"""Metrics for Prometheus, and a JSON line in the log per request."""

from __future__ import annotations

import json
import logging
import time
from typing import Any, TextIO

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from mlsp.serving.service.connections import Once

LOGGER = logging.getLogger(__package__)
_BATCHES = (1, 2, 4, 8, 16, 32, 64)
_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """Counters of one service."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "mlsp_requests", "Requests answered.", ["path", "status"], registry=self.registry
        )
        self.photos = Counter(
            "mlsp_photos", "Photos, by what became of them.", ["outcome"], registry=self.registry
        )
        self.seconds = Histogram(
            "mlsp_request_seconds",
            "Seconds from a request's first byte to its answer.",
            ["path"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.batches = Histogram(
            "mlsp_batch_photos",
            "Photos that went through the network together; nothing where batches are off.",
            buckets=_BATCHES,
            registry=self.registry,
        )
        self.waiting = Gauge(
            "mlsp_photos_in_service", "Photos waiting or being scored.", registry=self.registry
        )

    def text(self) -> bytes:
        """Return all metrics in Prometheus's text format."""
        return generate_latest(self.registry)


class JsonLines(logging.Formatter):
    """A log record as one JSON object; `fields` of the record are its own."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as a line."""
        line: dict[str, Any] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
            + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=True)


def log_to(stream: TextIO) -> None:
    """Send the service's and the server's log lines to a stream."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    for logger in (LOGGER, *map(logging.getLogger, ("uvicorn.error", "asyncio"))):
        logger.handlers = [handler]
        if logger is not LOGGER:
            logger.filters = [Once()]
        logger.propagate = False
        logger.setLevel(logging.INFO)
