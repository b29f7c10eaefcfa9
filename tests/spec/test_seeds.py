"""Seeds as files: what decides what they say, and who says how many there are."""

import json

import pytest
import typer
from typer.testing import CliRunner

from pipeline.cli.explain import explain
from pipeline.spec import read_definition, read_definitions, seeds

TEXT = """\
version: 1
product: shop
source: {topics: [events], envelope: segment}
events:
  ordered: {name: order_placed, ids: {user: userId}}
streams:
  firsts: {first: ordered, by: user, seed: of_before/orders.tsv}
metrics:
  newcomers: {role: north_star, value: count(firsts), window: trailing 7d, unit: users, owner: core}
"""


@pytest.fixture
def shop(tmp_path):
    """Writes a definition and its seed's bytes; gives the definition's path."""
    (tmp_path / "of_before").mkdir()

    def written(content):
        (tmp_path / "shop.yaml").write_text(TEXT)
        (tmp_path / "of_before" / "orders.tsv").write_bytes(content)
        return tmp_path / "shop.yaml"

    return written


def identity(path):
    """By what the state of the definition's one memory is found."""
    plan = read_definition(path).plan
    assert plan is not None
    return plan.memories[0].identity


def test_the_file_decides_what_is_remembered_and_not_how_it_is_written(shop):
    """Neither the order of the lines nor their ends; but a time does, and another id."""
    first = identity(shop(b"ann\nbob\t2024-01-01T00:00Z\n"))
    assert identity(shop(b"\xef\xbb\xbfbob\t2024-01-01T01:00+01:00\r\nann\r\n")) == first
    assert identity(shop(b"ann\nbob\n")) != first
    assert identity(shop(b"ann\nbo\t2024-01-01T00:00Z\n")) != first


def test_a_folder_of_definitions_takes_its_seeds_for_none(shop, tmp_path):
    """They are read with the definition that names them."""
    shop(b"ann\n")
    (result,) = read_definitions(tmp_path)
    assert result.plan is not None


def test_what_no_file_can_be_called_is_a_problem_and_no_crash(shop):
    """YAML can write it, and `validate` ended in a traceback."""
    path = shop(b"ann\n")
    path.write_text(TEXT.replace("of_before/orders.tsv", r'"a\0b"'))
    (problem, *_) = read_definition(path).problems
    assert problem.message.endswith("cannot be read: no file can be called so")


def test_explain_says_how_many(shop):
    """So that an empty export is noticed."""
    path = shop(b"".join(b"user%d\n" % number for number in range(1_234)))
    app = typer.Typer()
    app.command()(explain)
    given = ["newcomers", "--definitions", str(path), "--output", "json"]
    (memory,) = json.loads(CliRunner().invoke(app, given).stdout)["memories"]
    assert memory["seeds"] == "1,234"


def test_a_file_of_many_faults_shows_some(shop):
    """The last one says how many more there are."""
    problems = read_definition(shop(b"null\n" * 40)).problems
    assert len(problems) == seeds.SHOWN_MAX
    assert "and 69 more like this" in problems[-1].message


@pytest.mark.parametrize("limit", ["BYTES_MAX", "SEEDS_MAX"])
def test_a_file_that_is_too_large(shop, monkeypatch, limit):
    """It is refused before it is taken apart."""
    monkeypatch.setattr(seeds, limit, 3)
    (problem,) = read_definition(shop(b"a1\nb1\nc1\nd1\n")).problems
    assert problem.name == "bad-seed"
    assert problem.line == 7
