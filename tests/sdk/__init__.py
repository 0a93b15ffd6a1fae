"""Real SDKs against real processes: every client in every situation, with the money compared.

ask             one call in words that every client understands, and what the client saw of it
clients         an adapter for each client: Python's SDKs here, Node's through the scripts in node/
estate          the simulator, the firewalls in front of it and their callers
situations      what can happen to a call, and what must be true afterwards
test_matrix     situations x clients; those of Node only in `make sdk`
test_more_ways  helpers, further classes, frameworks' own shapes
"""

import pytest

pytest.register_assert_rewrite("tests.sdk.situations")  # so that a failing row shows both sides
