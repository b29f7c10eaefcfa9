"""The suite by a naive reading: all events are looked through at every question."""

from dataclasses import dataclass, field
from random import Random

from pipeline.core.windows import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS
from tests.core.plans import AT_MS, record

USERS = ("ann", "bob", "cleo", "dora", None)
CHARTS = ("c1", "c2", "c3", None)
LATENESS_MS = 30 * MINUTE_MS


@dataclass(frozen=True)
class Seen:
    """One record that is in order, as a naive reading sees it."""

    name: str
    time_ms: int
    visible_ms: int
    parts: dict = field(hash=False)

    @property
    def record(self):
        """The record itself."""
        return record(self.name, self.time_ms, **self.parts)

    def __getattr__(self, part):
        """A part by its name, None where there is none."""
        return self.parts.get(part)


def stream(seed, size):
    """Records of one partition over a few days, some late, in their order."""
    random = Random(seed)  # noqa: S311 - a stream of records, no secret
    now, newest, found, taught = AT_MS, None, [], set()
    for number in range(size):
        now += random.choice([0, SECOND_MS, 5 * MINUTE_MS, HOUR_MS, 9 * HOUR_MS])
        behind = random.choice([0, 0, 0, MINUTE_MS, 2 * HOUR_MS, 2 * DAY_MS])
        name = random.choice(["chart_viewed"] * 4 + ["chart_shared"] * 2 + ["team_joined"])
        name = random.choice([name, name, "order_paid"])
        time = now - behind
        if name in {"chart_shared", "team_joined"}:
            while time in taught:  # of two lessons at one moment the reference leaves open which
                time += 1
            taught.add(time)
        parts = {
            "userId": random.choice(USERS),
            "anonymousId": random.choice(["ann", "x", None]),
            "chart": random.choice(CHARTS),
            "team": random.choice(["red", "blue", None]),
            "watched": random.choice(USERS),
            "plan": random.choice(["pro", "free", None]),
            "paid": random.choice([True, False, None]),
            "test": False,
            "ms": random.choice([None, 0, 1_234.5678, 599_999]),
            "amount": random.choice([None, 7, 12.5, -3]),
            "messageId": f"m{number}",
        }
        watermark = time if newest is None else newest - LATENESS_MS
        found.append(Seen(name, time, max(time, watermark), parts))
        newest = max(time, newest or time)
    return found


def told(events, tick_ms):
    """What every metric of the suite is at a tick, by looking through all events."""
    seen = [each for each in events if each.visible_ms < tick_ms]
    views = [each for each in seen if each.name == "chart_viewed"]
    shares = [each for each in seen if each.name == "chart_shared"]
    active = views + shares
    paid = [each for each in seen if each.name == "order_paid"]
    owner = newest(shares, "chart", "userId")
    team = newest([each for each in seen if each.name == "team_joined"], "userId", "team")
    week = within(tick_ms, 7 * DAY_MS, 10 * MINUTE_MS)
    hour = within(tick_ms, HOUR_MS, SECOND_MS)
    today, yesterday = days(tick_ms)

    viewers = {}
    for each in filter(week, views):
        if each.chart and each.userId:
            viewers.setdefault(each.chart, set()).add(each.userId)
    reach = {chart for chart, ids in viewers.items() if len(ids - {owner.get(chart)}) >= 2}
    here = {each.userId for each in filter(week, active)} - {None}
    learning = {owner[chart] for chart in reach if owner.get(chart) in here}
    teams = [team.get(user) for user in learning]
    spending = {
        user
        for user in USERS[:-1]
        if micros(of(user, filter(week, paid))) >= 20_000_000
        or len(of(user, filter(today, paid))) >= 3
    }
    quiet = {
        user
        for user in USERS[:-1]
        if of(user, filter(hour, views))
        and not of(user, filter(hour, shares))
        and len(of(user, filter(hour, active))) < 3
    }
    watchers = {
        each.userId
        for each in filter(yesterday, views)
        if each.userId and each.watched not in {None, each.userId}
    }
    lately = [*filter(hour, views)]
    seconds = [each.ms / 1000 for each in lately if each.ms is not None]
    total = sum(round(value * 1e6) for value in seconds) / 1e6
    this_week = [each for each in views if each.time_ms >= monday(tick_ms)]
    return {
        "weekly_learning_users": len(learning),
        "teams": sum(teams.count(one) >= 2 for one in ("red", "blue")),
        "reach": len(reach),
        "spending": len(spending),
        "quiet": len(quiet),
        "watchers": len(watchers),
        "views": len(lately),
        "pro_views": sum(each.plan == "pro" for each in lately),
        "paid_views": sum(each.paid is True for each in lately),
        "seconds": total / len(seconds) if seconds else None,
        "revenue": micros(filter(today, paid)) / 1e6,
        "visitors": len({visitor(each) for each in lately} - {None}),
        "viewings": len({(v.userId, v.chart) for v in this_week if v.userId and v.chart}),
    }


def newest(lessons, entity, attribute):
    """What the newest lesson says of each entity."""
    found = {}
    for each in sorted(lessons, key=lambda each: each.time_ms):
        if each.parts[entity] and each.parts[attribute]:
            found[each.parts[entity]] = each.parts[attribute]
    return found


def within(tick_ms, size_ms, step_ms):
    """Whether an event lies in a trailing window."""
    start = (tick_ms - size_ms) // step_ms * step_ms
    return lambda each: start <= each.time_ms < tick_ms


def days(tick_ms):
    """Whether an event lies in this day, or in yesterday, in Berlin's winter."""
    start = (tick_ms + HOUR_MS) // DAY_MS * DAY_MS - HOUR_MS
    return (
        lambda each: start <= each.time_ms < tick_ms,
        lambda each: start - DAY_MS <= each.time_ms < start,
    )


def monday(tick_ms):
    """When this week began in Berlin; 1970 began on a Thursday."""
    thursday = 3 * DAY_MS + HOUR_MS
    return (tick_ms + thursday) // (7 * DAY_MS) * (7 * DAY_MS) - thursday


def of(user, events):
    """The events of one user."""
    return [each for each in events if each.userId == user]


def micros(events):
    """The sum of amounts, in millionths."""
    return sum(round(each.amount * 1e6) for each in events if each.amount is not None)


def visitor(each):
    """Who looked, known or not; the two are never the same."""
    if each.userId:
        return each.userId
    return each.anonymousId and ("anonymous", each.anonymousId)
