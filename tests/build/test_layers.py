"""What the engine notes of instructions, as their Dockerfile has them."""

from __future__ import annotations

import pytest

from shiptasks.build.layers import Layer, instruction, of_history


@pytest.mark.parametrize(
    ("noted", "written"),
    [
        ("RUN /bin/sh -c pip install -r requirements.txt # buildkit", "RUN pip install -r requirements.txt"),
        ("RUN |1 VERSION=1.0.0 /bin/sh -c make $VERSION # buildkit", "RUN make $VERSION"),
        ("RUN |2 A=b c D=/bin/x /bin/bash -ceu make   all # buildkit", "RUN make all"),
        ("/bin/sh -c apt-get update", "RUN apt-get update"),
        ("|1 A=b /bin/sh -c make", "RUN make"),
        ('/bin/sh -c #(nop)  CMD ["python3"]', 'CMD ["python3"]'),
        ("/bin/sh -c #(nop) ADD file:abc in / ", "ADD file:abc in /"),
        ("COPY . . # buildkit", "COPY . ."),
        ("COPY --from=build /opt/venv /opt/venv # buildkit", "COPY --from=build /opt/venv /opt/venv"),
        ("WORKDIR /app", "WORKDIR /app"),
        ("RUN make # debian.sh --arch 'amd64'", "RUN make # debian.sh --arch 'amd64'"),
        ("# debian.sh --arch 'amd64' out/", "# debian.sh --arch 'amd64' out/"),
        ("RUN /bin/sh -c a\n\tb # buildkit", "RUN a b"),
        ("", ""),
    ],
)
def test_instruction(noted: str, written: str) -> None:
    assert instruction(noted) == written


def test_layers_are_in_the_order_of_the_dockerfile_without_those_that_hold_nothing() -> None:
    history: list[dict[str, object]] = [
        {"Size": 0, "CreatedBy": 'CMD ["x"]'},
        {"Size": 70, "CreatedBy": "COPY . . # buildkit"},
        {"Size": 0, "CreatedBy": "ENV A=b"},
        {"Size": 1000, "CreatedBy": None},
        {"Size": None},
    ]
    assert of_history(history) == (Layer(1000, ""), Layer(70, "COPY . ."))
