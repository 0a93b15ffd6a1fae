"""GET /v1/models and /v1/models/{model}."""

from __future__ import annotations

from typing import Any

from s4fw.sim.form import ProviderError
from s4fw.sim.models import Catalogue

_PATH = "/v1/models"


def answer(catalogue: Catalogue, path: str, provider: str) -> dict[str, Any]:
    """The list, or one model of it.  Raises ProviderError."""
    if path == _PATH:
        ids = catalogue.ids(provider)
        return {"object": "list", "data": [_document(model) for model in ids]}
    model = path.removeprefix(_PATH + "/")
    if catalogue.row(model, provider) is None:
        message = "The model does not exist or you do not have access to it."
        raise ProviderError(404, message, code="model_not_found")
    return _document(model)


def _document(model: str) -> dict[str, Any]:
    return {"id": model, "object": "model", "created": 1_700_000_000, "owned_by": "simulated"}
