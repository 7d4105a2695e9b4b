"""Programs that answer over HTTP: `service/` for other programs, `web/` the local page."""
