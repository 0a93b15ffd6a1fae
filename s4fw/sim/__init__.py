"""A provider to run against, offline: it streams, counts, charges and fails on demand.

Simulator    everything one simulated provider knows; decides what each call is answered
Connection   one HTTP/1.1 connection from a caller (h11: another parser than the firewall's)
Call         one request as it was received, bytes and all
Chat         the chat completions API: reads a body, decides what is generated
Completion   what was generated, and how it looks as a body or as a stream
Reply        status, headers and a body or events, with the Charge that goes with it
Faults       which of the declared ways to misbehave an answer takes
Delivery     puts a reply on the wire, at the given pace and with the given faults
Ledger       the simulator's own account of what it charged: the oracle of money tests

Imports only what a provider could share with us (prices, token counts, units): never the firewall.
"""
