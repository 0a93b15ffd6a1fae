"""What the strict scan refuses, what it records, and that threads may use it at once."""

from __future__ import annotations

import json
import threading

import pytest

from s4fw.dialects import strictjson
from s4fw.dialects.strictjson import ARRAY, FALSE, NULL, NUMBER, OBJECT, STRING, TRUE
from s4fw.errors import DUPLICATE_KEY, INVALID_REQUEST, Refusal

# ---- What must be refused, and where the problem is said to be.

NESTED_64 = b'{"a":' + b"[" * 63 + b"]" * 63 + b"}"
NESTED_65 = b'{"a":' + b"[" * 64 + b"]" * 64 + b"}"

REFUSED = [
    ("empty", b"", 0),
    ("spaces only", b" \n", 2),
    ("byte order mark", b'\xef\xbb\xbf{"a":1}', 0),
    ("utf-16", '{"a":1}'.encode("utf-16-le"), 1),
    ("top-level array", b'[{"model":"m"}]', 0),
    ("top-level string", b'"a"', 0),
    ("top-level number", b"1", 0),
    ("second document", b'{"a":1}{"a":2}', 7),
    ("trailing letter", b"{} x", 3),
    ("trailing nul", b"{}\x00", 2),
    ("cut in object", b'{"a":1', 6),
    ("cut after comma", b'{"a":1,', 7),
    ("cut after colon", b'{"a":', 5),
    ("cut in name", b'{"a', 3),
    ("cut in string", b'{"a":"b', 7),
    ("cut in escape", b'{"a":"\\', 7),
    ("cut in unicode escape", b'{"a":"\\u00', 6),
    ("cut in array", b'{"a":[1', 7),
    ("cut in literal", b'{"a":tru', 5),
    ("comma before brace", b'{"a":1,}', 7),
    ("comma before bracket", b'{"a":[1,]}', 8),
    ("comma only", b"{,}", 1),
    ("comma only in array", b'{"a":[,]}', 6),
    ("no comma", b'{"a":1 "b":2}', 7),
    ("no colon", b'{"a" 1}', 5),
    ("colon in array", b'{"a":["b":1]}', 9),
    ("wrong close", b'{"a":[1}', 7),
    ("wrong close of object", b'{"a":{]}', 6),
    ("name without quotes", b"{a:1}", 1),
    ("name with single quotes", b"{'a':1}", 1),
    ("number as name", b"{1:1}", 1),
    ("comment", b'{"a":1/*x*/}', 6),
    ("form feed as space", b'{"a":\x0c1}', 5),
    ("no-break space", b'{"a":\xc2\xa01}', 5),
    ("capital literal", b'{"a":True}', 5),
    ("literal with more", b'{"a":nullx}', 9),
    ("NaN", b'{"a":NaN}', 5),
    ("Infinity", b'{"a":Infinity}', 5),
    ("minus Infinity", b'{"a":-Infinity}', 5),
    ("plus sign", b'{"a":+1}', 5),
    ("leading zero", b'{"a":010}', 5),
    ("leading minus zero", b'{"a":-01}', 5),
    ("no digits after point", b'{"a":5.}', 5),
    ("no digits before point", b'{"a":.5}', 5),
    ("no digits in exponent", b'{"a":1e}', 5),
    ("hexadecimal", b'{"a":0x10}', 6),
    ("minus alone", b'{"a":-}', 5),
    ("21 digits", b'{"a":' + b"1" * 21 + b"}", 5),
    ("33 characters", b'{"a":0.' + b"1" * 31 + b"}", 5),
    ("a million digits", b'{"a":' + b"9" * 1_000_000 + b"}", 5),
    ("65 levels", NESTED_65, 68),
    ("a hundred thousand levels", b'{"a":' + b"[" * 100_000, 68),
    ("raw newline", b'{"a":"x\ny"}', 7),
    ("raw nul", b'{"a":"\x00"}', 6),
    ("raw control in name", b'{"a\x1f":1}', 3),
    ("unknown escape", b'{"a":"\\x41"}', 6),
    ("escaped apostrophe", b'{"a":"\\\'"}', 6),
    ("bad hexadecimal", b'{"a":"\\u00g0"}', 6),
    ("high surrogate alone", b'{"a":"\\ud800"}', 6),
    ("low surrogate alone", b'{"a":"\\udc00"}', 6),
    ("high surrogate twice", b'{"a":"\\ud800\\ud800"}', 6),
    ("high surrogate, then letter", b'{"a":"\\ud800\\u0041"}', 6),
    ("surrogates swapped", b'{"a":"\\ude00\\ud83d"}', 6),
    ("surrogate in name", b'{"\\ud800":1}', 2),
    ("surrogate as UTF-8", b'{"a":"\xed\xa0\x80"}', 6),
    ("overlong slash", b'{"a":"\xc0\xaf"}', 6),
    ("overlong of three", b'{"a":"\xe0\x80\xaf"}', 6),
    ("overlong of four", b'{"a":"\xf0\x80\x80\xaf"}', 6),
    ("above the last point", b'{"a":"\xf4\x90\x80\x80"}', 6),
    ("lead byte of five", b'{"a":"\xf8\x88\x80\x80\x80"}', 6),
    ("continuation alone", b'{"a":"\x80"}', 6),
    ("sequence cut by quote", b'{"a":"\xe6\xbc"}', 6),
    ("sequence cut by end", b'{"a":"\xe6\xbc', 6),
    ("bad UTF-8 outside a string", b'{"a":\xff}', 5),
    ("257 members", b"{" + b",".join(b'"%d":0' % i for i in range(257)) + b"}", 1939),
]

DUPLICATES = [
    ("plain", b'{"max_tokens":1,"max_tokens":100000}', 16),
    ("escaped letter", b'{"model":1,"mod\\u0065l":2}', 11),
    ("both escaped differently", b'{"\\u0061":1,"\\u0061":2}', 12),
    ("escaped slash", b'{"a/b":1,"a\\/b":2}', 9),
    ("surrogate pair and raw", '{"\U0001f600":1,"\\ud83d\\ude00":2}'.encode(), 10),
    ("empty names", b'{"":1,"":2}', 6),
    ("nested", b'{"stream_options":{"include_usage":true,"include_usage":false}}', 40),
    ("in an array", b'{"a":[{"b":1,"b":2}]}', 13),
    ("not neighbours", b'{"a":1,"b":{"a":1},"a":2}', 19),
    ("after a nested object", b'{"x":[{"a":{"b":1,"c":2},"a":0}]}', 25),
    ("nul", b'{"a\\u0000":1,"a\\u0000":2}', 13),
    (
        "among many",
        b'{"x":{' + b",".join(b'"k%d":0' % (i % 19_999) for i in range(20_000)) + b"}}",
        208_885,
    ),
]

ACCEPTED = [
    b"{}",
    b' \t\r\n{ \t\r\n"a" \t\r\n: \t\r\n1 \t\r\n} \t\r\n',
    b'{"a":-0,"b":-0.0e-0,"c":1E+5,"d":18446744073709551616,"e":12345678901234567890}',
    b'{"a":0.' + b"1" * 30 + b"}",
    b'{"a":1e400}',
    NESTED_64,
    b'{"a":"\\ud83d\\ude00\\"\\\\\\/\\b\\f\\n\\r\\t\\u0000"}',
    '{"a":"\x7f\u0080\u07ff\u0800\ud7ff\ue000\uffff\U00010000\U0010ffff"}'.encode(),
    b'{"a":1,"A":2,"\\u0041b":3}',
    b'{"a":{"b":1},"b":{"b":1},"c":[{"b":1},{"b":1}]}',
    b"{" + b",".join(b'"%d":0' % i for i in range(256)) + b"}",
    b'{"x":{' + b",".join(b'"k%d":0' % i for i in range(65_536)) + b"}}",
    b'{"a":[],"b":{},"c":"","d":[[],{}]}',
]


@pytest.mark.parametrize(("body", "at"), [r[1:] for r in REFUSED], ids=[r[0] for r in REFUSED])
def test_scan_of_what_no_two_readers_agree_on_is_refused(body: bytes, at: int) -> None:
    """Because a body that is read in two ways is held as one request and billed as another."""
    with pytest.raises(Refusal) as refused:
        strictjson.scan(body)

    assert INVALID_REQUEST is refused.value.code
    assert refused.value.message.endswith(f", at byte {at}")


@pytest.mark.parametrize(
    ("body", "at"), [r[1:] for r in DUPLICATES], ids=[r[0] for r in DUPLICATES]
)
def test_scan_of_duplicate_names_is_refused_at_every_level(body: bytes, at: int) -> None:
    """Because readers keep the first or the last of two values, and we cannot know which."""
    with pytest.raises(Refusal) as refused:
        strictjson.scan(body)

    assert DUPLICATE_KEY is refused.value.code
    assert f"an object has the same name twice, at byte {at}" == refused.value.message


@pytest.mark.parametrize("body", ACCEPTED, ids=range(len(ACCEPTED)))
def test_scan_of_valid_body_gives_what_python_reads(body: bytes) -> None:
    """Because strictness must not refuse what the grammar allows."""
    document = strictjson.scan(body)

    assert list(json.loads(body)) == list(document.members)
    for name, (start, end, _) in document.members.items():
        assert json.loads(body)[name] == json.loads(body[start:end])


def test_refusal_never_quotes_the_body() -> None:
    """Because refusals are logged and counted, and content must not be."""
    with pytest.raises(Refusal) as refused:
        strictjson.scan(b'{"secret":"secret","secret":1}')

    assert "secret" not in refused.value.message + repr(refused.value.detail)


def test_scan_of_too_many_values_is_refused() -> None:
    """Because decoding a million small values would hold up a worker for a tenth of a second."""
    body = b'{"a":[' + b"0," * 600_000 + b"0]}"

    with pytest.raises(Refusal, match="more than 262144 values"):
        strictjson.scan(body)


def test_scan_of_too_many_members_of_one_object_is_refused() -> None:
    """Because the work for duplicates is bounded per object."""
    body = b'{"x":{' + b",".join(b'"k%d":0' % i for i in range(65_537)) + b"}}"

    with pytest.raises(Refusal, match="more than 65536 members"):
        strictjson.scan(body)


def test_scan_with_many_open_objects_keeps_their_names_apart() -> None:
    """Because keys of all open objects share one stack, which grows beyond its first size."""
    inner = b",".join(b'"k%d":0' % i for i in range(1_000))
    body = b'{"a":{}}'
    for _ in range(20):
        body = b"{" + inner + b',"deeper":' + body + b"}"
    body = b'{"a":' + body + b"}"

    assert (5, len(body) - 1, OBJECT) == strictjson.scan(body).members["a"]
    with pytest.raises(Refusal, match="same name twice"):
        strictjson.scan(body.replace(b'"k999":0,"deeper":{"a"', b'"k0":0,"deeper":{"a"'))


# ---- The record of the top level.


def test_members_name_each_kind() -> None:
    """Because dialects check kinds before they decode anything."""
    body = b'{"o":{},"a":[],"s":"x","n":-1,"t":true,"f":false,"z":null}'

    kinds = {name: kind for name, (_, _, kind) in strictjson.scan(body).members.items()}

    assert {
        "o": OBJECT,
        "a": ARRAY,
        "s": STRING,
        "n": NUMBER,
        "t": TRUE,
        "f": FALSE,
        "z": NULL,
    } == kinds


def test_value_is_decoded_and_absent_is_the_default() -> None:
    """Because absent and null are different to a dialect that asks with a default."""
    document = strictjson.scan(b'{"s":"\\u00e9","t":true,"z":null,"o":{"a":[1]}}')

    assert "é" == document.value("s")
    assert document.value("t") is True
    assert document.value("z", 1) is None
    assert {"a": [1]} == document.value("o")
    assert 1 == document.value("missing", 1)


def test_value_of_a_number_that_no_reader_holds_is_refused() -> None:
    """Because 1e400 is grammar and orjson's own error would be a fault of the firewall."""
    document = strictjson.scan(b'{"a":{"b":1e400}}')

    with pytest.raises(Refusal, match="out of range"):
        document.value("a")


def test_items_are_spans_and_digests_of_prefixes() -> None:
    """Because a transcript that grew must share every digest of its old part."""
    body = b'{"m": [ 1, "two" ,{"x":[3]}],"n":[]}'
    longer = b'{"k":0,"m":[ 1, "two" ,{"x":[3]}, 4]}'

    spans, digests = strictjson.scan(body).items("m")
    _, longer_digests = strictjson.scan(longer).items("m")

    assert [b"1", b'"two"', b'{"x":[3]}'] == [body[start:end] for start, end in spans]
    assert list(digests) == list(longer_digests)[:3]
    assert 4 == len(set(longer_digests))
    assert (spans[-1], spans[0]) == (spans[2], spans[-3])
    assert ([], []) == tuple(list(part) for part in strictjson.scan(body).items("n"))
    for beyond in (3, -4):
        with pytest.raises(IndexError):
            spans[beyond]
        with pytest.raises(IndexError):
            digests[beyond]


def test_items_of_several_arrays_do_not_mix() -> None:
    """Because all recorded elements share one area."""
    body = b'{"a":[1,2],"b":{"c":[9,9]},"d":[[3,4],5],"e":"x","f":[6]}'
    document = strictjson.scan(body)

    read = {n: [json.loads(body[s:e]) for s, e in document.items(n)[0]] for n in ("a", "d", "f")}

    assert {"a": [1, 2], "d": [[3, 4], 5], "f": [6]} == read
    with pytest.raises(KeyError):
        document.items("b")


def test_items_beyond_the_recorded_are_refused() -> None:
    """Because an attacker's array must not cost memory without bound; small ones still work."""
    document = strictjson.scan(b'{"a":[1],"b":[' + b"0," * 70_000 + b'0],"c":[2]}')

    assert 1 == len(document.items("a")[0])
    for name in ("b", "c"):
        with pytest.raises(Refusal, match="more than 65536 elements"):
            document.items(name)


def test_long_strings_are_found_wherever_they_stand() -> None:
    """Because counting decodes them in steps."""
    long = b'"' + b"x" * 131_070 + b'"'
    body = b'{"a":' + long + b',"b":[{"c":[' + long + b',"short"]}]}'

    spans = strictjson.scan(body).long_strings

    assert [long, long] == [body[start:end] for start, end in spans]
    assert not strictjson.scan(b'{"a":"' + b"x" * 131_069 + b'"}').long_strings


def test_bytearray_reads_like_bytes() -> None:
    """Because the proxy collects a body in a bytearray."""
    body = b'{"a":[1,{"b":2}],"\\u0063":"x"}'

    one, other = strictjson.scan(body), strictjson.scan(bytearray(body))

    assert one.members == other.members
    assert list(one.items("a")[1]) == list(other.items("a")[1])
    assert one.digest("c") == other.digest("c")
    assert 2 == other.value("a")[1]["b"]


def test_scans_in_threads_do_not_share_a_work_area() -> None:
    """Because large bodies are scanned in a thread beside the loop's."""
    bodies = [
        b"{" + b",".join(b'"t%d-%d":[%d]' % (t, i, i) for i in range(200)) + b"}" for t in range(4)
    ]
    wrong: list[int] = []

    def work(index: int) -> None:
        expected = [f"t{index}-{i}" for i in range(200)]
        for _ in range(200):
            document = strictjson.scan(bodies[index])
            if list(document.members) != expected or document.value(expected[7]) != [7]:
                wrong.append(index)

    threads = [threading.Thread(target=work, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [] == wrong


@pytest.mark.parametrize(
    ("is_veiled", "body"),
    [
        (True, rb'{"a":"\u0041"}'),
        (True, rb'{"a":["\u007a"]}'),
        (True, rb'{"a":"\u005F"}'),
        (True, rb'{"\u0030":1}'),
        (False, rb'{"a":"\u003c\u00e9\n\\u0041\u005b\u0060\u007b\u0040"}'),
        (False, rb'{"a":"\ud83d\ude00"}'),
        (False, b'{"a":1}'),
    ],
)
def test_scan_tells_whether_a_name_may_be_hidden_from_a_search(
    is_veiled: bool, body: bytes
) -> None:
    """What is looked for in raw bytes, a cache point, could be written in escapes."""
    assert is_veiled is strictjson.scan(body).is_veiled
