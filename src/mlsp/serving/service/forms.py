"""Forms of several photos, as starlette reads them, but whole or not at all."""

from __future__ import annotations

import math
import re
from collections.abc import AsyncGenerator

from starlette.datastructures import FormData, Headers
from starlette.formparsers import MultiPartException, MultiPartParser

# A name that is not ASCII; some programs send no other. https://www.rfc-editor.org/rfc/rfc8187
_EXTENDED_NAME = re.compile(rb"""(?i);\s*filename\*\s*=\s*[\w-]*'[\w-]*'([^;\s]+)""")
_PLAIN_NAME = re.compile(rb"(?i);\s*filename\s*=")
_MAX_FIELDS = 8  # that are no files


class TooManyFilesError(MultiPartException):
    """A form has more files than it may."""


class WholeFormParser(MultiPartParser):
    """Parser of multipart/form-data, in memory, where the form is already.

    A part with `filename*` alone is a file too, and a form without its end is an error: starlette takes the first for a text, and
    of the second what came.

    Args:
        headers: of the request.
        stream: its body.
        max_files: the form may have.
        max_bytes: of a part that is no file.
    """

    # Not on disk, which may be full or read-only. Before starlette .46 it had the other name.
    spool_max_size = max_file_size = 0
    _is_whole = False

    def __init__(
        self,
        headers: Headers,
        stream: AsyncGenerator[bytes, None],
        *,
        max_files: int,
        max_bytes: int,
    ) -> None:
        super().__init__(
            headers, stream, max_files=math.inf, max_fields=_MAX_FIELDS, max_part_size=max_bytes
        )
        self._files_left = max_files

    def on_headers_finished(self) -> None:
        """Begin a part."""
        disposition = self._current_part.content_disposition or b""
        extended = _EXTENDED_NAME.search(disposition)
        if extended is not None and _PLAIN_NAME.search(disposition) is None:
            name = re.sub(
                rb"%([0-9a-fA-F]{2})", lambda found: bytes([int(found[1], 16)]), extended[1]
            )
            quoted = re.sub(rb'["\\\r\n]', b"_", name)
            self._current_part.content_disposition = disposition + b'; filename="' + quoted + b'"'
        super().on_headers_finished()
        if self._current_part.file is not None:
            self._files_left -= 1
            if self._files_left < 0:
                raise TooManyFilesError("it has too many files")

    def on_end(self) -> None:
        """Note that the form's end came."""
        self._is_whole = True

    async def parse(self) -> FormData:
        """Parse the form.

        Raises:
            TooManyFilesError: it has more files than it may.
            MultiPartException: it is malformed, or cut short.
        """
        form = await super().parse()
        if not self._is_whole:
            # Also that of the part in which it ends, which the form does not know.
            for file in self._files_to_close_on_error:
                file.close()
            raise MultiPartException("it ends before its last boundary: it was cut short")
        return form
