"""Records decoded in one batch, and a batch read back as rows."""

import math

from pipeline.core.decode import Decoder
from pipeline.core.deployment import Deployment
from pipeline.core.expression import Kind
from pipeline.core.match import Matcher
from pipeline.core.wanted import leaves
from tests.core.plans import SUITE, compiled, records

DEPLOYMENT = Deployment()
OWN = "{name: event, time: timestamp, id: messageId}"


def decoded(values, plan=SUITE, state=None, **of_records):
    """What records come to in one batch."""
    decoder = Decoder(plan, DEPLOYMENT)
    return decoder.decode(records(values, **of_records), state or decoder.fresh())


def counted(values, plan=SUITE, **of_records):
    """What became of records in one batch, after match."""
    found = decoded(values, plan, **of_records)
    found.counts.add(Matcher(plan, DEPLOYMENT).match(found.batch).counts)
    return found.counts


def rows(batch, plan=SUITE):
    """A batch as a list of rows, free of the batch's own codes for texts."""
    if not len(batch):
        return []
    words = {code: text for text, code in batch.dictionary.items()}
    columns = [batch.names.tolist(), batch.times_ms.tolist(), batch.visible_ms.tolist()]
    columns += [batch.ids[source].tolist() for source in sources(plan)]
    for number, event in enumerate(plan.events):
        for value in event.values:
            column = batch.values[number, value.name].tolist()
            columns.append(said(column, value.kind, words))
    for leaf in wheres(plan):
        columns.append(said(batch.columns[leaf].tolist(), leaf.kind, words))
    return list(zip(*columns, strict=True))


def said(column, kind, words):
    """A column's values with None where absent."""
    if kind is Kind.TEXT:
        return [words[code] for code in column]
    return [None if value == -1 or math.isnan(value) else value for value in column]


def sources(plan):
    """Every place of an id, once."""
    return list(dict.fromkeys(source for event in plan.events for _, source in event.ids))


def wheres(plan):
    """Every leaf of an event's condition, once."""
    found = [leaf for event in plan.events if event.where for leaf in leaves(event.where)]
    return list(dict.fromkeys(found))


def reading(envelope, where, values="properties.ms", more=""):
    """A plan that reads its records at these places."""
    return compiled(
        f"""
        version: 1
        product: places
        source: {{topics: [events], envelope: {envelope}}}
        events:
          viewed:
            name: chart_viewed
            ids: {{user: userId}}
            values: {{seconds: {values}}}
            where: {where}
          {more}
        metrics:
          seconds: {{role: north_star, value: sum(viewed.seconds), window: trailing 7d, owner: me}}
          users: {{value: distinct(viewed.user), window: trailing 7d}}
        """
    )
