"""Files and folders of definitions: what is read, in which order, and what never raises."""

import re
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from pipeline.spec import Severity, read_definition, read_definitions, read_text
from pipeline.spec.load import BYTES_MAX
from pipeline.spec.render import Format, rendered

BAD = Path(__file__).parent / "bad"


def test_folder_is_read_in_order_of_names(tmp_path, shop):
    """Every yaml and yml file below a folder is a definition; nothing else is."""
    for name, product in (("b.yaml", "b"), ("a/c.yml", "c"), ("a/d.txt", "d"), ("z.json", "z")):
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(shop().replace("product: shop", f"product: {product}"))
    results = read_definitions(tmp_path)
    assert [Path(result.file).name for result in results] == ["c.yml", "b.yaml"]
    assert [result.plan.product for result in results] == ["c", "b"]


def test_product_of_two_files_is_refused(tmp_path, shop):
    """The second file that defines a product is told of the first."""
    (tmp_path / "a.yaml").write_text(shop())
    (tmp_path / "b.yaml").write_text(shop())
    first, second = read_definitions(tmp_path)
    assert not first.has_errors
    (problem,) = (one for one in second.problems if one.severity is Severity.ERROR)
    assert problem.name == "product-twice"
    assert "a.yaml" in problem.message


def test_single_file_is_read_whatever_its_name(tmp_path, shop):
    """A path to a file needs no suffix."""
    file = tmp_path / "definition"
    file.write_text(shop())
    assert read_definitions(file)[0].plan is not None


def test_empty_folder_has_no_definition(tmp_path):
    """Nothing is read where there is nothing."""
    assert read_definitions(tmp_path) == ()


def test_byte_order_mark_is_read_over(shop):
    """Some editors put one in front; columns do not count it."""
    assert read_text("\ufeff" + shop(), "f").plan == read_text(shop(), "f").plan


def test_bytes_that_are_no_text_are_refused(tmp_path):
    """A file in another encoding is refused at the byte that shows it."""
    file = tmp_path / "a.yaml"
    file.write_bytes(b"version: 1\nlabel: caf\xe9\n")
    result = read_definition(file)
    (problem,) = result.problems
    assert (problem.name, problem.line, problem.column) == ("yaml-encoding", 2, 11)
    assert result.plan is None


def test_large_file_is_refused_before_it_is_read(tmp_path):
    """Of a file of gigabytes no more than the limit is looked at."""
    file = tmp_path / "a.yaml"
    file.write_bytes(b"a: " + b"x" * (BYTES_MAX + 10))
    assert [problem.name for problem in read_definition(file).problems] == ["yaml-too-large"]


def test_file_that_is_not_there_is_the_callers_business(tmp_path):
    """What cannot be opened raises what the system says."""
    with pytest.raises(FileNotFoundError):
        read_definition(tmp_path / "missing.yaml")


def test_result_keeps_what_was_written(example):
    """The user's own words are there to be shown again."""
    written = read_text(example, "f").written
    assert written["metrics.weekly_learning_users.value"] == "size(learning_users)"
    assert written["sets.broadcasted_learnings.window"] == "trailing 7d"


@pytest.mark.parametrize("text", ["", "# nothing\n", "word", "5", "- a\n", "[]"])
def test_what_is_no_mapping_is_refused(text):
    """A definition is a mapping."""
    (problem,) = read_text(text, "f").problems
    assert problem.name == "wrong-kind"


def test_problems_come_in_order_of_lines(shop):
    """Whichever step found them, problems are told from the top of the file to its end."""
    text = shop(metrics="metrics:\n  a: {role: star, value: count(orderd), window: week}\n")
    problems = read_text(text.replace("product: shop", "product: Shop"), "f").problems
    assert [problem.line for problem in problems] == [2, 14, 14, 14]
    assert [problem.column for problem in problems[1:]] == [13, 32, 49]


WORDS = st.sampled_from(
    ["", " ", "{", "}", "[", "]", ":", ": ", "'", '"', "null", "true", "5", "-1", "1e9", "count(",
     ")", "==", " and ", "not ", "\n", "  ", "#", "- ", "&a ", "*a", "!t ", "\t", "é", "\x07", ",",
     "window: trailing 7d\n", "other_than=user", "yes", "~", ".", "%", " in ('a','b')", "where="]
)  # fmt: skip


@st.composite
def damaged(draw):
    """The text of a definition, good or bad, with a few more slips."""
    files = sorted(BAD.glob("*.yaml"))
    text = draw(st.sampled_from(files)).read_text()
    for _ in range(draw(st.integers(1, 5))):
        at = draw(st.integers(0, len(text)))
        if draw(st.booleans()):
            text = text[:at] + draw(WORDS) + text[at:]
        else:
            names = [found.span() for found in re.finditer(r"[\w.%]+", text)] or [(0, 0)]
            (start, end), (other, last) = draw(st.sampled_from(names)), draw(st.sampled_from(names))
            text = text[:start] + text[other:last] + text[end:]
    return text


@settings(max_examples=200)
@given(damaged())
def test_any_text_gives_a_plan_or_an_error(text):
    """No slip of a user's pen is an exception, and none is passed over in silence."""
    result = read_text(text, "f.yaml")
    assert (result.plan is None) == result.has_errors
    assert all(rendered(result.problems, form) is not None for form in Format)
    assert all(problem.line >= 1 and problem.column >= 1 for problem in result.problems)
