"""What tokens cost: rates as data, and pure arithmetic in integers.

row        the rates of one model by tier and input size, from its published columns
ratecard   all rows, the customer's own first
cost       the quote before a request runs and its cost afterwards

A rate is an integer of pico-USD per token, a total is rounded up once to nano-USD.  What is not
published is taken from the dearer neighbour: every gap errs toward spent.
"""

from s4fw.pricing.cost import cost_nusd, quote_nusd
from s4fw.pricing.ratecard import PriceOverride, RateCard
from s4fw.pricing.row import PriceRow

__all__ = ["PriceOverride", "PriceRow", "RateCard", "cost_nusd", "quote_nusd"]
