"""OpenAI's wire shapes (https://platform.openai.com/docs/api-reference).

routes           the paths
shapes           the endpoints as dialects: chat, completions, embeddings, responses, free ones
chat             reads a chat completions request: what moves money in it, strictly
completions      reads a legacy completions request
embeddings       reads an embeddings request
responses        reads a responses request, and what of its input is not in the body
tools            judges the tools of a responses request
chains           remembers how large the chain is that a response ended
members          reads and edits the members that these requests have in common
names            names that no request may hold
content          measures messages and items
measure          measures what a request holds beside its content
usage            normalises the usages of all answers
meter            reads a chat's or completion's stream while it passes
responsemeter    reads a response's stream while it passes
embeddingsmeter  reads embeddings while they pass
envelope         writes refusals and broken streams as OpenAI's SDKs understand them
"""

from s4fw.dialects.openai.shapes import Chat, Completions, Embeddings, OpenAI, Responses

__all__ = ["Chat", "Completions", "Embeddings", "OpenAI", "Responses"]
