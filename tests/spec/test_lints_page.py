"""`definitions/LINTS.md`: a section for every problem, whose examples are what it says they are."""

import ast
import re
from datetime import date
from io import StringIO
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from pipeline.spec import Severity, read_text
from pipeline.spec.codes import CODES
from pipeline.spec.load import load

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "definitions" / "LINTS.md").read_text(encoding="utf-8")
TODAY = date(2026, 6, 1)  # as the page says
MERGED = ("entities", "events", "sets", "metrics")
BASE = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)[0]
SECTIONS = dict(re.findall(r"^### (\S+)\n(.*?)(?=^##|\Z)", PAGE, re.DOTALL | re.MULTILINE))
EXAMPLES = {
    name: re.findall(r"```yaml\n(.*?)```", text, re.DOTALL) for name, text in SECTIONS.items()
}
WITH_EXAMPLES = [name for name, found in EXAMPLES.items() if found]

# Of a size or bytes that no page can show, or of two files; each has a test of its own.
WITHOUT_EXAMPLES = {
    "bad-seed", "expression-too-deep", "expression-too-long", "other-source", "product-twice",
    "yaml-character", "yaml-depth", "yaml-encoding", "yaml-too-large", "yaml-too-many",
}  # fmt: skip


def whole(example):
    """The definition that an example stands for."""
    if example.startswith("version: 1\n"):
        return example
    data, changes = load(BASE, "base").data, load(example, "example")
    if changes.refusals:  # what cannot be read is put in its place as it is written
        return BASE + "\n".join(re.findall(r"^  .*$", example, re.MULTILINE)) + "\n"
    for key, value in changes.data.items():
        data[key] = {**data[key], **value} if key in MERGED else value
    out = StringIO()
    YAML(typ="safe").dump(data, out)
    return out.getvalue()


def found_in(example):
    """The names of the problems of an example, without repetition."""
    return {problem.name for problem in read_text(whole(example), "f.yaml", TODAY).problems}


def test_every_problem_has_a_section_and_no_other():
    """The page is complete, and says of each whether it is an error or a warning."""
    assert set(SECTIONS) == set(CODES)
    for name, text in SECTIONS.items():
        assert text.strip().startswith(f"{CODES[name].capitalize()}. "), name


def test_the_page_s_own_definition_has_no_problem():
    """What the examples differ from is good enough for `--strict`."""
    assert read_text(BASE, "base.yaml", TODAY).problems == ()


def test_every_problem_has_its_examples():
    """A bad one and a better one each; those that no page can show are known by name."""
    assert {name for name, found in EXAMPLES.items() if len(found) != 2} == WITHOUT_EXAMPLES


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_the_bad_example_has_that_problem_and_no_other(name):
    """Who looks the problem up sees nothing else in its example."""
    assert found_in(EXAMPLES[name][0]) == {name}


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_the_better_example_runs(name):
    """What the page recommends has neither that problem nor, unless it is cut short, an error."""
    better = EXAMPLES[name][1]
    found = found_in(better)
    assert name not in found
    if not name.startswith("yaml-"):
        assert {one for one in found if CODES[one] is Severity.ERROR} == set()


@pytest.mark.parametrize("name", [name for name in CODES if CODES[name] is Severity.WARNING])
def test_every_warning_says_how_to_bear_it(name):
    """The line can be copied; it bears the warning of the bad example."""
    if name.startswith("allowance-"):
        return
    line = re.search(r"`(allow: .*)`", SECTIONS[name])
    assert line is not None
    text = whole(EXAMPLES[name][0]) + line[1] + "\n"
    assert read_text(text, "f.yaml", TODAY).problems == ()


def names_in_code():
    """Every name that the package gives to a problem."""
    for file in (ROOT / "pipeline" / "spec").glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            called = isinstance(node, ast.Call) and ast.unparse(node.func)
            if called and called.rsplit(".", 1)[-1] in ("Refusal", "refusal"):
                names = [one.value for one in node.args if isinstance(one, ast.Constant)]
                yield from (one for one in names[:1] if re.fullmatch(r"[a-z-]+", str(one)))


def test_the_list_of_problems_is_closed():
    """No problem is reported under a name that the list, and so the page, does not have."""
    assert set(names_in_code()) - set(CODES) == set()
