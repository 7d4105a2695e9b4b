"""Writes a model as one ONNX file or as OpenVINO's pair of files."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Literal, get_args

from mlsp.base.atomic_file import atomic_write, check_replaceable, folder_beside, has_mark
from mlsp.base.errors import MissingExtraError, SettingsError, unknown_name
from mlsp.models.model import Model

ExportFormat = Literal["onnx", "openvino"]
# Near the start of what is written: ONNX's producer, and the graph's name.
_MARKS = {".onnx": b"\x12\x04mlsp", ".xml": b'<net name="mlsp_'}
_BYTES_TO_MARK = 64


def export_model(model: Model, output: Path, export_format: str) -> tuple[Path, ...]:
    """Write a model as one file.

    Args:
        model: verified, with its network.
        output: file to write: ending in .onnx, or .xml for OpenVINO, whose weights come beside it as .bin.
        export_format: `onnx` or `openvino`.

    Returns:
        The files that were written.

    Raises:
        SettingsError: the format is unknown, the ending is another, or the model resizes photos, which a single graph cannot do.
        ModelError: the model has no network.
        MissingExtraError: the `export` extra is not installed.
        OutputError: a file that is no model of an earlier export would be replaced, or one cannot be written.
    """
    if export_format not in get_args(ExportFormat):
        raise SettingsError(
            unknown_name("format", export_format, [*get_args(ExportFormat), "browser"])
        )
    ending = ".onnx" if export_format == "onnx" else ".xml"
    if output.suffix != ending:
        raise SettingsError(
            f"--format {export_format} writes a file ending in {ending}, got {str(output)!r}"
        )
    check_replaceable(output, _is_export)
    if export_format == "openvino" and not output.exists():
        # Nothing in weights says whose they are.
        check_replaceable(output.with_suffix(".bin"), lambda _: False)
    content = graph_bytes(model)
    if export_format == "onnx":
        with atomic_write(output) as stream:
            stream.write(content)
        return (output,)
    return _write_openvino(content, output)


def _is_export(path: Path) -> bool:
    return has_mark(path, _MARKS[path.suffix], within=_BYTES_TO_MARK)


def graph_bytes(model: Model) -> bytes:
    """Return the graph as the content of an ONNX file.

    Raises:
        ModelError: the model has no network.
        SettingsError: it resizes photos, which a single graph cannot do.
        MissingExtraError: the `export` extra is not installed.
    """
    try:
        from mlsp.models.one_file.graph import one_file_graph
    except ModuleNotFoundError as error:
        if error.name != "onnx":
            raise
        raise MissingExtraError("Exporting a model", "export") from error
    content: bytes = one_file_graph(model).SerializeToString()
    return content


def _write_openvino(content: bytes, output: Path) -> tuple[Path, ...]:
    """Write weights, then the graph that names them: a graph is never there without its weights."""
    from mlsp.features.engines.openvino_runtime import core
    from mlsp.features.engines.openvino_runtime import runtime as ov

    weights = output.with_suffix(".bin")
    with folder_beside(output) as folder:
        written = folder / output.name
        # The network keeps the 16 bits that its weights are stored in; those of the heads need their 32.
        ov.save_model(core.read_model(io.BytesIO(content)), written, compress_to_fp16=False)
        for source, target in ((written.with_suffix(".bin"), weights), (written, output)):
            with atomic_write(target) as stream:
                stream.write(source.read_bytes())
    return output, weights
