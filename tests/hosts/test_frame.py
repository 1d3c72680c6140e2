"""The framing: whatever is written, in whatever pieces it comes, is cut out exactly."""

from __future__ import annotations

import itertools
import shutil
import subprocess
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shiptasks.hosts.frame import Stream, build

FRAME = build("true")


def _pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[start:end] for start, end in itertools.pairwise(places)]


near_markers = st.sampled_from(
    [FRAME.begin, FRAME.end[:-1], FRAME.end[:5], FRAME.end[:1] * 3, b"\n", FRAME.begin + b" 9\n"]
)
bodies = st.lists(st.one_of(st.binary(max_size=20), near_markers)).map(b"".join).filter(lambda b: FRAME.end not in b)


@given(noise=st.binary(max_size=50), body=bodies, after=st.binary(max_size=20), cuts=st.lists(st.integers(0, 10_000)))
def test_any_output_in_any_pieces(noise: bytes, body: bytes, after: bytes, cuts: list[int]) -> None:
    lines: list[str] = []
    heads: list[str] = []
    stream = Stream(FRAME, lines.append, heads.append)
    for piece in _pieces(noise + FRAME.begin + b" 42\n" + body + FRAME.end + b" 7\n" + after, cuts):
        stream.feed(piece)
    assert (stream.head, stream.tail, heads) == ("42", "7", ["42"])
    assert stream.text == body.decode("utf-8", "replace")
    expected = [line.decode("utf-8", "replace") for line in body.split(b"\n")]
    assert lines == (expected if expected[-1] else expected[:-1])


@given(body=bodies)
def test_a_line_is_told_when_its_end_comes(body: bytes) -> None:
    lines: list[str] = []
    stream = Stream(FRAME, lines.append)
    stream.feed(FRAME.begin + b" 42\n" + body + b"\n")
    assert len(lines) == body.count(b"\n") + 1
    assert stream.tail is None


def test_what_comes_before_a_frame_is_kept_in_bounds() -> None:
    stream = Stream(FRAME)
    for _ in range(1000):
        stream.feed(b"x" * 1000)
    stream.feed(b"This account is not available.\n")
    assert stream.noise.endswith("not available.\n")
    assert len(stream.noise) < 10_000


def test_small_pieces_of_a_large_output_take_linear_time() -> None:
    lines: list[str] = []
    stream = Stream(FRAME, lines.append)
    stream.feed(FRAME.begin + b" 1\n")
    began = time.monotonic()
    for _ in range(200_000):
        stream.feed(b"x" * 50)
    stream.feed(b"\n" + FRAME.end + b" 0\n")
    assert time.monotonic() - began < 5
    assert [len(line) for line in lines] == [10_000_000]


def test_markers_never_repeat_and_are_not_in_what_is_sent() -> None:
    first, second = build("echo", stdin=b"x"), build("echo", stdin=b"x")
    assert len({first.begin, first.end, second.begin, second.end}) == 4
    assert first.begin not in first.text
    assert first.end not in first.text


@pytest.mark.parametrize("shell", [name for name in ("sh", "dash", "bash", "busybox") if shutil.which(name)])
def test_shells_agree(shell: str) -> None:
    argv = ["busybox", "sh", "-s"] if shell == "busybox" else [shell, "-s"]
    frames = [
        build("echo out; echo err >&2; exit 3"),
        build("if"),
        build("cat; exit 4", stdin=b"in\0\xff"),
        build("x=here", here=True),
        build("if", here=True),
        build('printf %s "$x"'),
    ]
    done = subprocess.run(argv, input=b"".join(f.text for f in frames), capture_output=True, timeout=10, check=False)
    got = []
    for frame in frames:
        out, err = Stream(frame), Stream(frame)
        out.feed(done.stdout)
        err.feed(done.stderr)
        assert err.tail == ""
        got.append((out.tail, b"".join(out._body)))
    assert got[0] == ("3", b"out\n")
    assert got[1][0] in ("1", "2")
    assert got[2:4] == [("4", b"in\0\xff"), ("0", b"")]
    assert got[4][0] in ("1", "2")
    assert got[5] == ("0", b"here")
