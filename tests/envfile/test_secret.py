from __future__ import annotations

import copy
import json
import pickle
import traceback

import pytest
from pydantic import BaseModel

from shiptasks.config.secret import Secret

CANARY = "hunter22-canary"


class Holder(BaseModel):
    one: Secret


def test_nothing_shows_it() -> None:
    secret = Secret(CANARY)
    holder = Holder(one=secret)
    shown = [repr(secret), str(secret), f"{secret}", f"{secret:>30}", "%s %r" % (secret, secret)]  # noqa: UP031
    shown += [repr([secret]), repr(holder), str(holder.model_dump()), holder.model_dump_json(), json.dumps(str(secret))]
    assert CANARY not in "".join(shown)
    assert holder.model_dump() == {"one": "***"}
    assert secret.reveal() == CANARY


def test_it_cannot_be_serialised_or_changed() -> None:
    secret = Secret(CANARY)
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(secret)
    with pytest.raises(TypeError):
        json.dumps(secret)
    with pytest.raises(TypeError):
        len(secret)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="unhashable"):
        hash(secret)
    with pytest.raises(AttributeError, match="cannot be changed"):
        secret._text = "x"
    assert not hasattr(secret, "__dict__")


def test_a_traceback_with_locals_does_not_show_it() -> None:
    secret = Secret(CANARY)
    try:
        raise ValueError(secret)
    except ValueError as error:
        told = traceback.TracebackException.from_exception(error, capture_locals=True)
        del secret
    assert CANARY not in "".join(told.format())


def test_equality_and_copies() -> None:
    secret = Secret(CANARY)
    assert secret == Secret(CANARY)
    assert secret != Secret("other")
    assert secret != CANARY
    assert copy.copy(secret) is secret
    assert copy.deepcopy([secret])[0] is secret
    assert bool(Secret(""))
    assert Secret("é\udcff") == Secret("é\udcff")


def test_a_model_takes_only_a_secret() -> None:
    with pytest.raises(ValueError, match="instance of Secret"):
        Holder.model_validate({"one": CANARY})
