"""Small histories for trials, whose numbers can be worked out by hand.

The video product of the inventory's N45: the first metric of a young team is how many people come
in a day; the second is how many of them watch something through. Ten days; on day d (from 1)

- `DEEP[d - 1]` regulars watch two videos of 90 s each, and the first three of them a third one;
- `20 + 2d - DEEP[d - 1]` others come once: every second one (rounded down) for a video of 90 s,
  the others for one of 30 s;
- as many people renew as there were regulars the day before.

So at the midnight after day d there are 20 + 2d daily users, and `DEEP[d - 1]` that watched twice.
"""

import json
from datetime import UTC, datetime, timedelta

DEEP = (5, 9, 2, 8, 3, 7, 1, 6, 4, 10)
FIRST = datetime(2026, 3, 2, tzinfo=UTC)

SOURCE = """\
version: 1
product: {product}
source:
  topics: [{topic}]
  envelope: {{name: kind, time: ts}}
"""
EVENTS = """\
events:
  watched: {name: watched, ids: {user: who}, values: {seconds: length}}
  renewed: {name: renewed, ids: {user: who}}
"""
PRESENT = """\
metrics:
  daily_users: {role: north_star, value: distinct(watched.user), window: trailing 1d, unit: users}
  renewals: {role: result, value: count(renewed), window: trailing 1d, unit: renewals}
"""
CANDIDATE = """\
sets:
  deep:
    of: user
    when: count(watched, where=seconds >= 60) >= 2
    window: trailing 1d
metrics:
  deep_users: {role: north_star, value: size(deep), unit: users}
"""


def definition(product, rest, topic="videos"):
    """A definition of the video product."""
    return SOURCE.format(product=product, topic=topic) + EVENTS + rest


def record(at, kind, who, **more):
    """A record, as its source writes it."""
    return {"kind": kind, "ts": at.isoformat().replace("+00:00", "Z"), "who": who, **more}


def video_days():
    """The records of the story, in order; the first one stands at the first midnight."""
    return [each for day in range(1, len(DEEP) + 1) for each in video_day(day)]


def video_day(day):
    """What happens on a day, counted from 1: regulars at midnight, others at noon, renewals."""
    start = FIRST + timedelta(days=day - 1)
    noon, evening = start + timedelta(hours=12), start + timedelta(hours=18)
    regulars, before = DEEP[day - 1], DEEP[day - 2] if day > 1 else 0
    others = 20 + 2 * day - regulars
    return [
        *(
            record(start, "watched", f"regular-{user}", length=90)
            for user in range(regulars)
            for _ in range(3 if user < 3 else 2)
        ),
        *(
            record(noon, "watched", f"{day}-{user}", length=90 if user < others // 2 else 30)
            for user in range(others)
        ),
        *(record(evening, "renewed", f"regular-{user}") for user in range(before)),
    ]


def written(path, records):
    """The path, with the records in it as JSON lines."""
    path.write_text("".join(json.dumps(each) + "\n" for each in records))
    return path
