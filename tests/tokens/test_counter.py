"""Counting a request: exact, only what is new, bounded, in any thread."""

from __future__ import annotations

import json
import sys
import threading
import time
from typing import Any

import pytest
import tiktoken

from s4fw.core.request import Run
from s4fw.dialects import strictjson
from s4fw.errors import Refusal
from s4fw.tokens import TokenCounter
from s4fw.tokens import counter as module

NAME = "o200k_base"


def measure(message: Any) -> tuple[list[str], int]:
    """Content as a text, three tokens for framing."""
    return [message["role"], message["content"]], 3


def messages(*contents: str) -> list[dict[str, str]]:
    roles = ("user", "assistant")
    return [{"role": roles[i % 2], "content": text} for i, text in enumerate(contents)]


def request(*contents: str, name: bytes = b"m") -> tuple[bytes, Run]:
    body = json.dumps({"model": "m", "messages": messages(*contents)}).encode()
    document = strictjson.scan(body)
    spans, digests = document.items("messages")
    return body, Run(name, spans, digests, measure, document.long_strings)


def count(counter: TokenCounter, body: bytes, run: Run, encoding: str = NAME) -> int:
    tokens, at = counter.seek(encoding, run)
    return counter.count(encoding, body, run, tokens, at)


def expected(encoding: tiktoken.Encoding, *contents: str) -> int:
    return sum(
        3 + len(encoding.encode_ordinary(m["role"])) + len(encoding.encode_ordinary(m["content"]))
        for m in messages(*contents)
    )


@pytest.fixture
def counter(shared_counter: TokenCounter) -> TokenCounter:
    """A counter that remembers nothing, without loading the vocabularies again."""
    shared_counter._memory = module._Memory(65_536)
    shared_counter.counted_total = 0
    return shared_counter


@pytest.mark.parametrize("name", ["o200k_base", "cl100k_base"])
def test_count_is_that_of_tiktoken(
    counter: TokenCounter, encodings: dict[str, tiktoken.Encoding], name: str
) -> None:
    """Because the quote is built on it."""
    contents = ("Hello, wörld! <|endoftext|>", "漢字 and 🙂 " * 50, "", "x = 1\n" * 9_000)
    body, run = request(*contents)

    assert expected(encodings[name], *contents) == count(counter, body, run, name)


def test_count_of_grown_transcript_counts_only_the_new_suffix(
    counter: TokenCounter, encodings: dict[str, tiktoken.Encoding]
) -> None:
    """Because agents resend everything with every turn."""
    turns = [f"turn {i} of a long conversation" for i in range(100)]
    first = count(counter, *request(*turns))
    counter.counted_total = 0

    body, run = request(*turns, "and one more")
    assert (first, 100) == counter.seek(NAME, run)
    assert 0 < counter.pending_bytes(run, 100) < 60
    total = count(counter, body, run)

    assert expected(encodings[NAME], *turns, "and one more") == total
    assert total - first == counter.counted_total
    assert (total, 101) == counter.seek(NAME, run)
    assert 0 == counter.pending_bytes(run, 101)


def test_count_of_changed_message_counts_from_there(counter: TokenCounter) -> None:
    """Because a prefix is only shared up to the first difference."""
    count(counter, *request("a", "b", "c", "d"))

    _, run = request("a", "b", "changed", "d")

    assert 2 == counter.seek(NAME, run)[1]


def test_seek_does_not_mix_encodings_or_kinds_of_run(counter: TokenCounter) -> None:
    """Because the same bytes have other counts in another vocabulary or under another measure."""
    body, run = request("the same text")
    count(counter, body, run)

    assert (0, 0) == counter.seek("cl100k_base", run)
    assert (0, 0) == counter.seek(NAME, request("the same text", name=b"n")[1])
    assert 1 == counter.seek(NAME, run)[1]


def test_seek_of_an_empty_run_is_nothing(counter: TokenCounter) -> None:
    """Because a body may have an empty list."""
    body, run = request()

    assert (0, 0) == counter.seek(NAME, run)
    assert 0 == counter.pending_bytes(run, 0)
    assert 0 == count(counter, body, run)


def test_huge_run_remembers_few_prefixes_and_finds_them(counter: TokenCounter) -> None:
    """Because one request of many elements must not flush what others need, nor stall the loop."""
    texts = ["x"] * 5_000
    total = count(counter, *request(*texts))

    assert len(counter._memory) < 200
    assert (total, 5_000) == counter.seek(NAME, request(*texts, "y")[1])
    assert 4_928 == counter.seek(NAME, request(*texts[:4_930], *["y"] * 3_000)[1])[1]


def test_memory_is_bounded_and_keeps_what_is_asked_for() -> None:
    """Because a worker's memory must not grow with its traffic."""
    memory = module._Memory(100)
    memory.put(b"wanted", 7)

    for i in range(1_000):
        memory.put(b"%d" % i, i)
        assert 7 == memory.get(b"wanted")
        assert len(memory) <= 101

    assert memory.get(b"0") is None
    assert 999 == memory.get(b"999")


def test_long_strings_are_counted_as_if_decoded_at_once(
    counter: TokenCounter, encodings: dict[str, tiktoken.Encoding]
) -> None:
    """Because decoding in steps is about time, not about the count."""
    contents = ('Ein längerer „Text“ mit 漢字, "quotes" and \\ slashes.\n' * 5_000, "short")
    body, run = request(*contents)
    assert run.long_strings

    assert expected(encodings[NAME], *contents) == count(counter, body, run)


def test_long_string_inside_a_composed_text_is_counted_whole(
    counter: TokenCounter, encodings: dict[str, tiktoken.Encoding]
) -> None:
    """Because a stand-in must never be counted in place of what it stands for."""
    body, run = request("some words " * 20_000)
    run.measure = lambda message: ([json.dumps(message)], 0)

    text = json.dumps(messages("some words " * 20_000)[0])

    assert len(encodings[NAME].encode_ordinary(text)) == count(counter, body, run)


def test_number_out_of_range_is_refused(counter: TokenCounter) -> None:
    """Because grammar allows 1e400 and no reader can hold it."""
    body = b'{"messages":[{"role":"user","content":1e400}]}'
    spans, digests = strictjson.scan(body).items("messages")

    with pytest.raises(Refusal, match="out of range, in the value at byte 13"):
        count(counter, body, Run(b"m", spans, digests, measure))


def test_refusal_of_the_measure_passes_and_is_not_remembered(counter: TokenCounter) -> None:
    """Because a refused message must be refused again."""

    def refuse(_: Any) -> tuple[list[str], int]:
        raise Refusal(module.INVALID_REQUEST, "no")

    body, run = request("text")
    run.measure = refuse

    for _ in range(2):
        with pytest.raises(Refusal, match="no"):
            count(counter, body, run)
    assert 0 == len(counter._memory)


def test_content_is_not_remembered(counter: TokenCounter) -> None:
    """Because the firewall keeps counts, not content."""
    count(counter, *request("confidential"))

    assert all(b"confidential" not in key for key in counter._memory._young)
    assert {18} == {len(key) for key in counter._memory._young}


def test_threads_count_the_same(
    counter: TokenCounter, encodings: dict[str, tiktoken.Encoding]
) -> None:
    """Because large bodies are counted in threads beside each other."""
    contents = [[f"thread {t} says {i} " * 40 for i in range(30)] for t in range(4)]
    totals = [0] * 4

    def work(index: int) -> None:
        totals[index] = count(counter, *request(*contents[index]))

    threads = [threading.Thread(target=work, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [expected(encodings[NAME], *texts) for texts in contents] == totals
    assert sum(totals) == counter.counted_total


@pytest.mark.slow
def test_counting_a_huge_string_does_not_hold_up_other_threads(counter: TokenCounter) -> None:
    """Because while one caller's 8 MiB are counted, all others wait for this worker's loop."""
    body, run = request("The quick brown fox jumps over the lazy dog; " * 186_000)
    done = threading.Event()
    steps: list[int] = []
    encode = counter._encodings[NAME]._encode

    def recorded(text: str) -> list[int]:
        steps.append(len(text))
        return encode(text)

    counter._encodings[NAME]._encode = recorded
    thread = threading.Thread(target=lambda: (count(counter, body, run), done.set()))
    thread.start()
    ticks = 0
    while not done.is_set():
        time.sleep(sys.getswitchinterval() / 10)
        ticks += 1
    thread.join()
    counter._encodings[NAME]._encode = encode

    # Time on a shared machine proves nothing; the size of the steps and that we ran at all do.
    assert max(steps) < 20_000
    assert ticks > 20
