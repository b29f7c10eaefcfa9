"""Snapshots: arrays and a few plain facts, packed into bytes that can be trusted or refused.

    magic (4) │ version (2) │ header size (4) │ xxh3 of all that follows (8) │ header │ arrays

The header's size seeds the checksum, so that it is covered too.

The header is JSON: `facts`, and name, type and length of each array. Nothing of our classes is in
it, so that code may be renamed without losing state.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray
from xxhash import xxh3_64, xxh3_64_intdigest

MAGIC: Final = b"NSTR"
VERSION: Final = 1
_PREFIX: Final = struct.Struct("<4sHIQ")


class UnreadableSnapshot(ValueError):
    """Bytes that are no snapshot of ours, of another version, or damaged."""


def digest(value: bytes) -> str:
    """A short fingerprint of bytes, to compare and not to protect."""
    return f"{xxh3_64_intdigest(value):016x}"


Arrays = dict[str, NDArray[Any]]


def pack(arrays: Mapping[str, NDArray[Any]], facts: Mapping[str, Any]) -> bytes:
    """Put arrays (any shape and type of numbers) and JSON-able facts into bytes."""
    header = msgspec.json.encode(
        {
            "facts": facts,
            "arrays": [
                {"name": name, "type": array.dtype.str, "shape": array.shape}
                for name, array in arrays.items()
            ],
        }
    )
    # The one copy is that into the whole: states are large, and all of them are packed each epoch.
    parts = [memoryview(header), *(np.ascontiguousarray(array).data for array in arrays.values())]
    checksum = xxh3_64(seed=len(header))
    for part in parts:
        checksum.update(part)
    prefix = _PREFIX.pack(MAGIC, VERSION, len(header), checksum.intdigest())
    return b"".join([prefix, *parts])


def unpack(packed: bytes) -> tuple[Arrays, dict[str, Any]]:
    """Take apart what `pack` made. The arrays are writable copies.

    Raises:
        UnreadableSnapshot: with what is wrong, when the bytes are not what was saved.
    """
    header_size, body = _verified(packed)
    header = msgspec.json.decode(body[:header_size])
    return _arrays(header["arrays"], body[header_size:]), header["facts"]


def verify(packed: bytes) -> None:
    """Return when the bytes are what was saved.

    Raises:
        UnreadableSnapshot: with what is wrong, when they are not.
    """
    _verified(packed)


def _verified(packed: bytes) -> tuple[int, memoryview]:
    """How long the header is, and what follows the prefix."""
    if len(packed) < _PREFIX.size:
        raise UnreadableSnapshot(f"a snapshot of {len(packed)} bytes is cut short")
    magic, version, header_size, checksum = _PREFIX.unpack_from(packed)
    if magic != MAGIC:
        raise UnreadableSnapshot("not a Northstar snapshot")
    if version != VERSION:
        raise UnreadableSnapshot(f"snapshot version {version}, this release reads {VERSION}")
    body = memoryview(packed)[_PREFIX.size :]
    if xxh3_64_intdigest(body, header_size) != checksum:
        raise UnreadableSnapshot("saved state is damaged: a checksum does not match")
    return header_size, body


def _arrays(described: list[dict[str, Any]], body: memoryview) -> Arrays:
    arrays: Arrays = {}
    start = 0
    for entry in described:
        dtype, shape = np.dtype(entry["type"]), tuple(entry["shape"])
        end = start + dtype.itemsize * int(np.prod(shape))
        arrays[entry["name"]] = np.frombuffer(body[start:end], dtype).reshape(shape).copy()
        start = end
    return arrays
