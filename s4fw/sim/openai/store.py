"""What the responses API keeps: answers by id, with everything the model had read and said."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from s4fw.sim.form import ProviderError
from s4fw.sim.openai.items import Items

STORED_MAX = 16_384


class Store:
    """Responses and conversations of one simulator; the oldest are forgotten."""

    def __init__(self) -> None:
        self._documents: OrderedDict[str, dict[str, Any]] = OrderedDict()
        self._inputs: dict[str, Items] = {}
        self._chains: OrderedDict[str, Items] = OrderedDict()

    def keep(self, document: dict[str, Any], given: Items) -> None:
        """Keep an answer and the input of its own turn."""
        self._documents[document["id"]] = document
        self._inputs[document["id"]] = given
        if len(self._documents) > STORED_MAX:
            oldest, _ = self._documents.popitem(last=False)
            del self._inputs[oldest]

    def chain(self, chain_id: str, items: Items) -> None:
        """Keep what a later turn continues: of a response, or of a conversation."""
        self._chains[chain_id] = items
        if len(self._chains) > STORED_MAX:
            self._chains.popitem(last=False)

    def earlier(self, chain_id: str) -> Items | None:
        """What was read and said so far; None for an id that is not known."""
        return self._chains.get(chain_id)

    def document(self, response_id: str) -> dict[str, Any]:
        """An answer by its id.  Raises ProviderError."""
        found = self._documents.get(response_id)
        if found is None:
            message = f"Response with id '{response_id[:64]}' not found."
            raise ProviderError(404, message, kind="invalid_request_error", code="not_found")
        return found

    def inputs(self, response_id: str) -> Items:
        """The input of an answer's own turn.  Raises ProviderError."""
        self.document(response_id)
        return self._inputs[response_id]

    def delete(self, response_id: str) -> None:
        """Forget an answer; what continued it goes on.  Raises ProviderError."""
        self.document(response_id)
        del self._documents[response_id], self._inputs[response_id]
        self._chains.pop(response_id, None)

    def forget(self) -> None:
        """Forget everything."""
        self._documents.clear()
        self._inputs.clear()
        self._chains.clear()
