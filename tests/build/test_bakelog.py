"""The readers, on lines that buildx 0.13.1 wrote."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shiptasks.build.bakelog import Log, Plain, RawJson, Reader, Record, Text, Vertex

INDENTED = """\
{
  "vertexes": [
    {
      "digest": "sha256:d949",
      "inputs": [
        "sha256:5b4a"
      ],
      "name": "[web 3/3] RUN echo one; exit 3",
      "started": "2026-11-21T00:43:43.292842456Z"
    }
  ]
}
{
  "logs": [
    {
      "vertex": "sha256:d949",
      "stream": 1,
      "data": "b25lCnR3bwo=",
      "timestamp": "2026-11-21T00:43:43.444002064Z"
    }
  ]
}
{
  "vertexes": [
    {
      "digest": "sha256:d949",
      "name": "[web 3/3] RUN echo one; exit 3",
      "started": "2026-11-21T00:43:43.292842456Z",
      "completed": "2026-11-21T00:43:43.459872835Z",
      "error": "process did not complete successfully: exit code: 3"
    }
  ]
}
Dockerfile:3
--------------------

ERROR: failed to solve: process did not complete successfully: exit code: 3
"""

RUN = "[web 3/3] RUN echo one; exit 3"

PLAIN = """\
#0 building with "default" instance using docker driver

#2 [api internal] load build definition from Dockerfile
#2 transferring dockerfile: 159B done
#2 DONE 0.0s

#8 [api 2/4] RUN echo hello from api && sleep 1
#8 CACHED

#11 [bad 2/2] RUN echo a; exit 2
#11 sha256:f80e0c0a942e 0B / 1.2MB
#11 0.107 a
#11 0.408 b
#11 ERROR: process "/bin/sh -c echo a; exit 2" did not complete successfully: exit code: 2
#12 [api 3/4] RUN sleep 9
#12 CANCELED
------
"""


def fed(reader: Reader, text: str) -> list[Record]:
    return [record for line in text.splitlines() for record in reader.feed(line)]


def test_indented_json() -> None:
    assert fed(RawJson(), INDENTED) == [
        Vertex("sha256:d949", RUN, started=True, completed=False),
        Log("sha256:d949", "one\ntwo\n"),
        Vertex(
            "sha256:d949",
            RUN,
            started=True,
            completed=True,
            error="process did not complete successfully: exit code: 3",
        ),
        Text("Dockerfile:3"),
        Text("--------------------"),
        Text("ERROR: failed to solve: process did not complete successfully: exit code: 3"),
    ]


def test_one_object_a_line_says_the_same() -> None:
    objects, decoder, rest = [], json.JSONDecoder(), INDENTED
    while rest.startswith("{"):
        value, end = decoder.raw_decode(rest)
        objects.append(json.dumps(value))
        rest = rest[end:].lstrip()
    assert fed(RawJson(), "\n".join(objects) + "\n" + rest) == fed(RawJson(), INDENTED)


def test_an_unfinished_object_is_shown_as_text_not_lost() -> None:
    assert fed(RawJson(), '{"vertexes": [') == [Text('{"vertexes": [')]


@given(st.text(max_size=50), st.sampled_from([1, 2]))
def test_every_byte_of_a_log_arrives(text: str, stream: int) -> None:
    data = base64.b64encode(text.encode("utf-8", "surrogatepass")).decode()
    line = json.dumps({"logs": [{"vertex": "v", "stream": stream, "data": data}]})
    [log] = RawJson().feed(line)
    assert isinstance(log, Log)
    assert log.text == text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    assert log.stream == ("stderr" if stream == 2 else "stdout")


def test_plain_text() -> None:
    api, bad, third = (
        "[api 2/4] RUN echo hello from api && sleep 1",
        "[bad 2/2] RUN echo a; exit 2",
        "[api 3/4] RUN sleep 9",
    )
    define = "[api internal] load build definition from Dockerfile"
    error = 'process "/bin/sh -c echo a; exit 2" did not complete successfully: exit code: 2'
    assert fed(Plain(), PLAIN) == [
        Vertex("0", 'building with "default" instance using docker driver', started=True, completed=False),
        Vertex("2", define, started=True, completed=False),
        Vertex("2", define, started=True, completed=True),
        Vertex("8", api, started=True, completed=False),
        Vertex("8", api, started=True, completed=True, cached=True),
        Vertex("11", bad, started=True, completed=False),
        Log("11", "a\n"),
        Log("11", "b\n"),
        Vertex("11", bad, started=True, completed=True, error=error),
        Vertex("12", third, started=True, completed=False),
        Vertex("12", third, started=True, completed=True, error="context canceled"),
        Text("------"),
    ]


@pytest.mark.parametrize("reader", [RawJson, Plain])
@given(line=st.text(st.characters(exclude_characters="\n\r"), max_size=40))
def test_no_line_breaks_a_reader(reader: type[Reader], line: str) -> None:
    list(reader().feed(line))
