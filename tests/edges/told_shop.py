"""A shop with a set that tells who enters it and who leaves it, and a tick at which two do."""

from pipeline.core.publish import Tick
from pipeline.core.transitions import Change, Transition
from pipeline.spec import read_text

DEFINITION = """\
version: 1
product: shop
source: {topics: [events], envelope: {name: kind, time: {from: ts, unit: ms}}}
events:
  viewed: {name: viewed, ids: {user: user}}
sets:
  busy: {of: user, when: count(viewed) >= 1, window: trailing 1m, transitions: true}
metrics:
  north: {role: north_star, value: size(busy)}
"""
PLAN = read_text(DEFINITION, "shop.yaml").plan
UNTOLD = read_text(DEFINITION.replace(", transitions: true", ""), "shop.yaml").plan
ANN = Transition("busy", "user", "ann", "0a", Change.ENTERED)
SOMEBODY = Transition("busy", "user", None, "0b", Change.LEFT)
TICK = Tick(60_000, (), (), transitions=(SOMEBODY, ANN))
LINES = [
    {"at": "1970-01-01T00:01:00Z", "product": "shop", "set": "busy", "entity": "user",
     "id": who, "hash": key, "change": change}
    for who, key, change in ((None, "0b", "left"), ("ann", "0a", "entered"))
]  # fmt: skip
