"""The model host's messages."""

from __future__ import annotations

import json

import pytest

from medheart import errors
from medheart.errors import MedHeartError
from medheart.wire import host as wire


def test_messages_survive_json() -> None:
    request = wire.SegmentRequest("t", (wire.ImageRef("a" * 64, "MR", {"body_part": "HEAD"}),), "batch", "me")
    assert wire.SegmentRequest.from_dict(json.loads(json.dumps(request.to_dict()))) == request
    state = wire.SegmentState("x", "running", 0, 3, 8, 1.5, None, 7)
    assert wire.SegmentState.from_dict(json.loads(json.dumps({**state.to_dict(), "newer": 1}))) == state
    assert [wire.SegmentState("x", word).ended for word in ("queued", "running", "done", "failed", "cancelled")] == [
        False,
        False,
        True,
        True,
        True,
    ]


@pytest.mark.parametrize(
    "data", [None, [], {}, {"task": "t"}, {"task": "t", "inputs": [1]}, {"task": "t", "inputs": None}]
)
def test_requests_that_are_not_understood(data: object) -> None:
    with pytest.raises(MedHeartError) as caught:
        wire.SegmentRequest.from_dict(data)
    assert caught.value.code == "bad_request"


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.NotFound("n", missing=["a"]), 404),
        (errors.Busy("b", retry_after_s=3), 429),
        (errors.Unavailable("u"), 503),
        (errors.Cancelled("c"), 409),
        (errors.TaskError("t", reasons=[]), 422),
        (MedHeartError("m", code="other"), 400),
    ],
)
def test_errors_keep_class_code_words_and_details(error: MedHeartError, status: int) -> None:
    assert wire.status_of(error) == status
    back = wire.error_from_dict(json.loads(json.dumps(wire.error_to_dict(error))))
    assert type(back) is type(error)
    assert (back.message, back.code, back.details) == (error.message, error.code, error.details)


@pytest.mark.parametrize("kind", ["Any", "annotations", "NeedsChoice", None, 3, "__class__"])
def test_an_unknown_kind_is_a_plain_error(kind: object) -> None:
    error = wire.error_from_dict({"code": "c", "message": "m", "kind": kind})
    assert type(error) is MedHeartError
    assert str(error) == "m"
