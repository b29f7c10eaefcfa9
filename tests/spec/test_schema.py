"""The schema: published, fresh, described, and the reports on what it refuses."""

import json
from pathlib import Path

import pytest

from pipeline.spec import json_schema
from pipeline.spec.described import field_of, keys_at
from pipeline.spec.schema import Definition

PUBLISHED = Path(__file__).parents[2] / "definitions" / "schema.json"


def models(schema):
    """All mappings with fields in a JSON Schema."""
    return [schema, *schema["$defs"].values()]


def test_published_schema_is_fresh():
    """`definitions/schema.json` is what the models say; write it anew with `northstar schema`."""
    assert PUBLISHED.read_text() == json_schema()


def test_schema_knows_every_key():
    """No mapping of the language is open, and no key may be null."""
    schema = json.loads(json_schema())
    assert all(model["additionalProperties"] is False for model in models(schema))
    assert '"null"' not in json_schema()


def test_every_field_is_described_and_shown():
    """Each field says what it is for and has an example: both stand in its problems."""
    schema = json.loads(json_schema())
    for model in models(schema):
        for name, field in model["properties"].items():
            assert field.get("description"), name
            assert field.get("examples"), name


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ((), None),
        (("metrics",), "metrics"),
        (("metrics", "a"), "metrics"),
        (("metrics", "a", "guard", "warn"), "warn"),
        (("metrics", "a", "guard", "better", "between", 1), "between"),
        (("events", "e", "ids", "user", "first", 0), "first"),
        (("events", "e", "ids", "user"), "ids"),
        (("entities", "e", "a", "from"), "from"),
        (("source", "envelope", "time", "unit"), "unit"),
        (("nowhere", "at", "all"), None),
    ],
)
def test_fields_are_found_by_their_place(path, key):
    """A place in the data leads to the field that describes it."""
    found = field_of(path)
    assert (found and found[0]) == key


def test_keys_are_known_by_their_place():
    """What may stand in a mapping is known; where names are free, nothing is."""
    assert keys_at(("sets", "a")) == ("of", "when", "window")
    assert keys_at(("source", "envelope")) == ("name", "time", "id")
    assert keys_at(("sets",)) == ()
    assert keys_at(()) == tuple(Definition.model_fields)


def test_mistakes_of_one_part_do_not_hide_those_of_another(problems_of):
    """Schema, names, kinds and structure are all told in one run, also within one metric."""
    found = problems_of(
        events="""\
events:
  ordered: {name: o, ids: {user: 5}, values: {a: p, b: {min: 1}}, when: x}
  viewed: {nme: v}
""",
        sets="""\
sets:
  s: {of: user, when: count(viewd) >= 1, window: trailing 7}
  t: {of: user, when: count(viewed) >= 1, windw: trailing 7d}
  u: {of: user, when: [1]}
""",
        metrics="""\
metrics:
  m: {role: north_star, value: size(u) + sizes(s), unit: 5, guard: {warn: 3}}
  n: {value: sum(ordered.c), window: trailing 1h, facet: wide}
""",
    )
    assert [(name, line) for name, line, _ in found] == [
        ("wrong-kind", 5),
        ("missing-key", 5),
        ("unknown-key", 5),
        ("unknown-key", 6),
        ("unknown-event", 8),
        ("bad-duration", 8),
        ("unknown-key", 9),
        ("wrong-kind", 10),
        ("unknown-function", 12),
        ("wrong-kind", 12),
        ("missing-key", 12),
        ("missing-key", 12),
        ("missing-key", 12),
        ("wrong-kind", 12),
        ("unknown-value", 13),
        ("unknown-choice", 13),
    ]


def test_misspelt_section_is_one_problem(problems_of):
    """Where a whole section is missing, what rests on it is not complained about."""
    found = problems_of(metrics="metric:\n  m: {role: north_star, value: count(x)}\n")
    assert [name for name, _, _ in found] == ["unknown-key"]


@pytest.mark.parametrize(
    ("head", "name"),
    [
        ("version: 2\nproduct: p\nsource: {topics: [t], envelope: segment}\n", "unknown-version"),
        ("version: yes\nproduct: p\nsource: {topics: [t], envelope: segment}\n", "wrong-kind"),
        ("version: 1\nproduct: p\nsource: {topics: [t], envelope: [x]}\n", "wrong-kind"),
        ("version: 1\nproduct: p\nsource: {topics: t, envelope: segment}\n", "wrong-kind"),
        ("version: 1\nproduct: p\nsource: {topics: [5], envelope: segment}\n", "wrong-kind"),
        ("version: 1\nproduct: p\nsource: {topics: [t], envelope: snowplow}\n", "unknown-envelope"),
        ("version: 1\nproduct: p\nsource: 5\n", "wrong-kind"),
        ("version: 1\nproduct: p\ncalendar: {zone: 5}\nsource: {topics: [t], envelope: segment}\n",
         "wrong-kind"),
        ("version: 1\nproduct: 5\nsource: {topics: [t], envelope: segment}\n", "wrong-kind"),
        ("version: 1\nproduct: p\nlabel: 1.5\nsource: {topics: [t], envelope: segment}\n",
         "wrong-kind"),
    ],
)  # fmt: skip
def test_head_of_the_file(problems_of, head, name):
    """What stands above the sections is checked, and the sections are read all the same."""
    found = problems_of(head=head, metrics="metrics:\n  m: {role: north_star, value: nothing}\n")
    assert [problem[0] for problem in found] == [name, "unknown-metric", "owner-missing"][:2]


@pytest.mark.parametrize(
    "better", ["{between: [1]}", "{between: [2, 1]}", "{between: [1, 2, 3]}", "{between: x}",
               "{between: [1, x]}", "5", "[lower]", "{between: [1, 2], x: 1}", "{}"]
)  # fmt: skip
def test_bad_ranges(problems_of, better):
    """A range is two numbers, the lower one first."""
    metrics = f"""\
metrics:
  m: {{role: north_star, value: count(ordered), window: trailing 7d}}
  g:
    role: guardrail
    value: count(viewed)
    window: trailing 7d
    guard:
      protects: m
      better: {better}
      warn: 1%
      breach: 2%
"""
    assert [line for _, line, _ in problems_of(metrics=metrics)] == [22]
