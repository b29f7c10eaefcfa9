"""Record shapes: the fast way, the slow way and a naive reading see the same record."""

import json
import math

import pytest
from hypothesis import example, given, strategies as st

from pipeline.core.record_shape import Ill, RecordShape, Unreadable, Use, fits, look_up
from pipeline.core.records import Reason

NAME, TIME = ("event",), ("timestamp",)
PLAIN = RecordShape(
    (NAME,),
    ((TIME, Use.TEXT),),
    {
        "viewed": frozenset(
            {
                (("userId",), Use.ID),
                (("messageId",), Use.ID),
                (("properties", "chart"), Use.ID),
                (("properties", "n"), Use.NUMBER),
                (("properties", "plan"), Use.TEXT),
            }
        ),
        "paid": frozenset({(("properties", "ok"), Use.TRUTH), (("properties", "n"), Use.NUMBER)}),
        "left": frozenset(),
    },
)
# Every place is read in several ways: some as an object too, and the envelope's own as well.
AMBIGUOUS = RecordShape(
    (NAME,),
    ((TIME, Use.NUMBER),),
    {
        "viewed": frozenset(
            {
                (("properties",), Use.TEXT),
                (("properties", "n"), Use.ID),
                (("properties", "n"), Use.NUMBER),
                (("properties", "plan"), Use.TEXT),
                (("properties", "plan"), Use.NUMBER),
                (("event", "n"), Use.ID),
                (("userId",), Use.ID),
            }
        ),
        "paid": frozenset(
            {
                (("properties", "n"), Use.TEXT),
                (("properties", "n"), Use.TRUTH),
                (("properties", "n", "plan"), Use.NUMBER),
                (("properties", "plan"), Use.TRUTH),
                (TIME, Use.TEXT),
                (NAME, Use.NUMBER),
                (("userId",), Use.TEXT),
            }
        ),
        "left": frozenset(),
    },
)
SHAPES = {"plain": PLAIN, "ambiguous": AMBIGUOUS}


def places_of(shape):
    """Every place that some record is read at."""
    return {place for places in shape._by_name.values() for place in places}


def names_of(shape):
    """Every path with what it is read as, the envelope's own included."""
    time_use = Use.TEXT if shape is PLAIN else Use.NUMBER
    return places_of(shape) | {(NAME, Use.TEXT), (TIME, time_use)}


# ── what one record comes to, three ways ─────────────────────────────────────────────────────────


def usable(value, use):
    """What a use can make of a value."""
    if not fits(value, use) or value is None:
        return None
    return float(value) if use is Use.NUMBER else value


def seen(shape, found):
    """The reason, or whether the record is ill and what every place holds for every use."""
    if isinstance(found, Unreadable):
        return found.reason
    row = found.row if isinstance(found, Ill) else found
    held = {place: shape.fields([row]).at(place[0])[0] for place in names_of(shape)}
    name = held[NAME, Use.TEXT]
    read = shape._by_name.get(name, frozenset()) if isinstance(name, str) else frozenset()
    ill = isinstance(found, Ill) or not all(
        fits(held[place], place[1]) for place in read | {(NAME, Use.TEXT)}
    )
    return ill, {(path, use): usable(value, use) for (path, use), value in held.items()}


class Beyond:
    """A number that no double holds."""


def number(text):
    """A JSON number, or that it is beyond a double."""
    found = float(text)
    if math.isinf(found):
        return Beyond()
    return found if set(text) & set(".eE") else int(text)


def refuse(text):
    """NaN and Infinity are no JSON."""
    raise ValueError(text)


def whole(pairs):
    """An object of which every text can be encoded; of equal keys the last counts."""
    encodable([key for key, _ in pairs])
    encodable([value for _, value in pairs])
    return dict(pairs)


def encodable(value):
    """Raise where a lone surrogate is found; arrays are looked through, objects were."""
    if isinstance(value, str):
        value.encode()
    if isinstance(value, list):
        for each in value:
            encodable(each)


def naive(shape, text):
    """What a record comes to by the standard library's reader and a walk to every place."""
    try:
        record = json.loads(
            text,
            object_pairs_hook=whole,
            parse_int=number,
            parse_float=number,
            parse_constant=refuse,
        )
        encodable(record)
    except ValueError:  # decoding and encoding errors are too
        return Reason.INVALID_JSON
    if not isinstance(record, dict):
        return Reason.NOT_OBJECT
    held = {place: look_up(record, place[0]) for place in names_of(shape)}
    if any(isinstance(value, Beyond) for value in held.values()):
        return Reason.INVALID_JSON
    name = held[NAME, Use.TEXT]
    read = shape._by_name.get(name, frozenset()) if isinstance(name, str) else frozenset()
    ill = not all(fits(held[place], place[1]) for place in read | {(NAME, Use.TEXT)})
    return ill, {(path, use): usable(value, use) for (path, use), value in held.items()}


# ── records, as text ─────────────────────────────────────────────────────────────────────────────

SCALARS = st.one_of(
    st.sampled_from(
        [
            *("null", "true", "false", "0", "-0", "1", "-7", "5.0", "1e3", "1.5", "-0.0", "1E-999"),
            *("1e999", "-1e999", "1" + "0" * 400, "-1" + "0" * 400, "1" + "0" * 5_000),
            *(str(2**63 - 1), str(2**63), str(-(2**63) - 1), str(2**64), "1" + "0" * 30),
            *('""', '"x"', '"viewed"', '"2024-01-20T10:00Z"', '"Ünï cödé"', '"\U0001f600"'),
            *(r'"\ud83d\ude00"', r'"a\u0000b"', r'"\\\"\/\b\f\n\r\t"', r'"{[\"}"'),
        ]
    ),
    st.text(max_size=4).map(json.dumps),
    st.text(max_size=4).map(lambda text: json.dumps(text, ensure_ascii=False)),
    st.floats(allow_nan=False, allow_infinity=False).map(json.dumps),
    st.integers().map(str),
)
BROKEN = st.sampled_from(
    [
        *("NaN", "Infinity", "-Infinity", "nul", "01", "1.", ".5", "+1", "--1", "1e", "'x'"),
        *(r'"\ud800"', r'"\udc00\ud800"', r'"\ud800x"', r'"\x"', '"a\nb"', '"', "{", "[1,]", ""),
    ]
)
KEYS = st.sampled_from(["n", "plan", "ok", "chart", "extra", "", "pl\\u0061n", "ünï"])


def objects(keys, values, max_size=5):
    """Objects as text, keys in any order and some of them twice."""
    pairs = st.tuples(keys, values).map(lambda pair: f'"{pair[0]}" : {pair[1]}')
    return st.lists(pairs, max_size=max_size).map(lambda drawn: "{" + ",".join(drawn) + "}")


def nested(inside):
    """Arrays and objects of what is inside."""
    arrays = st.lists(inside, max_size=3).map(lambda drawn: "[" + ",".join(drawn) + "]")
    return st.one_of(arrays, objects(KEYS, inside, 3))


ANYTHING = st.recursive(SCALARS, nested, max_leaves=5)
TOP_KEYS = st.sampled_from(
    ["event", "event", "timestamp", "userId", "messageId", "properties", "properties", "context"]
)
NAMES = st.sampled_from(['"viewed"', '"paid"', '"left"', '"unknown"', "null", "7"])
RECORDS = st.one_of(
    st.builds(
        lambda name, rest: f'{{"event": {name}, {rest[1:]}' if rest != "{}" else rest,
        NAMES,
        objects(TOP_KEYS, st.one_of(ANYTHING, objects(KEYS, st.one_of(SCALARS, ANYTHING)))),
    ),
    objects(TOP_KEYS, st.one_of(ANYTHING, BROKEN)),
    ANYTHING,
)
CUT = st.tuples(RECORDS, st.integers(0, 60)).map(lambda drawn: drawn[0][: -drawn[1] or None])


@pytest.mark.parametrize("shape", SHAPES.values(), ids=[*SHAPES])
@given(text=st.one_of(RECORDS, RECORDS, RECORDS, CUT))
@example(text='{"event": "viewed", "userId": 1e999, "properties": {"plan": 1e999}}')
@example(text='{"event": "viewed", "userId": 1.5, "extra": 1e999}')
@example(text='{"event": "unknown", "userId": 1.5, "extra": ' + "1" + "0" * 5_000 + "}")
@example(text='{"event": "viewed", "properties": "text"}')
@example(text='{"event": "viewed", "properties": {"n": 1.5}, "properties": {"n": 2}}')
@example(text='{"event": "viewed", "properties": {"n": 1' + "0" * 400 + "}}")
@example(text='{"event": {"n": 1}, "timestamp": {}}')
def test_fast_and_slow_see_what_a_naive_reading_sees(shape, text):
    """Whatever a record is, both ways give its reason, its illness and its places alike."""
    value = text.encode()
    expected = naive(shape, text)
    assert expected == seen(shape, shape.read([value])[0])
    assert expected == seen(shape, shape.read_slowly(value))


@given(st.lists(st.one_of(RECORDS, CUT), max_size=6))
def test_a_record_is_read_as_if_it_were_alone(texts):
    """What is wrong with one record touches none of its neighbours, nor their order."""
    values = [text.encode() for text in texts]
    alone = [seen(PLAIN, PLAIN.read([value])[0]) for value in values]
    assert alone == [seen(PLAIN, found) for found in PLAIN.read(iter(values))]


# ── the table ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{}", {}),
        ('{"event": "viewed", "userId": "ann"}', {("userId",): "ann"}),
        ('{"event": "viewed", "userId": 42}', {("userId",): 42}),
        ('{"event": "viewed", "properties": {"n": 42}}', {("properties", "n"): 42.0}),
        ('{"event": "viewed", "properties": {"chart": 1000000000000000000000}}', {}),
        ('{"event": "viewed", "properties": null}', {("properties", "n"): None}),
        ('{"event": "viewed", "properties": "text"}', {("properties", "n"): None}),
        ('{"event": "viewed", "properties": [1]}', {("properties", "n"): None}),
        ('{"event": "viewed", "extra": {"event": 7}}', {("userId",): None}),
        ('{"event": "paid", "userId": 1.5}', {("userId",): None}),
        ('{"event": "unknown", "userId": true}', {("userId",): None}),
        ('{"userId": {}}', {("userId",): None}),
    ],
)
def test_a_record_with_what_is_asked_for_or_without_is_a_row(text, expected):
    """Absent is in order, and so is any type where the record's name does not look."""
    (found,) = PLAIN.read([text.encode()])
    assert not isinstance(found, Ill | Unreadable)
    assert expected == {path: PLAIN.fields([found]).at(path)[0] for path in expected}


@pytest.mark.parametrize(
    "text",
    [
        '{"event": 7}',
        '{"event": ["viewed"]}',
        '{"event": "viewed", "userId": 1.0}',
        '{"event": "viewed", "userId": true}',
        '{"event": "viewed", "userId": {"id": "ann"}}',
        '{"event": "viewed", "messageId": []}',
        '{"event": "viewed", "properties": {"n": "5"}}',
        '{"event": "viewed", "properties": {"n": true}}',
        '{"event": "viewed", "properties": {"plan": 5}}',
        '{"event": "paid", "properties": {"ok": 1}}',
        '{"event": "paid", "properties": {"ok": "true"}}',
    ],
)
def test_a_record_with_another_type_where_its_name_looks_is_ill(text):
    """Whole numbers pass as numbers and as ids; nothing else is converted."""
    assert isinstance(PLAIN.read([text.encode()])[0], Ill)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"", Reason.INVALID_JSON),
        (b"{", Reason.INVALID_JSON),
        (b"{} {}", Reason.INVALID_JSON),
        (b'{"properties": {"n": NaN}}', Reason.INVALID_JSON),
        (b'{"extra": Infinity}', Reason.INVALID_JSON),
        (b'{"extra": "\\ud800"}', Reason.INVALID_JSON),
        (b'{"userId": "\\ud800"}', Reason.INVALID_JSON),
        (b'{"event": "\xff"}', Reason.INVALID_JSON),
        (b'\xef\xbb\xbf{"event": "viewed"}', Reason.INVALID_JSON),
        (b'{"properties": {"n": 1e309}}', Reason.INVALID_JSON),
        (b'{"properties": {"n": 1' + b"0" * 309 + b"}}", Reason.INVALID_JSON),
        (b'{"userId": 1' + b"0" * 309 + b"}", Reason.INVALID_JSON),
        (b"[]", Reason.NOT_OBJECT),
        (b"null", Reason.NOT_OBJECT),
        (b'"viewed"', Reason.NOT_OBJECT),
        (b"7", Reason.NOT_OBJECT),
        (b"[" * 5_000 + b"]" * 5_000, Reason.TOO_DEEP),
        (b'{"extra": ' * 5_000 + b"1" + b"}" * 5_000, Reason.TOO_DEEP),
    ],
    ids=repr,
)
def test_a_record_that_is_none_has_a_reason(value, reason):
    """Broken, of another kind, or deeper than any reader goes."""
    assert Unreadable(reason) == PLAIN.read([value])[0]
    assert Unreadable(reason) == PLAIN.read_slowly(value)


def test_a_place_read_in_several_ways_is_ambiguous():
    """Two uses, or a use and places below, make a row hold what one of them cannot use."""
    ambiguous = [("properties",), ("properties", "n"), ("properties", "plan"), NAME, TIME]
    assert all(AMBIGUOUS.is_ambiguous(path) for path in [*ambiguous, ("userId",)])
    assert not any(PLAIN.is_ambiguous(path) for path, _ in names_of(PLAIN))
    assert not PLAIN.is_ambiguous(("properties",))
