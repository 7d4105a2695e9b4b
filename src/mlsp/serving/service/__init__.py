"""Scores over HTTP, for programs: POST a photo, get JSON.

request ─ limits (bytes, token) ─ application (routes) ─ scoring_queue (bounded, in threads) ─ Scorer
                                                     └ telemetry (metrics, log lines)

`mlsp serve` is the page for people; this is the service for other programs.
"""

from mlsp.serving.service.settings import ServiceSettings

__all__ = ["ServiceSettings"]
