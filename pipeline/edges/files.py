"""Recorded events: JSON lines in files, zipped or not, or on standard input.

Each file is a partition, numbered in the order given; all of them are one slot. Each line is a
record and its offset is its line number from 0; empty lines are no records, but keep their number.
A last line without newline counts. Bytes decide whether a file is zipped, not its name.

Files of one topic's partitions cover the same time, and are best read side by side: records that
are ahead of the others only wait. So the reader asks how far each partition has come (the source
is given `watermark_ms`) and goes on with the one that is furthest behind. That changes how much
waits, and no number.
"""

from __future__ import annotations

import os
import select
import stat
import zlib
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Final

import numpy as np

from pipeline.core.hopeless import RECORD_BYTES_MAX
from pipeline.core.records import Records
from pipeline.edges.faults import DataLossError, UnreachableError, UnreadableError
from pipeline.edges.kcat import opened

BLOCK_BYTES: Final = 1 << 20
# Of a longer line just enough is passed on for decode to refuse it.
LINE_BYTES_MAX: Final = RECORD_BYTES_MAX
STANDARD_INPUT: Final = "-"
SKIPPED_BLOCKS_MAX: Final = 64  # for one poll, on the way to where a restart goes on

_GZIP_MAGIC: Final = b"\x1f\x8b"
_GZIP_WINDOW: Final = 16 + zlib.MAX_WBITS  # gzip's header and trailer, and no other's
_LONG_AGO: Final = -(1 << 62)

WatermarkMs = Callable[[int], int | None]  # how far a partition has come, None if that is unknown


def _unknown(_: int) -> None:
    return None


class Lines(StrEnum):
    """What a line is."""

    VALUE = "value"  # of a record, and nothing else
    KCAT = "kcat"  # a record with its key, headers and the like, as `kcat -J` prints it


class FileSource:
    """Files as partitions of one slot.

    `now_ms` counts as the moment when every record reached the log, so that a replay gives the
    same numbers whenever it is run. `paths` may hold `-` once, for standard input.
    """

    def __init__(
        self,
        paths: Sequence[str],
        now_ms: int,
        watermark_ms: WatermarkMs = _unknown,
        lines: Lines = Lines.VALUE,
    ) -> None:
        """Open the files.

        Raises:
            UnreachableError: A file cannot be opened.
        """
        self._blocks = [_Blocks(path) for path in paths]
        self._lines = lines
        self._now_ms = now_ms
        self._watermark_ms = watermark_ms

    @property
    def slots(self) -> int:
        """One: the reader chooses between files."""
        return 1

    def open(self, slot: int, positions: Mapping[int, int]) -> FileReader:
        """Read all files, each from its position (a line number); once for each source."""
        if slot != 0:
            raise AssertionError(f"files are one slot, and {slot} is another")
        files = [
            _Lines(blocks, positions.get(number, 0)) for number, blocks in enumerate(self._blocks)
        ]
        return FileReader(files, self._now_ms, self._watermark_ms, self._lines)

    def partition_name(self, partition: int) -> tuple[str, str]:
        """The file and the number of a partition, as telemetry's labels."""
        return self._blocks[partition].path, str(partition)

    def progress(self) -> tuple[int, int | None]:
        """Bytes read and bytes in all, as they lie on disk; None in all where a pipe has no end."""
        sizes = [blocks.size for blocks in self._blocks]
        known = [size for size in sizes if size is not None]
        done = sum(blocks.bytes_read for blocks in self._blocks)
        return done, sum(known) if len(known) == len(sizes) else None


class FileReader:
    """The open files of a source."""

    def __init__(
        self, files: Sequence[_Lines], now_ms: int, watermark_ms: WatermarkMs, lines: Lines
    ) -> None:
        self._files = files
        self._is_kcat = lines is Lines.KCAT
        self._now_ms = now_ms
        self._watermark_ms = watermark_ms

    def poll(self, limit: int) -> Sequence[Records]:
        """Up to `limit` lines of the file that is furthest behind and has some now.

        Raises:
            UnreadableError: A zipped file is broken.
            DataLossError: A file ends before the position where it was to go on.
        """
        for number in sorted(self.partitions(), key=self._behind):
            lines = self._files[number]
            first = lines.number
            values = lines.take(limit)
            if values:
                return self._records(number, first, values)
        return ()

    def _behind(self, number: int) -> tuple[int, int]:
        watermark = self._watermark_ms(number)
        return _LONG_AGO if watermark is None else watermark, self._files[number].number

    def _records(self, number: int, first: int, values: list[bytes]) -> Sequence[Records]:
        offsets = np.arange(first, first + len(values), dtype=np.int64)
        records: list[bytes | None] = [*values]
        if b"" in values or b"\r" in values:
            written = np.array([value not in _EMPTY for value in values])
            offsets = offsets[written]
            records = [value for value in values if value not in _EMPTY]
        if not records:
            return ()
        ingested_ms = np.full(len(records), self._now_ms, dtype=np.int64)
        found = Records(number, records, offsets, ingested_ms)
        return (opened(found) if self._is_kcat else found,)

    def partitions(self) -> Sequence[int]:
        """All files, by number."""
        return range(len(self._files))

    def positions(self) -> Mapping[int, int]:
        """None: what nothing was read from is read from its start."""
        return {}

    def finished(self, partition: int) -> bool:
        """Whether all lines of a file have been passed on."""
        return self._files[partition].finished

    def at_end(self, partition: int) -> bool:
        """Whether there is nothing to read now: the end, or a pipe whose writer is silent."""
        return self._files[partition].at_end

    def caught_up(self, partition: int) -> bool:
        """Whether a file was read to its end, or a pipe until its writer was silent once."""
        return self._files[partition].caught_up

    def durable(self, positions: Mapping[int, int]) -> None:
        """Nobody waits for positions in files."""

    def close(self) -> None:
        """Close the files."""
        for lines in self._files:
            lines.blocks.close()


_EMPTY: Final = (b"", b"\r")


class _Lines:
    """The lines of one file; `number` is that of the next one."""

    def __init__(self, blocks: _Blocks, start: int) -> None:
        self.blocks = blocks
        self.number = start
        self._to_skip = start
        self._split: list[bytes] = []
        self._taken = 0  # of those
        self._rest = b""  # of a line that has not ended yet
        self._overlong = False  # and of which no more is kept
        self._ended = False
        self._silent = False  # nothing there now, but it has not ended
        self._was_silent = False

    @property
    def finished(self) -> bool:
        return self._ended and self._taken == len(self._split)

    @property
    def at_end(self) -> bool:
        return (self._ended or self._silent) and self._taken == len(self._split)

    @property
    def caught_up(self) -> bool:
        return self._was_silent or self.finished

    def take(self, limit: int) -> list[bytes]:
        """The next lines, at most `limit`; none if none are there now, or for ever."""
        for _ in range(SKIPPED_BLOCKS_MAX):
            self._skip()
            if self._taken < len(self._split) or not self._more():
                break
        self._skip()
        if self._to_skip:
            return self._missing()
        lines = self._split[self._taken : self._taken + limit]
        self._taken += len(lines)
        self.number += len(lines)
        return lines

    def _skip(self) -> None:
        skipped = min(self._to_skip, len(self._split) - self._taken)
        self._taken += skipped
        self._to_skip -= skipped

    def _missing(self) -> list[bytes]:
        if self._ended:
            path = self.blocks.path
            raise DataLossError(
                f"{path} has {self.number - self._to_skip} lines, and {self.number} were read "
                "before: it is not the same file any more"
            )
        return []

    def _more(self) -> bool:
        """Split the next block; False if there is none now."""
        if self._ended:
            return False
        block = self.blocks.read()
        self._silent = block is None
        if block is None:
            self._was_silent = True
            return False
        self._taken = 0
        if block:
            self._split = self._lines_of(block)
        else:
            self._split = [self._rest] if self._rest else []
            self._ended = True
        return True

    def _lines_of(self, block: bytes) -> list[bytes]:
        if self._overlong:
            end = block.find(b"\n")
            if end < 0:
                return []
            block = block[end:]
            self._overlong = False
        lines = (self._rest + block).split(b"\n")
        self._rest = lines.pop()
        if len(self._rest) > LINE_BYTES_MAX:
            self._rest = self._rest[: LINE_BYTES_MAX + 1]
            self._overlong = True
        return lines


class _Blocks:
    """The bytes of one file, unzipped; `bytes_read` and `size` count them as they lie on disk."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.bytes_read = 0
        try:
            self._file = 0 if path == STANDARD_INPUT else os.open(path, os.O_RDONLY)
            status = os.fstat(self._file)
        except OSError as error:
            raise UnreachableError(f"{path}: {error.strerror}") from None
        if stat.S_ISDIR(status.st_mode):
            self.close()
            raise UnreachableError(f"{path}: a directory; name the files in it")
        self._is_regular = stat.S_ISREG(status.st_mode)
        self.size = status.st_size if self._is_regular else None
        self._zipped = b""  # bytes that are not unzipped yet
        self._unzip: zlib._Decompress | None = None
        self._in_member = False

    def close(self) -> None:
        if self.path != STANDARD_INPUT and self._file >= 0:
            os.close(self._file)
        self._file = -1

    def read(self) -> bytes | None:
        """The next bytes; empty at the end, None if there are none now."""
        if self._unzip is not None:
            return self._read_zipped()
        block = self._read_raw()
        if block is None or self.bytes_read > len(block) or not block.startswith(_GZIP_MAGIC):
            return block
        self._zipped = block
        self._unzip = zlib.decompressobj(_GZIP_WINDOW)
        return self._read_zipped()

    def _read_raw(self) -> bytes | None:
        if not self._is_regular and not select.select([self._file], [], [], 0)[0]:
            return None
        try:
            block = os.read(self._file, BLOCK_BYTES)
        except OSError as error:
            raise UnreadableError(f"{self.path}: {error.strerror}") from None
        self.bytes_read += len(block)
        return block

    def _read_zipped(self) -> bytes | None:
        while True:
            zipped = self._zipped or self._read_raw()
            if zipped is None:
                return None
            if not zipped:
                return self._end()
            if block := self._unzipped(zipped):
                return block

    def _unzipped(self, zipped: bytes) -> bytes:
        if self._unzip is None:
            raise AssertionError("not a zipped file")
        self._in_member = True
        try:
            block = self._unzip.decompress(zipped, BLOCK_BYTES)
        except zlib.error as error:
            raise UnreadableError(f"{self.path}: broken gzip: {error}") from None
        self._zipped = self._unzip.unconsumed_tail
        if self._unzip.eof:
            # Files put one after the other are one; zeros may fill up a tape's block.
            self._zipped = self._unzip.unused_data.lstrip(b"\0")
            self._unzip = zlib.decompressobj(_GZIP_WINDOW)
            self._in_member = False
        return block

    def _end(self) -> bytes:
        if self._in_member:
            raise UnreadableError(f"{self.path}: broken gzip: it ends too early")
        return b""
