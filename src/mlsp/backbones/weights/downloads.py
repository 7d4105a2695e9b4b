"""Downloads and verifies a file before it gets its name; safe with several processes. pooch does the transfer."""

from __future__ import annotations

import os
import shutil
import time
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mlsp.backbones.records import WeightsFile
from mlsp.base.digests import file_digest
from mlsp.base.errors import OutputError, WeightsError

Progress = Callable[[int, int], None]

_SCHEMES = ("https", "http", "file")
_CHUNK_BYTES = 1 << 20
# Besides 5xx, answers after which the same request may succeed: timeout, too early, too many requests.
_PASSING_STATUSES = (408, 425, 429)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Patience with the network.

    Attributes:
        attempts: maximum number of connections.
        backoff_s: pause before the second connection, in seconds; it doubles with each further one.
        timeout_s: maximum silence of the server, in seconds.
    """

    attempts: int = 5
    backoff_s: float = 1.0
    timeout_s: float = 30.0


PATIENCE = RetryPolicy()


def difference(file: Path, record: WeightsFile) -> str | None:
    """Describe how a file differs from its published size and digests.

    Returns:
        Expected and found value; None where nothing that is known differs.
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
    """Return whether the publisher states a digest of the file."""
    return any((record.sha256, record.sha256_start, record.md5))


def addresses(record: WeightsFile) -> tuple[str, ...]:
    """Return where a file is looked for: the mirror of the environment variable `MLSP_MIRROR`, the publisher, the record's mirrors.

    Below the address in `MLSP_MIRROR` each file has the host and path of its own: `MIRROR/HOST/PATH`, as `wget --force-directories`
    stores it.
    """
    mirror = os.environ.get("MLSP_MIRROR", "").rstrip("/")
    published = urllib.parse.urlsplit(record.url)
    own = (f"{mirror}/{published.netloc}{published.path}",) if mirror else ()
    return (*own, record.url, *record.mirrors)


def download(
    record: WeightsFile,
    target: Path,
    *,
    progress: Progress | None = None,
    retry: RetryPolicy = PATIENCE,
) -> None:
    """Download a file and verify it, all or nothing; proxies are those of the environment.

    Of several processes that want the same file one downloads it and the others wait.

    Args:
        record: address, size and digests of the file.
        target: file to make; nothing is done where it exists and does not differ.
        progress: called with the bytes so far and in all (0 while unknown).
        retry: patience.

    Raises:
        WeightsError: no address answers with the file that was published; the message states what each did.
        OutputError: the file cannot be written.
    """
    part = target.with_name(f"{target.name}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        # Loaded here, because scoring downloads nothing and must start fast.
        from filelock import FileLock

        with FileLock(target.with_name(f"{target.name}.lock")):
            if target.is_file() and difference(target, record) is None:
                return
            # Their texts only: an error kept here would keep its connection open.
            failures: list[str] = []
            for url in addresses(record):
                try:
                    _fetch(url, record, target, part, progress, retry)
                except WeightsError as error:
                    failures.append(str(error))
                else:
                    return
            raise WeightsError("\n".join(failures))
    except OSError as error:
        raise OutputError(
            f"cannot write {target}: {error.strerror or error}: free some space"
        ) from error


def _fetch(
    url: str,
    record: WeightsFile,
    target: Path,
    part: Path,
    progress: Progress | None,
    retry: RetryPolicy,
) -> None:
    scheme, _, path, _, _ = urllib.parse.urlsplit(url)
    if scheme not in _SCHEMES:
        raise WeightsError(
            f"cannot download {url}: expected an address with one of the schemes {', '.join(_SCHEMES)}, got {scheme!r}"
        )
    try:
        if scheme == "file":
            from urllib.request import url2pathname

            shutil.copyfile(url2pathname(path), part)
        else:
            _transfer(url, target, part, progress, retry)
        found = difference(part, record)
        if found is not None:
            raise WeightsError(
                f"{url} is not the file that was published: {found}."
                " Nothing was kept; try again or from another network: a proxy may have answered instead"
            )
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _transfer(
    url: str, target: Path, part: Path, progress: Progress | None, retry: RetryPolicy
) -> None:
    # It imports requests, which takes longer than reading the weights of a small network.
    from pooch import HTTPDownloader

    for attempt in range(1, retry.attempts + 1):
        transfer = HTTPDownloader(
            progressbar=_ProgressBar(progress) if progress else False,
            chunk_size=_CHUNK_BYTES,
            timeout=retry.timeout_s,
            headers={"User-Agent": "mlsp", "Accept-Encoding": "identity"},
        )
        try:
            transfer(url, part, None)
        except OSError as error:
            if error.errno is not None:
                # Of the disk; those of requests have no number.
                raise
            response = getattr(error, "response", None)
            reason = str(error) or type(error).__name__
            if response is not None:
                reason = f"the server answered {response.status_code} {response.reason}"
                if response.status_code < 500 and response.status_code not in _PASSING_STATUSES:
                    raise WeightsError(f"cannot download {url}: {reason}") from error
            if attempt == retry.attempts:
                raise WeightsError(
                    f"cannot download {url} in {attempt} attempts: {reason}."
                    f" Or download it elsewhere and save it as {target}"
                ) from error
            time.sleep(retry.backoff_s * 2 ** (attempt - 1))
        else:
            return


class _ProgressBar:
    """Progress bar as pooch expects one, which calls a callback."""

    def __init__(self, progress: Progress) -> None:
        self.total = 0
        self._progress = progress
        self._done = 0

    def update(self, count: int) -> None:
        # Pooch counts the last chunk as a whole one, and the whole file once more at the end.
        done = min(self._done + count, self.total or self._done + count)
        if done > self._done:
            self._done = done
            self._progress(done, self.total)

    def reset(self) -> None:
        pass

    def close(self) -> None:
        pass
