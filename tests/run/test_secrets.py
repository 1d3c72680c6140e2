from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shiptasks.run.events import Bus, Event, Failure, StepOutput, to_dict
from shiptasks.run.secrets import Secrets


class Collect:
    def __init__(self) -> None:
        self.events: list[Event] = []

    def handle(self, event: Event) -> None:
        self.events.append(event)


def test_a_registered_value_is_masked_in_every_field_before_a_listener_sees_it() -> None:
    listener = Collect()
    bus = Bus(listener)
    bus.secrets.add("hunter22")
    bus.emit(Failure(what="login with hunter22", where="hunter22", hint="hunter22!", details=("a hunter22 b", "c")))
    with bus.step("connect hunter22", host="hunter22") as step:
        step.output("password=hunter22")
        step.progress("trying hunter22")
        step.detail = "hunter22"
    told = json.dumps([to_dict(event) for event in listener.events])
    assert "hunter22" not in told
    assert "login with ***" in told
    assert len(listener.events) == 5


def test_short_values_are_not_masked() -> None:
    secrets = Secrets()
    secrets.add("yes")
    assert secrets.mask("yes or no") == "yes or no"


def test_the_longest_value_wins() -> None:
    secrets = Secrets()
    secrets.add("pass")
    secrets.add("password1")
    assert secrets.mask("password1 pass") == "*** ***"


def test_each_line_of_a_value_of_many_lines_is_masked_alone() -> None:
    secrets = Secrets()
    secrets.add("-----BEGIN KEY-----\nAAAAB3NzaC1yc2E\n-----END KEY-----\n")
    assert secrets.mask("got AAAAB3NzaC1yc2E") == "got ***"


def test_an_event_without_secrets_is_handed_on_as_it_is() -> None:
    listener = Collect()
    bus = Bus(listener)
    bus.secrets.add("hunter22")
    event = StepOutput(step="001", line="nothing here")
    bus.emit(event)
    assert listener.events[0] is event


def test_data_is_masked_inside_mappings_and_sequences() -> None:
    secrets = Secrets()
    secrets.add("hunter22")
    assert secrets.mask_data({"hunter22": ["x hunter22", ("hunter22", 3)]}) == {"***": ["x ***", ("***", 3)]}


@given(st.text(min_size=4).filter(lambda value: value.strip() == value and len(value) >= 4), st.text(), st.text())
def test_no_value_survives(value: str, before: str, after: str) -> None:
    secrets = Secrets()
    secrets.add(value)
    if value not in "***":
        assert value not in secrets.mask("\0" + before + "\0") + secrets.mask("\0" + value + "\0" + after)


@pytest.mark.parametrize("value", ["", "   ", "\n\n"])
def test_empty_values_mask_nothing(value: str) -> None:
    secrets = Secrets()
    secrets.add(value)
    assert secrets.mask("a b\n\nc") == "a b\n\nc"
