"""Every answer row: the caller gets one answer or none, and the books never say too little."""

from __future__ import annotations

import h11

from s4fw.core.reason import Reason
from tests.http import answers
from tests.http.told import AnswerRow, End
from tests.proxy.rig import CLOSE, Rig, on_rig, post

ROWS = answers.rows()
_REASONS = {
    End.PAID: Reason.USAGE,
    End.BLIND: Reason.USAGE,
    End.BAD: Reason.UPSTREAM_INVALID,
    End.CUT: Reason.UPSTREAM_CUT,
    End.BROKEN: Reason.UPSTREAM_CUT,
}


def test_families_are_as_many_as_promised_and_none_is_there_twice() -> None:
    """A family that generates nothing would prove nothing."""
    assert len(ROWS) >= 300
    assert len({row.id for row in ROWS}) == len(ROWS)


def read(data: bytes) -> tuple[list[int], bytes, bool]:
    """What a strict client makes of a connection: final statuses, body, and a clean end or none."""
    client = h11.Connection(h11.CLIENT, max_incomplete_event_size=1 << 20)
    client.send(
        h11.Request(method="POST", target="/", headers=[("host", "a"), ("content-length", "0")])
    )
    client.send(h11.EndOfMessage())
    client.receive_data(data)
    client.receive_data(b"")
    statuses, body = [], b""
    try:
        while not isinstance(
            event := client.next_event(), (h11.EndOfMessage, h11.ConnectionClosed)
        ):
            if isinstance(event, h11.Response):
                statuses.append(event.status_code)
            elif isinstance(event, h11.Data):
                body += event.data
    except h11.RemoteProtocolError:
        return statuses, body, False
    assert client.trailing_data[0] == b"", "a second answer"
    return statuses, body, isinstance(event, h11.EndOfMessage)


async def complaint(rig: Rig, row: AnswerRow, pieces: list[bytes]) -> str:
    """What is wrong with how a row was played, or nothing."""
    number = len(rig.stage.finished) + 1
    steps: list[object] = []
    for piece in pieces:
        steps += [piece, 0.0005]
    rig.upstream.scripts = [[*steps[:-1], CLOSE]]  # type: ignore[list-item]
    client = await rig.client()
    body = b'{"stream":true}' if row.is_stream else b"{}"
    await client.send(post(body, b"Connection: close"))
    out = await client.rest()
    x = await rig.settled(number)
    statuses, told, is_clean = read(out)
    usage = x.meter.usage if x.meter is not None else None
    counted = None if usage is None else (usage.input, usage.output)
    problems = []
    if statuses != [row.status]:
        problems.append(f"answered {statuses}, wanted {row.status}")
    if x.reason is not _REASONS[row.end]:
        problems.append(f"ended as {x.reason}")
    # Charged at worst case where the reason says so, or where no usage is known.
    if row.end is End.PAID and counted != (10, 5):
        problems.append(f"counted {counted}")
    if row.end is End.BLIND and counted is not None:
        problems.append(f"trusted {counted}")
    if row.end is End.BROKEN and is_clean and b"upstream_cut" not in told:
        problems.append("a clean end")
    if row.end is not End.BROKEN and not is_clean:
        problems.append("no clean end")
    if b"169.254" in out or b"EVIL" in out or b"fake" in out or b"alt-svc" in out.lower():
        problems.append("something passed that must not")
    return f"{row.id} ({row.why}): {'; '.join(problems)}" if problems else ""


@on_rig()
async def test_every_answer_ends_as_its_row_says(rig: Rig) -> None:
    """At once."""
    complaints = [await complaint(rig, row, [row.data]) for row in ROWS]
    assert "" == "\n".join(text for text in complaints if text)
    # Nothing of all that is left on a kept connection.
    assert (await (await rig.client()).ask(post()))[0] == 200


@on_rig()
async def test_every_answer_ends_the_same_in_pieces(rig: Rig) -> None:
    """Cut in places that a parser has to remember: the first byte, within the head and the body."""
    complaints = []
    for row in ROWS:
        data = row.data
        if 60 < len(data) < 5000:
            cuts = [data[:1], data[1:14], data[14:43], data[43:-4], data[-4:-1], data[-1:]]
            complaints.append(await complaint(rig, row, cuts))
    assert "" == "\n".join(text for text in complaints if text)
