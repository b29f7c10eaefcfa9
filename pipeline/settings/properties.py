"""Which of librdkafka's properties a deployment may set, and which hold secrets.

All others go to librdkafka as they are, and it refuses those it does not know.
"""

from __future__ import annotations

import re
from typing import Final

RESERVED_PROPERTIES: Final[dict[str, str]] = {
    "bootstrap.servers": "write kafka.bootstrap",
    "metadata.broker.list": "write kafka.bootstrap",
    "group.id": "write kafka.group",
    "enable.auto.commit": "offsets are committed when state is saved, and only then",
    "enable.auto.offset.store": "offsets are committed when state is saved, and only then",
    "auto.offset.reset": "a gap is data loss; write kafka.on_data_loss or kafka.start",
    "enable.partition.eof": "it would only add noise; lag is a gauge",
    "plugin.library.paths": "it loads code into the process",
    "stats_cb": "callbacks belong to the engine",
    "log_cb": "callbacks belong to the engine",
    "error_cb": "callbacks belong to the engine",
}
UNVERIFIED: Final = frozenset(
    {
        ("enable.ssl.certificate.verification", "false"),
        ("ssl.endpoint.identification.algorithm", "none"),
    }
)
# Below a stored message's size a partition stands still for ever, with only a line in a log.
RECEIVE_BYTES_MIN: Final = 100_000_000

_SECRET = re.compile(r"password|secret|\.pem|oauthbearer\.config")


def refusal(name: str, value: str, *, insecure: bool) -> str:
    """Why a property may not be set to this (lower-case) value; empty when it may.

    >>> refusal("group.id", "mine", insecure=False)
    'write kafka.group'
    """
    if name == "receive.message.max.bytes" and value.isdecimal() and int(value) < RECEIVE_BYTES_MIN:
        return "a record above it stalls its partition for ever; leave it out"
    if (name, value) in UNVERIFIED and not insecure:
        return "anyone on the way could pose as the cluster; kafka.insecure: true allows it"
    return RESERVED_PROPERTIES.get(name, "")


def holds_secret(name: str) -> bool:
    """Whether a property's value must never be shown.

    >>> holds_secret("sasl.password"), holds_secret("sasl.mechanism")
    (True, False)
    """
    return _SECRET.search(name) is not None
