"""Decoding in processes that can be ended: a decoder in C cannot be interrupted, and a thread in it cannot be stopped.

content ─ pipe ─ process: read_photo ─ pipe ─ Photo
                 │ ended after so many seconds, and replaced

Not `concurrent.futures` nor pebble: the one gives up all its processes when one dies, the other when all do at rest.
"""

from __future__ import annotations

import multiprocessing
import os
import queue
import signal
import sys
import threading
from multiprocessing.connection import Connection, wait
from pathlib import Path

from mlsp.base.closing import Closing
from mlsp.base.errors import (
    EngineError,
    PhotoError,
    SettingsError,
    UnreadablePhotoError,
    UnsupportedPhotoError,
)
from mlsp.base.machine import check_not_forked
from mlsp.base.parallel import check_workers
from mlsp.photos.memory import ask_elsewhere, process_budget
from mlsp.photos.photo import Photo, read_photo
from mlsp.photos.settings import DEFAULTS, DecodeSettings

# Importing the decoders takes a fraction of it, also on a busy machine.
_START_SECONDS = 120


class DecodingProcesses(Closing):
    """Processes that decode photos, each one at a time. Several threads may use them at once.

    They are started when they are first needed, by spawning: a script that makes them must have `if __name__ == "__main__"`.

    Args:
        processes: maximum number of them; so many photos are decoded at the same time.
        seconds: that a photo may take.
        outlives_interrupt: whether a photo is decoded to its end after Ctrl-C, which goes to all processes of a terminal; else the
            process ends, and nobody waits for it.

    Raises:
        SettingsError: one of them is not above 0.
    """

    def __init__(self, processes: int, *, seconds: float, outlives_interrupt: bool = True) -> None:
        check_workers(processes)
        if not seconds > 0:
            raise SettingsError(f"decoding needs a time above 0 seconds, got {seconds:g}")
        self._seconds = seconds
        self._outlives_interrupt = outlives_interrupt
        # Last in, first out: what is not needed is never started.
        self._idle: queue.LifoQueue[_Decoder | None] = queue.LifoQueue()
        for _ in range(processes):
            self._idle.put(None)
        self._lock = threading.Lock()
        self._started: set[_Decoder] = set()
        self._is_closed = False
        self._opened_by = os.getpid()

    def read(
        self,
        source: Path | bytes,
        *,
        settings: DecodeSettings = DEFAULTS,
        source_path: Path | None = None,
    ) -> Photo:
        """Decode a photo; see `mlsp.photos.read_photo`.

        Raises:
            UnsupportedPhotoError: it takes longer than allowed, or as `read_photo`.
            UnreadablePhotoError: its decoder crashed, or as `read_photo`.
            PhotoError: as `read_photo`.
            EngineError: no process can be started, or they are closed.
            SettingsError: this process was forked from the one whose they are.
        """
        # What it sent would mix with what the other sends.
        check_not_forked(self._opened_by, "decoder")
        decoder = self._idle.get()
        try:
            if decoder is None or not decoder.is_alive:
                decoder = self._replace(decoder)
            found = decoder.read(source, settings, source_path, self._seconds)
        except BaseException:
            if decoder is not None:
                self._end(decoder)
            self._idle.put(None)
            raise
        self._idle.put(decoder)
        if isinstance(found, PhotoError):
            raise found
        return found

    def close(self) -> None:
        """End the processes, whatever they are at."""
        with self._lock:
            self._is_closed = True
            started = set(self._started)
        for decoder in started:
            self._end(decoder)

    def _replace(self, decoder: _Decoder | None) -> _Decoder:
        if decoder is not None:
            self._end(decoder)
        with self._lock:
            if self._is_closed:
                raise EngineError("photos are no longer decoded: the scorer is closed")
            decoder = _Decoder(outlives_interrupt=self._outlives_interrupt)
            self._started.add(decoder)
        try:
            decoder.wait_until_ready()
        except BaseException:
            self._end(decoder)
            raise
        return decoder

    def _end(self, decoder: _Decoder) -> None:
        with self._lock:
            self._started.discard(decoder)
        decoder.end()


class _Decoder:
    """A process that decodes one photo after the other."""

    def __init__(self, *, outlives_interrupt: bool) -> None:
        # Not forked: this process has threads, of which a fork would find locks that nobody opens.
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(
            target=_decode, args=(theirs, outlives_interrupt), daemon=True
        )
        try:
            self._process.start()
        except OSError as error:
            self._connection.close()
            raise EngineError(
                f"a process that decodes photos cannot be started: {error}"
            ) from error
        finally:
            theirs.close()

    @property
    def is_alive(self) -> bool:
        return self._process.is_alive()

    def wait_until_ready(self) -> None:
        try:
            if self._connection.poll(_START_SECONDS):
                self._connection.recv()
                return
        except (EOFError, OSError):
            pass
        raise EngineError("a process that decodes photos did not start")

    def read(
        self,
        source: Path | bytes,
        settings: DecodeSettings,
        source_path: Path | None,
        seconds: float,
    ) -> Photo | PhotoError:
        budget = process_budget()
        taken = 0
        try:
            self._connection.send((source, settings, source_path))
            while True:
                if not self._connection.poll(seconds):
                    raise UnsupportedPhotoError(
                        f"decoding it takes more than {seconds:g} s: save it anew, or smaller"
                    )
                found = self._connection.recv()
                if not isinstance(found, int):
                    answer: Photo | PhotoError = found
                    return answer
                # So much memory is asked for; waiting for it is not decoding.
                refusal = None
                try:
                    budget.take(found)
                    taken += found
                except PhotoError as error:
                    refusal = error
                self._connection.send(refusal)
        except (EOFError, OSError) as error:
            self._process.join(timeout=1)
            raise UnreadablePhotoError(
                f"its decoder ended (exit code {self._process.exitcode}): the photo made it crash,"
                " or there was not enough memory"
            ) from error
        finally:
            budget.give_back(taken)

    def end(self) -> None:
        """End the process, whatever it is at; a thread that waits for it gets an error."""
        self._process.kill()
        self._process.join()
        # Its connection is closed with it: a thread that waits there would not notice, and meet the next file of that number.


class _BudgetOfParent:
    """Asks for memory where that of all processes is counted; it is given back there, when the photo is done."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def take(self, size: int) -> None:
        self._connection.send(size)
        refusal = self._connection.recv()
        if refusal is not None:
            raise refusal

    def give_back(self, size: int) -> None:
        return


def _decode(connection: Connection, outlives_interrupt: bool) -> None:
    """Decode what comes, until nobody is left to send it."""
    # Where it is ignored already, in the background of a script, it stays so.
    if outlives_interrupt or signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.SIG_IGN if outlives_interrupt else signal.SIG_DFL)
    _silence_libraries()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    ask_elsewhere(_BudgetOfParent(connection))
    connection.send("ready")
    while True:
        try:
            source, settings, source_path = connection.recv()
        except EOFError:
            return
        try:
            found: Photo | PhotoError = read_photo(
                source, settings=settings, source_path=source_path
            )
        except PhotoError as error:
            found = error
        connection.send(found)


def _silence_libraries() -> None:
    """Keep the lines that decoders in C write to the terminal away; Python's own still come."""
    sys.stderr = os.fdopen(os.dup(2), "w", buffering=1)
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 2)
    os.close(silence)


def _end_with_parent() -> None:
    """End this process when its parent does, however that ends; otherwise a decoder goes on for nobody."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
