"""Public address -> verified file: resumed where it broke off, checked before it takes its place, safe beside other processes."""

from __future__ import annotations

import http.client
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from filelock import FileLock

from mlsp.backbones import WeightsFile
from mlsp.base.digests import file_digest
from mlsp.base.errors import OutputError, WeightsError

Progress = Callable[[int, int], None]

_SCHEMES = ("https", "http", "file")
_CHUNK_BYTES = 1 << 20
# Answers after which the same question may well be answered: timeout, too early, too many requests; and all of 5xx.
_PASSING_STATUSES = (408, 425, 429)
_RANGE_NOT_SATISFIABLE = 416


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How patiently a file is asked for.

    Attributes:
        attempts: connections made at most.
        backoff_s: pause before the second connection, in seconds; it doubles with each further one.
        timeout_s: longest silence of the server, in seconds.
    """

    attempts: int = 5
    backoff_s: float = 1.0
    timeout_s: float = 30.0


_PATIENCE = RetryPolicy()


class _BrokenOffError(Exception):
    """The transfer did not come to its end; another connection may."""


def difference(file: Path, record: WeightsFile) -> str | None:
    """Say how a file differs from what is published of it.

    Returns:
        What was expected and found; None where nothing that is known differs.
    """
    size = file.stat().st_size
    if record.size_bytes is not None and size != record.size_bytes:
        return f"expected {record.size_bytes} bytes, got {size}"
    for algorithm, expected in (
        ("sha256", record.sha256),
        ("sha256", record.sha256_start),
        ("md5", record.md5),
    ):
        if expected is None:
            continue
        found = file_digest(file, algorithm)
        if not found.startswith(expected):
            return f"expected {algorithm} {expected}, got {found[: len(expected)]}"
    return None


def has_digest(record: WeightsFile) -> bool:
    """Whether the publisher's word on the file's content is known."""
    return any((record.sha256, record.sha256_start, record.md5))


def download(
    record: WeightsFile,
    target: Path,
    *,
    progress: Progress | None = None,
    retry: RetryPolicy = _PATIENCE,
) -> None:
    """Download a file, verify it and put it in its place, all or nothing.

    A transfer that broke off is resumed, also by a later call, if a digest is known that would show a content changed in between.
    Of several processes that want the same file one downloads it and the others wait.

    Args:
        record: the address and what is known of the file.
        target: file to make; nothing is done where it is there and does not differ.
        progress: called with the bytes so far and in all (0 while unknown).
        retry: patience.

    Raises:
        WeightsError: the address is of another kind or does not answer, or the file is not the one published.
        OutputError: the file cannot be written.
    """
    scheme = urllib.parse.urlsplit(record.url).scheme
    if scheme not in _SCHEMES:
        raise WeightsError(
            f"cannot download {record.url}: expected an address of {', '.join(_SCHEMES)}, got {scheme!r}"
        )
    part = target.with_name(f"{target.name}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(target.with_name(f"{target.name}.lock")):
            if target.is_file() and difference(target, record) is None:
                return
            _transfer_patiently(record, target, part, progress, retry)
            found = difference(part, record)
            if found is not None:
                part.unlink()
                raise WeightsError(
                    f"{record.url} is not the file that was published: {found}."
                    f" Nothing was kept; try again, or another network: a proxy may have answered in its place"
                )
            part.replace(target)
    except OSError as error:
        raise OutputError(f"cannot write {target}: {error}") from error


def _transfer_patiently(
    record: WeightsFile, target: Path, part: Path, progress: Progress | None, retry: RetryPolicy
) -> None:
    for attempt in range(1, retry.attempts + 1):
        try:
            _transfer(record, part, progress, retry.timeout_s)
        except _BrokenOffError as error:
            if attempt == retry.attempts:
                raise WeightsError(
                    f"cannot download {record.url} in {attempt} attempts: {error}."
                    f" Or download it elsewhere and save it as {target}"
                ) from error
            time.sleep(retry.backoff_s * 2 ** (attempt - 1))
        else:
            return


def _transfer(record: WeightsFile, part: Path, progress: Progress | None, timeout_s: float) -> None:
    """Add to `part` what it lacks, by one connection."""
    start = part.stat().st_size if has_digest(record) and part.is_file() else 0
    if start and start == record.size_bytes:
        return
    headers = {"User-Agent": "mlsp", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    request = urllib.request.Request(record.url, headers=headers)  # noqa: S310 - scheme checked
    try:
        response = _opener().open(request, timeout=timeout_s)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == _RANGE_NOT_SATISFIABLE and start:
            if difference(part, record) is None:
                return
            part.unlink()
        elif error.code < 500 and error.code not in _PASSING_STATUSES:
            raise WeightsError(
                f"cannot download {record.url}: the server answered {error.code} {error.reason}"
            ) from error
        raise _BrokenOffError(f"the server answered {error.code} {error.reason}") from error
    except (OSError, http.client.HTTPException) as error:
        raise _BrokenOffError(str(error) or type(error).__name__) from error
    with response:
        is_rest = getattr(response, "status", None) == http.client.PARTIAL_CONTENT
        if is_rest and not response.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
            part.unlink(missing_ok=True)
            raise _BrokenOffError("the server sent another part of the file than asked for")
        done = start if is_rest else 0
        length = response.headers.get("Content-Length")
        total = record.size_bytes if length is None else done + int(length)
        if record.size_bytes is not None and total != record.size_bytes:
            raise WeightsError(
                f"{record.url} is not the file that was published: expected {record.size_bytes} bytes, the server has {total}"
            )
        with part.open("ab" if is_rest else "wb") as out:
            _copy(response, out, done, total, progress)


def _copy(
    response: IO[bytes], out: IO[bytes], done: int, total: int | None, progress: Progress | None
) -> None:
    while True:
        try:
            chunk = response.read(_CHUNK_BYTES)
        except (OSError, http.client.HTTPException) as error:
            raise _BrokenOffError(
                f"the connection broke after {done} bytes: {str(error) or type(error).__name__}"
            ) from error
        if not chunk:
            break
        out.write(chunk)
        done += len(chunk)
        if progress is not None:
            progress(done, total or 0)
    if total is not None and done < total:
        raise _BrokenOffError(f"the connection ended after {done} of {total} bytes")


def _opener() -> urllib.request.OpenerDirector:
    """Open http, https and file addresses only, also where a server redirects; proxies as the environment says."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.FileHandler(),
        urllib.request.UnknownHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPRedirectHandler(),
        urllib.request.HTTPErrorProcessor(),
    ):
        opener.add_handler(handler)
    return opener
