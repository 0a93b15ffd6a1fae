"""Writes the seeds of the corpus from our samples and rows: python -m tests.fuzz.seeds

What the fuzzer found stays beside them: seeds are named `seed-`, findings `found-`.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from s4fw.dialects.eventstream import encoded, event
from tests.evasion.families import encodings, numbers, twins
from tests.evasion.intakes import INTAKES
from tests.http import answers, framing, heads

CORPUS = Path(__file__).parent / "corpus"
_SEED_BYTES_MAX = 2048
_ORDER = ("chat", "responses", "completions", "embeddings", "messages", "converse", "invoke")


def seeds() -> dict[str, list[bytes]]:
    """Target -> inputs, the first byte being what the target takes it for."""
    rows = [row.raw for row in (*framing.rows(), *heads.rows())[::9]]
    told = [row.data for row in answers.rows()[::6]]
    by_name = {intake.name: intake for intake in INTAKES}
    honest = [bytes([n]) + by_name[name].attempt().body for n, name in enumerate(_ORDER)]
    odd = [one.attempt.body for f in (twins, encodings, numbers) for one in f(INTAKES[0])][::7]
    frames = event("messageStop", b'{"stopReason":"end_turn"}') + encoded({":a": "b"}, b"{}")
    streams = [row.data.partition(b"\r\n\r\n")[2] for row in answers.rows() if row.is_stream][::3]
    usage = (
        b'{"usage":{"input_tokens":3,"output_tokens":4,"prompt_tokens":3,"completion_tokens":4}}'
    )
    return {
        "scan": [body[1:] for body in honest] + odd,
        "requests": [b"\x02" + row for row in rows],
        "answers": [b"\x02" + row for row in told],
        "events": [b"\x02" + body for body in streams],
        "frames": [b"\x04" + frames, b"\x00" + frames[:-3], b"\x07" + frames * 3],
        "paths": [b"v1/responses", b"t/acme/f/x/azure/v1/chat/completions", b"model/a%3A0/invoke"],
        "bodies": honest + [bytes([n]) + body for n, body in enumerate(odd)],
        "meters": [
            *(bytes([n, 3]) + usage for n in range(7)),
            *(bytes([64 + n % 8, 5]) + body for n, body in enumerate(streams)),
            *(bytes([64 + n, 2]) + frames for n in (5, 6)),
        ],
    }


def main() -> None:
    """Write what is missing."""
    for target, inputs in seeds().items():
        folder = CORPUS / target
        folder.mkdir(parents=True, exist_ok=True)
        for data in inputs:
            if len(data) <= _SEED_BYTES_MAX:
                (folder / f"seed-{hashlib.sha256(data).hexdigest()[:12]}").write_bytes(data)


if __name__ == "__main__":
    main()
