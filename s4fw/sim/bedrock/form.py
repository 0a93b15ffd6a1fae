"""Bedrock's errors, named by a header, and its binary streams."""

from __future__ import annotations

import uuid

import orjson

from s4fw.sim.bedrock.frames import event as frame_of_event
from s4fw.sim.faults import Faults
from s4fw.sim.form import Event, Headers, ProviderError

# status -> exception, as the service model of bedrock-runtime lists them (botocore 1.44).
_KINDS = {
    400: "ValidationException",
    401: "UnrecognizedClientException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    408: "ModelTimeoutException",
    424: "ModelErrorException",
    429: "ThrottlingException",
    500: "InternalServerException",
    503: "ServiceUnavailableException",
}


class BedrockForm:
    """Of every path under /model/."""

    stream_type = "application/vnd.amazon.eventstream"

    def id_headers(self, call_id: str) -> Headers:
        return [("x-amzn-requestid", str(uuid.UUID(call_id.removeprefix("req_"))))]

    def refusal(self, error: ProviderError, call_id: str) -> tuple[Headers, bytes]:
        other = "InternalServerException" if error.status >= 500 else "ValidationException"
        kind = error.kind or _KINDS.get(error.status, other)
        ids = self.id_headers(call_id) if call_id else []
        body = orjson.dumps({"message": error.message})
        return [*ids, ("x-amzn-errortype", kind), *error.headers], body

    def framed(self, event: Event, faults: Faults) -> bytes:
        return frame_of_event(event.name, event.data)

    def failure(self, sent: int) -> Event:
        message = "The model returned an error in the middle of the stream."
        return Event(orjson.dumps({"message": message}), name="modelStreamErrorException")


FORM = BedrockForm()
