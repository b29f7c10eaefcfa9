"""The verbs that look at definitions: what they print, and how they end."""

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from pipeline.cli.explain import explain
from pipeline.cli.tree import tree
from pipeline.cli.validate import validate

SHIPPED = Path(__file__).parents[2] / "definitions" / "insight_suite"
BAD = Path(__file__).parent / "bad"
TREE = """\
metrics:
  top: {role: north_star, value: a * b, formula: a * b, owner: core, unit: EUR,
        inputs: {a: formula, b: formula, c: hypothesis}}
  a: {role: input, facet: depth, value: sum(ordered.amount), window: trailing 7d, owner: core,
      inputs: {c: hypothesis}}
  b: {value: count(viewed), window: trailing 7d}
  c: {label: 'The "C"', value: size(few)}
  g:
    role: guardrail
    value: count(viewed, where=seconds < 2) / count(viewed)
    window: last calendar week
    unit: ratio
    guard: {protects: c, better: lower, baseline: previous(7d), warn: 3%, breach: 5%}
  aside: {value: c / 2}
"""
SETS = """\
sets:
  few: {of: user, when: 'count(big.buyer) >= 1 and not count(viewed) >= 1', window: trailing 7d}
  big: {of: order, when: 'distinct(ordered.user, other_than=buyer) >= 2', window: trailing 1d}
"""
ENTITIES = "entities:\n  order: {buyer: {is: user, from: ordered.user}}\n"


@pytest.fixture
def northstar():
    """Runs the verbs as a command line would."""
    app = typer.Typer()
    for verb in (validate, explain, tree):
        app.command()(verb)
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def folder(tmp_path, shop):
    """A folder with one good definition."""
    text = shop(metrics=TREE, sets=SETS, entities=ENTITIES)
    (tmp_path / "shop.yaml").write_text(text)
    return tmp_path


def test_validate_takes_several_paths(northstar, folder, tmp_path):
    """Files and folders in one run, each file once; a product in two of them is told."""
    again = tmp_path / "again"
    again.mkdir()
    (again / "copy.yaml").write_text((folder / "shop.yaml").read_text())
    result = northstar("validate", SHIPPED, folder / "shop.yaml", folder)
    assert result.exit_code == 3
    assert "product-twice" in result.stdout
    assert "3 definitions: 1 error" in result.stdout


def test_a_path_that_is_not_there_is_told(northstar, tmp_path):
    """It is another slip than a folder without definitions."""
    result = northstar("validate", SHIPPED, tmp_path / "shpo.yaml")
    assert (result.exit_code, result.stderr) == (
        2,
        f"there is no file or folder {tmp_path / 'shpo.yaml'}\n",
    )


def test_validate_passes_good_definitions(northstar):
    """A good folder ends with 0 and a line that says so, and is good enough for `--strict`."""
    result = northstar("validate", SHIPPED, "--strict")
    assert (result.exit_code, result.stdout) == (0, "1 definition: no problems\n")


def test_validate_reports_all_files(northstar, tmp_path):
    """Problems of all files are shown with their places; the end is 3, and a line counts them."""
    for name in ("unknown_set.yaml", "warning.yaml"):
        text = (BAD / name).read_text().replace("product: shop", f"product: {name[:7]}")
        (tmp_path / name).write_text(text)
    result = northstar("validate", tmp_path)
    assert result.exit_code == 3
    assert f"{tmp_path}/unknown_set.yaml:38:17: error[unknown-set]" in result.stdout
    assert result.stdout.splitlines()[-1] == "2 definitions: 1 error, 7 warnings"


def test_validate_lets_warnings_pass(northstar):
    """A warning is shown, and is no failure unless it is to be: then the end is 1."""
    result = northstar("validate", BAD / "warning.yaml")
    assert result.exit_code == 0
    assert "1 definition: 7 warnings" in result.stdout
    assert northstar("validate", BAD / "warning.yaml", "--strict").exit_code == 1
    assert northstar("validate", BAD / "unknown_set.yaml", "--strict").exit_code == 3


def test_validate_on_another_day(northstar, tmp_path):
    """What is overdue depends on the day, which can be given; what is no day is a usage error."""
    text = (SHIPPED / "insight_suite.yaml").read_text()
    dated = text.replace("role: north_star\n", "role: north_star\n    review_by: 2026-03-01\n")
    (tmp_path / "suite.yaml").write_text(dated)
    shown = northstar("validate", tmp_path, "--today", "2026-03-01", "--format", "github").stdout
    assert shown == ""
    shown = northstar("validate", tmp_path, "--today", "2026-03-02", "--format", "github").stdout
    assert shown.startswith("::warning file=")
    refused = northstar("validate", tmp_path, "--today", "tomorrow")
    assert (refused.exit_code, "no day" in refused.stderr) == (2, True)


def test_validate_in_other_formats(northstar):
    """Programs get nothing but the problems."""
    file = BAD / "unknown_set.yaml"
    found = json.loads(northstar("validate", file, "--format", "json").stdout)
    assert [problem["name"] for problem in found] == ["unknown-set"]
    shown = northstar("validate", file, "--format", "github").stdout
    assert shown.startswith("::error file=")
    assert northstar("validate", SHIPPED, "--format", "github").stdout == ""


@pytest.mark.parametrize("verb", [("validate",), ("tree",), ("explain", "x", "--definitions")])
def test_path_without_definition_is_a_usage_error(northstar, tmp_path, verb):
    """An empty folder and a path that is not there end with 2, and say why."""
    result = northstar(*verb, tmp_path)
    assert result.exit_code == 2
    assert "has no definition" in result.stderr
    result = northstar(*verb, tmp_path / "missing.yaml")
    assert result.exit_code == 2


@pytest.mark.parametrize("verb", [("tree",), ("explain", "x", "--definitions")])
def test_broken_definitions_are_not_drawn(northstar, verb):
    """A definition with errors is reported as `validate` would, on stderr."""
    result = northstar(*verb, BAD / "unknown_set.yaml")
    assert (result.exit_code, result.stdout) == (3, "")
    assert "error[unknown-set]" in result.stderr


def test_unreadable_file_is_a_usage_error(northstar, tmp_path, monkeypatch):
    """What the system refuses is said in its words."""

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    (tmp_path / "a.yaml").touch()
    result = northstar("validate", tmp_path / "a.yaml")
    assert result.exit_code == 2
    assert "Permission denied" in result.stderr


def test_tree_of_text(northstar, folder):
    """Formula edges are solid, hypotheses dotted, guardrails hang below what they protect."""
    assert (
        northstar("tree", folder).stdout
        == """\
Shop
top  Top  north_star, EUR
├── a  A  input, depth
│   └┄┄ c  The "C"  reference
│       └◇─ g  G  guardrail, ratio
├── b  B  reference
└┄┄ c  The "C"  reference  (see above)

Beside the tree:
  aside  Aside  reference

── formula, checked at every tick   ┄┄ hypothesis   ◇─ guardrail
"""
    )


def test_tree_of_mermaid(northstar, folder):
    """The same tree as a graph that GitHub draws."""
    assert (
        northstar("tree", folder, "--format", "mermaid").stdout
        == """\
graph TD
  a["A"]:::input
  b["B"]:::reference
  top["Top"]:::north_star
  c["The #quot;C#quot;"]:::reference
  g[/"G"/]:::guardrail
  aside["Aside"]:::reference
  a -.- c
  top --- a
  top --- b
  top -.- c
  c --o g
  classDef north_star stroke-width:4px
  classDef guardrail stroke-dasharray:2
"""
    )


def test_the_tree_says_what_else_is_shown_of_a_metric(northstar, tmp_path, shop):
    """Segments, intervals and targets stand beside the unit."""
    top = "value: count(ordered), window: trailing 7d, by: [plan], unit: orders"
    top += ", targets: [{by: 2026-12-31, value: 1200}]"
    score = "value: nps(viewed.seconds), window: trailing 7d, unit: points"
    metrics = f"metrics:\n  top: {{role: north_star, {top}}}\n  score: {{{score}}}\n"
    (tmp_path / "shop.yaml").write_text(shop(metrics=metrics))
    shown = northstar("tree", tmp_path).stdout
    assert "north_star, orders, by plan, 1200 by 2026-12-31" in shown
    assert "reference, points, with its interval" in shown


def test_tree_without_anything_beside_it(northstar, tmp_path, shop):
    """A product of one metric is a tree of one line."""
    (tmp_path / "shop.yaml").write_text(shop())
    assert "Beside" not in northstar("tree", tmp_path).stdout


def test_explain_follows_a_metric_to_its_records(northstar, folder):
    """Everything that decides the value is there, and nothing else."""
    result = northstar("explain", "aside", "--definitions", folder, "--output", "json")
    found = json.loads(result.stdout)
    assert found["needs"] == ["c"]
    assert [one["window"] for one in found["windows"]] == ["trailing 7d", "trailing 1d"]
    assert found["windows"][0] == {
        "window": "trailing 7d", "resolution": "10m", "reach": "7d 10m",
    }  # fmt: skip
    assert found["terms"] == [
        {"term": "size", "of": "few", "windows": ["trailing 7d", "trailing 1d"]}
    ]
    assert found["level"] == 1
    assert [one["set"] for one in found["sets"]] == ["few", "big"]
    assert [one["memory"] for one in found["memories"]] == [
        "0/order/top_k(user)<-ordered",
        "0/order/attribute(user)<-ordered",
        "1/user/tally<-big.buyer",
        "1/user/last_seen<-viewed",
    ]
    assert [one["event"] for one in found["events"]] == ["ordered", "viewed"]
    assert found["exported"] == 'northstar_metric_value{product="shop", metric="aside"}'


def test_explain_names_a_set_once(northstar, tmp_path, shop):
    """A set that is counted on two ways is still one set."""
    sets = """\
sets:
  big: {of: order, when: count(ordered) >= 1, window: trailing 1d}
  buyers: {of: user, when: count(big.buyer) >= 1}
  fans: {of: user, when: count(big.buyer) >= 3}
"""
    metrics = "metrics:\n  m: {role: north_star, value: size(buyers) + size(fans)}\n"
    (tmp_path / "a.yaml").write_text(shop(entities=ENTITIES, sets=sets, metrics=metrics))
    shown = northstar("explain", "m", "--definitions", tmp_path, "--output", "json").stdout
    assert [one["set"] for one in json.loads(shown)["sets"]] == ["big", "buyers", "fans"]


ANCHORED = """\
sets:
  hasty:
    of: user
    when: count(viewed) >= 1
    window: first 2d after ordered
    {cohort}: trailing 7d
"""
STAR = """\
metrics:
  star: {role: north_star, value: size(hasty) / cohort(hasty), unit: ratio, owner: core}
"""


@pytest.mark.parametrize(("cohort", "said"), [("matured", "final"), ("started", "provisional")])
def test_what_time_can_still_change_is_told(northstar, tmp_path, shop, cohort, said):
    """Numbers of a cohort that is complete are final, those of one that is not provisional."""
    file = tmp_path / "shop.yaml"
    file.write_text(shop(sets=ANCHORED.format(cohort=cohort), metrics=STAR))
    found = json.loads(
        northstar("explain", "star", "--definitions", str(file), "--output", "json").stdout
    )
    assert found["maturity"] == said
    assert found["windows"][0]["window"] == f"first 2d after ordered, {cohort} trailing 7d"
    assert f"north_star, ratio, {said}" in northstar("tree", str(file)).stdout


def test_explain_in_text(northstar, folder):
    """For people, one line for each thing."""
    shown = northstar("explain", "g", "--definitions", folder).stdout
    assert "value  count(viewed, where=seconds < 2) / count(viewed)" in shown
    assert "guard  c; better lower; baseline previous(7d); warn 3%; breach 5%" in shown
    assert "last calendar week; reach 15d" in shown
    assert "panes; of 0/*/panes<-viewed @last calendar week" in shown
    assert 'exported  northstar_metric_ratio{product="shop", metric="g"}' in shown


def test_explain_knows_money_and_formulas(northstar, folder):
    """Money has its currency in a label; a formula is shown beside the value."""
    found = json.loads(
        northstar("explain", "top", "--definitions", folder, "--output", "json").stdout
    )
    assert found["formula"] == "a * b"
    assert 'currency="EUR"' in found["exported"]
    assert found["needs"] == ["a", "b"]


def test_explain_unknown_metric(northstar, folder):
    """A metric that is not there is answered with the nearest one."""
    result = northstar("explain", "asidde", "--definitions", folder)
    assert result.exit_code == 2
    assert "Did you mean `aside`?" in result.stderr


def test_explain_ambiguous_metric(northstar, folder, shop):
    """A metric of two products needs the file to be named."""
    text = shop(metrics=TREE, sets=SETS, entities=ENTITIES)
    (folder / "other.yaml").write_text(text.replace("product: shop", "product: other"))
    result = northstar("explain", "aside", "--definitions", folder)
    assert result.exit_code == 2
    assert "several products" in result.stderr
    shown = northstar("explain", "aside", "--definitions", folder / "other.yaml")
    assert 'product="other"' in shown.stdout


def test_explain_shows_ids_and_conditions_of_events(northstar, tmp_path, shop):
    """Ids of several paths and an event's own condition are spelled out."""
    events = """\
events:
  ordered:
    name: [o, p]
    ids: {user: {first: [a, b]}, item: {together: [a, b]}}
    where: x == "y"
    values: {n: z}
"""
    metrics = """\
metrics:
  m: {role: north_star, value: distinct(ordered.user), window: calendar day, definition: People.}
"""
    (tmp_path / "a.yaml").write_text(shop(events=events, metrics=metrics))
    shown = northstar("explain", "m", "--definitions", tmp_path).stdout
    assert 'ordered; records o, p; ids user = a else b, item = a + b; where x == "y"' in shown
    assert "People." in shown


def test_explain_tells_a_metric_s_life(northstar, folder):
    """Targets, and what it stands for and replaces, stand where they are looked for."""
    text = (folder / "shop.yaml").read_text()
    life = "aside: {proxy_for: c, since: 2026-01-01, targets: [{by: 2026-12-31, value: 12}], "
    (folder / "shop.yaml").write_text(text.replace("aside: {", life))
    told = northstar("explain", "aside", "--definitions", folder).stdout
    for line in ("12 by 2026-12-31", "proxy_for", "2026-01-01"):
        assert line in told
