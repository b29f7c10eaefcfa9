"""Routing: names of shards by which Bytewax deals them out evenly.

Bytewax keeps a key on the worker that the key's hash names, modulo the workers. Of 32 shards that
are simply numbered, the first of two processes gets 13 and the other 19. So a shard's name ends in
a letter or two that make its hash what it should be: shard by shard, one worker after the other.

The hash is that of Rust's standard library for text: SipHash-1-3 with keys of zero, of the UTF-8
bytes and 0xff (Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012).
"""

from __future__ import annotations

from functools import cache
from itertools import count
from typing import Final

EVEN_OVER: Final = 48
"""Shards are even over as many workers as divide this: 2, 3, 4, 6, 8, 12, 16, 24 and 48."""

_MASK: Final = (1 << 64) - 1
_INITIAL: Final = (
    0x736F6D6570736575, 0x646F72616E646F6D, 0x6C7967656E657261, 0x7465646279746573,
)  # fmt: skip
_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz"


@cache
def shard_key(shard: int) -> str:
    """The key under which a shard's state is kept; never to be changed.

    >>> [shard_key(number) for number in range(3)]
    ['shard-000mb', 'shard-001pa', 'shard-002ta']
    """
    plain = f"shard-{shard:03d}"
    names = (plain + _letters(number) for number in count())
    return next(name for name in names if text_hash(name) % EVEN_OVER == shard % EVEN_OVER)


def _letters(number: int) -> str:
    """Give a, b, … z, aa, ba, … by number."""
    rest, letter = divmod(number, len(_LETTERS))
    return _LETTERS[letter] + (_letters(rest - 1) if rest else "")


def text_hash(text: str) -> int:
    """What Bytewax takes modulo the workers: 64 bits.

    >>> hex(text_hash(""))
    '0x30406ea523c53def'
    """
    data = text.encode() + b"\xff"
    whole = len(data) - len(data) % 8
    words = [int.from_bytes(data[at : at + 8], "little") for at in range(0, whole, 8)]
    words.append(int.from_bytes(data[whole:], "little") | (len(data) & 0xFF) << 56)
    state = _INITIAL
    for word in words:
        a, b, c, d = _round(*state[:3], state[3] ^ word)
        state = a ^ word, b, c, d
    a, b, c, d = state
    state = a, b, c ^ 0xFF, d
    for _ in range(3):
        state = _round(*state)
    return state[0] ^ state[1] ^ state[2] ^ state[3]


def _round(a: int, b: int, c: int, d: int) -> tuple[int, int, int, int]:
    a = a + b & _MASK
    b = _turned(b, 13) ^ a
    c = c + d & _MASK
    d = _turned(d, 16) ^ c
    a = _turned(a, 32) + d & _MASK
    d = _turned(d, 21) ^ a
    c = c + b & _MASK
    b = _turned(b, 17) ^ c
    return a, b, _turned(c, 32), d


def _turned(word: int, bits: int) -> int:
    return (word << bits | word >> 64 - bits) & _MASK
