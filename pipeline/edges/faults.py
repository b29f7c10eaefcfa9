"""What can go wrong with a place that records come from, by what to do about it.

Each text is one clear line for the person who runs it, without secrets.
"""

from __future__ import annotations


class UnreachableError(Exception):
    """The place does not answer, or does not have what was asked for; trying again may help."""


class AuthFailedError(UnreachableError):
    """The place answers and refuses us: a password, a certificate or a permission is wrong."""


class UnreadableError(Exception):
    """What is there is broken, and no trying again helps."""


class DataLossError(Exception):
    """Records that were not read yet are provably gone, or the place was made anew."""
