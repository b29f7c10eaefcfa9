"""Recorded events in files: every line once, whatever the file is like."""

import gzip
import os

import numpy as np
import pytest

from pipeline.edges.faults import DataLossError, UnreachableError, UnreadableError
from pipeline.edges.files import BLOCK_BYTES, LINE_BYTES_MAX, FileSource

NOW_MS = 1_700_000_000_000


def source(*paths, **more):
    """A source of these files."""
    return FileSource([str(path) for path in paths], NOW_MS, **more)


def written(tmp_path, content, name="events.jsonl"):
    """A file with this content."""
    path = tmp_path / name
    path.write_bytes(content)
    return path


def read(reader, limit=1_000, polls_max=10_000):
    """Everything there is: (partition, offset, value), and how many records each poll gave."""
    rows, sizes = [], []
    for _ in range(polls_max):
        if all(map(reader.finished, reader.partitions())):
            break
        for records in reader.poll(limit):
            sizes.append(len(records.values))
            offsets = records.offsets.tolist()
            rows += [(records.partition, *row) for row in zip(offsets, records.values, strict=True)]
    reader.close()
    return rows, sizes


def lines(count, length=20):
    """Numbered lines of a length."""
    return [str(number).encode().ljust(length, b".") for number in range(count)]


def numbered(values):
    """Values as rows of partition 0."""
    return [(0, number, value) for number, value in enumerate(values)]


@pytest.mark.parametrize("end", [b"", b"\n"], ids=["no newline", "newline"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "zipped"])
def test_every_line_is_a_record(tmp_path, pack, end):
    """Lines over several blocks come once, in order, numbered from 0, zipped or not."""
    values = lines(60_000, 50)
    path = written(tmp_path, pack(b"\n".join(values) + end))

    rows, sizes = read(source(path).open(0, {}), limit=1_000)

    assert rows == numbered(values)
    assert max(sizes) == 1_000
    assert len(values) * 50 > 2 * BLOCK_BYTES


def test_a_record_says_where_and_when(tmp_path):
    """Partition, offsets and the moment of arrival come as arrays of integers."""
    path = written(tmp_path, b"a\nb\n")

    (records,) = source(path).open(0, {}).poll(10)

    assert records.values == [b"a", b"b"]
    assert records.offsets.dtype == records.ingested_ms.dtype == np.int64
    assert records.ingested_ms.tolist() == [NOW_MS, NOW_MS]


def test_empty_lines_are_no_records_but_keep_their_number(tmp_path):
    """Offsets stay line numbers, so a restart finds its place; other systems' line ends pass."""
    path = written(tmp_path, b"\na\n\n\r\nb\r\n\n \n\n")

    rows, _ = read(source(path).open(0, {}))

    assert rows == [(0, 1, b"a"), (0, 4, b"b\r"), (0, 6, b" ")]


@pytest.mark.parametrize("content", [b"", b"\n", b"\n\n\n", gzip.compress(b"", mtime=0)])
def test_a_file_without_records_ends(tmp_path, content):
    """Nothing comes, and the partition is finished."""
    reader = source(written(tmp_path, content)).open(0, {})

    assert read(reader) == ([], [])
    assert reader.finished(0)


@pytest.mark.parametrize("length", [LINE_BYTES_MAX - 1, LINE_BYTES_MAX, LINE_BYTES_MAX + 1])
def test_a_long_line_is_passed_on(tmp_path, length):
    """Up to the limit a line is whole; one byte more is there, so that decode refuses it."""
    path = written(tmp_path, b"a\n" + b"x" * length + b"\nb\n")

    rows, _ = read(source(path).open(0, {}))

    assert [len(value) for _, _, value in rows] == [1, length, 1]


def test_an_endless_line_is_cut(tmp_path):
    """Of a line of many blocks a little over the limit is kept, and what follows is in place."""
    path = written(tmp_path, b"a\n" + b"x" * (8 * BLOCK_BYTES) + b"\nb\nc")

    rows, _ = read(source(path).open(0, {}))

    assert [number for _, number, _ in rows] == [0, 1, 2, 3]
    assert LINE_BYTES_MAX < len(rows[1][2]) <= LINE_BYTES_MAX + BLOCK_BYTES
    assert [rows[0][2], rows[2][2], rows[3][2]] == [b"a", b"b", b"c"]


def test_an_endless_last_line_is_cut(tmp_path):
    """A file that is one line without end is one record that decode refuses."""
    path = written(tmp_path, b"x" * (4 * BLOCK_BYTES))

    ((_, number, value),), _ = read(source(path).open(0, {}))

    assert number == 0
    assert LINE_BYTES_MAX < len(value) <= LINE_BYTES_MAX + BLOCK_BYTES


@pytest.mark.parametrize("position", [0, 1, 999, 30_000, 59_999, 60_000])
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "zipped"])
def test_reading_goes_on_at_a_position(tmp_path, pack, position):
    """What was read before is passed over, and offsets go on."""
    values = lines(60_000, 50)
    path = written(tmp_path, pack(b"\n".join(values)))

    rows, _ = read(source(path).open(0, {0: position}))

    assert rows == numbered(values)[position:]


def test_a_file_shorter_than_its_position_is_data_loss(tmp_path):
    """A file that was replaced is not read on as if it were the same."""
    reader = source(written(tmp_path, b"a\nb\n")).open(0, {0: 3})

    with pytest.raises(DataLossError, match=r"has 2 lines, and 3 were read before"):
        read(reader)


def test_zipped_files_one_after_the_other_are_one(tmp_path):
    """Rotated logs are joined with `cat`; so are their lines, even those cut in two."""
    path = written(tmp_path, gzip.compress(b"a\nb") + gzip.compress(b"c\nd\n") + b"\0" * 512)

    rows, _ = read(source(path).open(0, {}))

    assert [value for _, _, value in rows] == [b"a", b"bc", b"d"]


def test_a_name_does_not_make_a_file_zipped(tmp_path):
    """The bytes decide, so a misnamed file is read all the same."""
    plain = written(tmp_path, b"a\n", "events.jsonl.gz")
    zipped = written(tmp_path, gzip.compress(b"b\n"), "events.jsonl")

    rows, _ = read(source(plain, zipped).open(0, {}))

    assert rows == [(0, 0, b"a"), (1, 0, b"b")]


def test_a_zip_bomb_takes_no_memory_to_speak_of(tmp_path):
    """What unzips to a hundred times its size comes in blocks like any other."""
    path = written(tmp_path, gzip.compress(b"\n" * (64 * BLOCK_BYTES) + b"a"))

    rows, _ = read(source(path).open(0, {}), limit=1_000_000)

    assert rows == [(0, 64 * BLOCK_BYTES, b"a")]


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda packed: packed[:-20], "it ends too early"),
        (lambda packed: packed + b"no gzip", "broken gzip"),
        (lambda packed: packed[:100] + b"\xff" * 100 + packed[200:], "broken gzip"),
    ],
    ids=["cut off", "with a tail", "overwritten"],
)
def test_a_broken_file_is_an_error_after_its_good_lines(tmp_path, damage, words):
    """A download that stopped half-way is not taken for the whole."""
    packed = gzip.compress(os.urandom(100_000).hex().encode())
    path = written(tmp_path, damage(packed))

    with pytest.raises(UnreadableError, match=words):
        read(source(path).open(0, {}))


def test_a_file_that_cannot_be_opened_is_one_clear_line(tmp_path):
    """Missing files and directories are told before anything runs."""
    with pytest.raises(UnreachableError, match=r"none\.jsonl: No such file or directory"):
        source(tmp_path / "none.jsonl")
    with pytest.raises(UnreachableError, match="a directory; name the files in it"):
        source(tmp_path)


def test_files_are_read_in_turn_when_nobody_says_how_far_they_are(tmp_path):
    """Without watermarks the file with the fewest lines read goes on."""
    paths = [written(tmp_path, b"x\n" * 30, f"{name}.jsonl") for name in "abc"]
    reader = source(*paths).open(0, {})

    order = [records.partition for _ in range(9) for records in reader.poll(10)]

    assert order == [0, 1, 2] * 3


def test_the_file_that_is_furthest_behind_goes_on(tmp_path):
    """The engine's watermarks choose the file; one that has shown nothing yet goes first."""
    paths = [written(tmp_path, b"x\n" * 40, f"{name}.jsonl") for name in "abc"]
    watermarks = {0: 500, 1: 100, 2: None}
    reader = source(*paths, watermark_ms=watermarks.get).open(0, {})

    order = []
    for after in ({2: 200}, {1: 150}, {1: 300}, {2: 900}):
        order += [records.partition for records in reader.poll(10)]
        watermarks.update(after)

    assert order == [2, 1, 1, 2]


def test_a_file_is_at_its_end_when_all_of_it_was_handed_out(tmp_path):
    """Until then it holds the others back."""
    reader = source(written(tmp_path, b"a\nb\n")).open(0, {})

    reader.poll(1)
    assert not reader.at_end(0)
    assert not reader.caught_up(0)
    read(reader)
    assert reader.at_end(0)
    assert reader.caught_up(0)


def test_when_the_file_behind_has_ended_the_others_go_on(tmp_path):
    """A file that is finished holds nobody up."""
    short, long = written(tmp_path, b"a\n", "a"), written(tmp_path, b"b\nb\n", "b")
    reader = source(short, long, watermark_ms={0: 1, 1: 2}.get).open(0, {})

    rows, _ = read(reader, limit=1)

    assert rows == [(0, 0, b"a"), (1, 0, b"b"), (1, 1, b"b")]


def test_progress_counts_bytes_as_they_lie_on_disk(tmp_path):
    """A progress bar ends at 100 %, for zipped files too."""
    plain = written(tmp_path, b"x\n" * 1_000, "a")
    packed = written(tmp_path, gzip.compress(os.urandom(100_000)), "b")
    total = plain.stat().st_size + packed.stat().st_size
    files = source(plain, packed)

    assert files.progress() == (0, total)
    read(files.open(0, {}))
    assert files.progress() == (total, total)


@pytest.fixture
def pipe():
    """Standard input as a pipe; gives the end to write to."""
    reads, writes = os.pipe()
    keep = os.dup(0)
    os.dup2(reads, 0)
    os.close(reads)
    yield writes
    os.dup2(keep, 0)
    os.close(keep)


def test_standard_input_is_read_without_waiting_for_it(pipe):
    """What is there is passed on; an empty pipe gives nothing and is not finished."""
    files = source("-")
    reader = files.open(0, {})

    assert list(reader.poll(10)) == []
    assert reader.at_end(0)
    assert reader.caught_up(0)
    os.write(pipe, b"a\nb")
    assert reader.poll(10)[0].values == [b"a"]
    assert not reader.at_end(0)
    assert list(reader.poll(10)) == []
    assert reader.at_end(0)
    assert not reader.finished(0)
    assert files.progress() == (3, None)
    os.close(pipe)
    assert reader.poll(10)[0].values == [b"b"]
    assert reader.finished(0)


def test_zipped_standard_input_is_unzipped(pipe):
    """`cat events.jsonl.gz | northstar replay -` works, in whatever pieces it comes."""
    packed = gzip.compress(b"a\nb\n")
    reader = source("-").open(0, {})
    values = []

    for start in range(0, len(packed), 10):
        os.write(pipe, packed[start : start + 10])
        values += [value for records in reader.poll(10) for value in records.values]
    os.close(pipe)
    values += [value for _, _, value in read(reader)[0]]

    assert values == [b"a", b"b"]


def test_a_file_has_a_name_for_telemetry(tmp_path):
    """Lag and watermark are shown by file."""
    path = written(tmp_path, b"a\n")

    assert source(path).partition_name(0) == (str(path), "0")
