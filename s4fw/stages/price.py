"""The worst-case price of a request whose input has its bound: pure arithmetic."""

from __future__ import annotations

from s4fw.core.exchange import Exchange
from s4fw.pricing import quote_nusd
from s4fw.units import NUSD_MAX


def output_bound(x: Exchange) -> int:
    """The most tokens of one choice: what the request asks for, and never more than the model
    gives."""
    bound, most = x.request.output_tokens_max, x.price.max_out
    if bound is None or (most is not None and most < bound):
        bound = most
    assert isinstance(bound, int), "a request without any bound was refused"
    return bound


def price(x: Exchange) -> None:
    """Fill the quote, for the output bound of now."""
    x.quote_tokens_out, x.quote_nusd = worst_case(x, output_bound(x))


def worst_case(x: Exchange, output_tokens: int) -> tuple[int, int]:
    """All tokens of output, and the price in nano-USD, of at most so many of one choice.  What is
    beyond any money is the most that an amount can say, which no limit pays for."""
    request, row = x.request, x.price
    tokens_out = request.choices * (output_tokens + request.output_tokens_extra)
    # Each turn of tools that the provider runs reads the whole input again, at most a context.
    nusd = quote_nusd(
        row,
        x.quote_tokens_in * request.input_turns,
        tokens_out,
        request.tier,
        request.cache,
        multiplier=row.multiplier(request.speed, request.geo),
        searches=request.searches_max,
    )
    return tokens_out, min(nusd, NUSD_MAX)


def affordable(x: Exchange, left_nusd: int, least: int) -> int | None:
    """The highest bound of the output that `left_nusd` pays for: at least `least`, and lower than
    the present one; None where there is none."""
    low, high = least, output_bound(x) - 1
    if low > high or worst_case(x, low)[1] > left_nusd:
        return None
    while low < high:  # the price grows with the bound, so `low` always fits
        middle = (low + high + 1) // 2
        if worst_case(x, middle)[1] <= left_nusd:
            low = middle
        else:
            high = middle - 1
    return low
