"""Counts input tokens before a request runs, with the provider's own published vocabularies.

encoding   the vocabularies, loaded from files beside this package and checked
pieces     cuts a long text where the tokenizer is certain to cut it too
longstring decodes a long JSON string in steps
factors    how many tokens other tokenizers make of ours, learned
counter    counts the runs of a request, and remembers what it counted by keyed hash

No content is kept: what is remembered is a digest and a number.  Needs no network and writes no
file.  The only package that knows tiktoken.
"""

from s4fw.tokens.counter import BYTES, TokenCounter
from s4fw.tokens.encoding import O200K

O200K_BASE = O200K.name

__all__ = ["BYTES", "O200K_BASE", "TokenCounter"]
