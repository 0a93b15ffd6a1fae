"""GET /v1/models and /v1/models/{model}, as Anthropic lists them."""

from __future__ import annotations

from typing import Any

from s4fw.sim.form import ProviderError
from s4fw.sim.models import Catalogue

_PATH = "/v1/models"


def answer(catalogue: Catalogue, path: str) -> dict[str, Any]:
    """The list, or one model of it.  Raises ProviderError."""
    if path != _PATH:
        return _document(catalogue, path.removeprefix(_PATH + "/"))
    data = [_document(catalogue, model) for model in catalogue.ids("anthropic")]
    return {
        "data": data,
        "has_more": False,
        "first_id": data[0]["id"],
        "last_id": data[-1]["id"],
    }


def _document(catalogue: Catalogue, model: str) -> dict[str, Any]:
    row = catalogue.row(model, "anthropic")
    if row is None:
        raise ProviderError(404, f"model: {model[:64]}")
    return {
        "type": "model",
        "id": model,
        "display_name": model,
        "created_at": "2026-01-01T00:00:00Z",
        "lifecycle": "active",
        "max_input_tokens": row.max_in,
        "max_tokens": row.max_out,
    }
