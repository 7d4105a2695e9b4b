"""Imports OpenVINO's runtime without its model converter.

`import openvino` also imports `openvino.tools.ovc`, the converter, which loads `openvino_telemetry`: that starts a process which sends an event to an
analytics service. Scoring is offline, so neither is let in; OpenVINO itself does without the converter where it is not installed.
"""

from __future__ import annotations

import sys
from typing import Any

_CONVERTER = "openvino.tools.ovc"


def _import_runtime() -> Any:
    if "openvino" in sys.modules or _CONVERTER in sys.modules:
        # Somebody else has decided already.
        import openvino

        return openvino
    # Here None means "there is no such module", which OpenVINO expects and handles.
    sys.modules[_CONVERTER] = None  # type: ignore[assignment]
    try:
        import openvino
    finally:
        del sys.modules[_CONVERTER]
    return openvino


runtime = _import_runtime()
# The only one of the process, for as long as it lasts. OpenVINO 2026.4 has the thread that loads the plugin of the processor receive signals on a
# stack that goes with its core: after two cores had come and gone, Ctrl-C was a segmentation fault.
core = runtime.Core()
