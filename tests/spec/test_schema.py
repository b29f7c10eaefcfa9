"""The schema: published, fresh, described, and the reports on what it refuses."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from pipeline.spec import json_schema, reference_page
from pipeline.spec.described import field_of, keys_at
from pipeline.spec.load import load
from pipeline.spec.schema import Definition

PUBLISHED = Path(__file__).parents[2] / "definitions" / "schema.json"
DEFINITIONS = sorted(PUBLISHED.parent.rglob("*.yaml"))
# All but `schema_ids`: that an id is made in one of two ways is more than the schema says.
BROKEN = sorted((Path(__file__).parent / "bad").glob("schema_[!i]*.yaml"))
EDITOR = Draft202012Validator(json.loads(PUBLISHED.read_text()))


def complaints(path):
    """What an editor that knows the published schema would underline."""
    return [error.message for error in EDITOR.iter_errors(load(path.read_text(), path.name).data)]


def models(schema):
    """All mappings with fields in a JSON Schema."""
    return [schema, *schema["$defs"].values()]


def test_published_schema_is_fresh():
    """`definitions/schema.json` is what the models say; write it anew with `northstar schema`."""
    assert PUBLISHED.read_text() == json_schema()


def test_published_page_is_fresh():
    """`definitions/REFERENCE.md` too; write it anew with `northstar schema --format markdown`."""
    assert (PUBLISHED.parent / "REFERENCE.md").read_text() == reference_page()


@pytest.mark.parametrize("path", DEFINITIONS, ids=lambda path: path.stem)
def test_editors_find_no_fault_with_definitions(path):
    """What `validate` accepts, an editor with the published schema accepts as well."""
    assert complaints(path) == []


@pytest.mark.parametrize("path", BROKEN, ids=lambda path: path.stem)
def test_editors_find_what_the_schema_refuses(path):
    """What `validate` refuses for its form, an editor underlines while it is typed."""
    assert complaints(path) != []


def test_page_has_every_key():
    """Nothing that the JSON Schema knows is left out."""
    schema = json.loads(json_schema())
    keys = [key for model in models(schema) for key in model["properties"]]
    assert [key for key in keys if f"| `{key}` |" not in reference_page()] == []


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
    of_sets = ("of", "when", "window", "params", "matured", "started", "transitions", "gap")
    assert keys_at(("sets", "a")) == of_sets
    assert keys_at(("source", "envelope", "time")) == ("from", "unit")
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
  n: {value: sum(viewed.c), window: trailing 1h, facet: wide}
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
        ("bad-percentage", 12),
        ("unknown-choice", 13),
    ]


def test_unknown_key_of_an_attribute(problems_of):
    """An attribute has two keys, and the one it lacks was misspelt."""
    entities = "entities:\n  order: {buyer: {is: user, form: ordered.user}}\n"
    (problem,) = problems_of(entities=entities)[:1]
    assert problem == ("unknown-key", 5, "`form` is no key of an attribute")


def test_id_that_could_not_be_read_is_not_missed(problems_of):
    """A set of an entity whose id has a bad name somewhere is not told that no event carries it."""
    found = problems_of(
        events="""\
events:
  ordered: {name: o, ids: {User: u}}
  viewed: {name: v, ids: {user: u}}
""",
        sets="sets:\n  s: {of: user, when: count(ordered) >= 1, window: trailing 1d}\n",
    )
    assert [(name, line) for name, line, _ in found] == [("bad-name", 5)]


def test_parts_of_what_was_taken_out_are_reported(problems_of):
    """An event whose name is wrong is gone, but what else is wrong with it is still told."""
    events = "events:\n  ordered: {name: 5, ids: {user: 5}, x: 1}\n"
    found = problems_of(events=events, metrics="metrics:\n  m: {role: north_star, value: 1}\n")
    names = sorted(name for name, _, _ in found)
    assert names == ["unknown-key", "wrong-kind", "wrong-kind"]


def test_endless_repairs_are_given_up(problems_of, monkeypatch):
    """Should a problem come back for ever, what was found so far is told."""
    monkeypatch.setattr("pipeline.spec.schema_problems.PASSES_MAX", 1)
    found = problems_of(metrics="metrics:\n  m: {role: star, value: nothing}\n")
    assert [name for name, _, _ in found] == ["unknown-choice"]


def test_what_rests_on_a_broken_part_is_not_complained_about(problems_of):
    """An attribute, a value and an id that have a problem are no further problem where used."""
    found = problems_of(
        entities="entities:\n  order: {buyer: {is: 5, from: ordered.user}}\n",
        events="""\
events:
  ordered: {name: o, ids: {user: u, order: o, Page: p}, values: {Amount: a, plan: 'x y'}}
""",
        sets="""\
sets:
  s: {of: user, when: 'count(big.buyer) >= 1', window: trailing 1d}
  big: {of: order, when: 'distinct(ordered.page) >= 2', window: trailing 1d}
  t: {of: user, when: 'sum(ordered.amount, where=plan == "x") >= 2', window: trailing 1d}
  v: {of: page, when: 'count(ordered) >= 2', window: trailing 1d}
""",
        metrics="metrics:\n  m: {role: north_star, value: sum(ordered.amount) + size(s)}\n",
    )
    assert [(name, line) for name, line, _ in found] == [
        ("wrong-kind", 5),
        ("bad-name", 7),
        ("bad-name", 7),
        ("expression-syntax", 7),
    ]


@pytest.mark.parametrize(
    ("when", "message"),
    [
        ("count(ordered) >= 9e15", "this number is too large"),
        ("count(ordered.shop) >= 1", "`count` counts events, not `shop` of them"),
        ("sum(viewed.seconds) >= 1 or not count(ordered) >= 1",
         "`s` would hold for a `user` that did nothing"),
    ],
)  # fmt: skip
def test_conditions_that_are_refused(problems_of, when, message):
    """Each with its own words."""
    sets = f"sets:\n  s: {{of: user, when: '{when}', window: trailing 1d}}\n"
    assert message in [said for _, _, said in problems_of(sets=sets)]


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
        ("version: 1\nproduct: p\nsource: {topics: [t], envelope: segmnt}\n", "unknown-envelope"),
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
    assert [line for _, line, _ in problems_of(metrics=metrics)] == [21]
