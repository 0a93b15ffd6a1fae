"""What only several requests show: storms of one body, growth, cost, endless sessions.

Each function takes one observation and returns the rule that it breaks, if any.  Thresholds come
from the same replay of real sessions as those of the verdict (docs/loops.md).
"""

from __future__ import annotations

import struct
from typing import Final

from s4fw.loops import memory, rules
from s4fw.loops.memory import Memory
from s4fw.loops.policy import Limits
from s4fw.loops.thresholds import WINDOW

# -- retry storm: one body, again and again -------------------------------------------------------

_KEY, _MINUTE_MS, _MINUTE, _TEN_MS, _TEN, _LAST_MS, _GAP_MS, _GOOD, _SUM, _SQUARES = range(10)

_FIRST: Final = struct.Struct("=9q")

BURST_MS: Final = 1_000  # samples of one prompt that are drawn at once count as one request
MINUTE_MS: Final = 60_000
FORGOTTEN_MS: Final = 600_000
STORM_WARN: Final = 6  # in a minute
STORM_BLOCK: Final = 10
STORM_LONG: Final = 20  # in ten minutes
STORM_GOOD: Final = 3  # good answers that the client did not take for one

WARN_LEVEL: Final = 1
BLOCK_LEVEL: Final = 2


def storm(shared: Memory, key: int, now_ms: int) -> tuple[int, int]:
    """Note a body; returns how many like it came in the last minute or ten, 1 for one that is new,
    and the level."""
    first_ms = _seen_before(shared, key, now_ms)
    if first_ms < 0:
        return 1, 0
    words, section = shared.words, shared.storms
    at = shared.find(section, key, _KEY, key)
    if at < 0 or now_ms - words[at + _LAST_MS] > FORGOTTEN_MS:
        if at < 0:
            at = shared.claim(section, key, key, _LAST_MS)
        words[at + 1 : at + 10] = memoryview(
            _FIRST.pack(first_ms, 1, first_ms, 1, first_ms, 0, 0, 0, 0)
        ).cast("q")
    gap = now_ms - words[at + _LAST_MS]
    if gap < BURST_MS:
        return max(words[at + _MINUTE], 2), 0
    words[at + _LAST_MS] = now_ms
    before = words[at + _GAP_MS]
    words[at + _GAP_MS] = gap
    if before and gap * 2 >= before * 3:
        return max(words[at + _MINUTE], 2), 0  # it backs off, as it should
    tenths = gap // 100
    words[at + _SUM] += tenths
    words[at + _SQUARES] += tenths * tenths
    _count(shared, at + _MINUTE_MS, at + _MINUTE, MINUTE_MS, now_ms)
    _count(shared, at + _TEN_MS, at + _TEN, FORGOTTEN_MS, now_ms)
    minute, ten = words[at + _MINUTE], words[at + _TEN]
    if minute >= STORM_BLOCK or ten >= STORM_LONG:
        is_ignoring = words[at + _GOOD] >= STORM_GOOD
        return max(minute, ten), BLOCK_LEVEL if is_ignoring or _is_regular(shared, at) else 1
    return max(minute, 2), WARN_LEVEL if minute >= STORM_WARN else 0


def _seen_before(shared: Memory, key: int, now_ms: int) -> int:
    """Note a body; returns when it came last, -1 where that is not within ten minutes.  Two bodies
    with one place forget each other, two with half a key in common (one of 4 billion) mix."""
    words, section = shared.words, shared.firsts
    at = section.at + key % section.sets
    seen, mark = words[at], key >> 32
    words[at] = mark << 32 | now_ms & 0xFFFFFFFF
    ago_ms = now_ms - seen & 0xFFFFFFFF
    return now_ms - ago_ms if seen >> 32 == mark and ago_ms <= FORGOTTEN_MS else -1


def _count(shared: Memory, start: int, count: int, period_ms: int, now_ms: int) -> None:
    words = shared.words
    if now_ms - words[start] > period_ms:
        words[start], words[count] = now_ms, 0
    words[count] += 1


def _is_regular(shared: Memory, at: int) -> bool:
    """Whether the gaps hardly differ: a timer, which does not look at answers."""
    words = shared.words
    count, total = max(words[at + _TEN] - 1, 1), words[at + _SUM]
    # The variance is below 0.04 of the mean's square.
    return bool(25 * (count * words[at + _SQUARES] - total * total) < total * total)


def storm_answered(shared: Memory, key: int) -> None:
    """Note that a body got a good answer."""
    at = shared.find(shared.storms, key, _KEY, key)
    if at >= 0:
        shared.words[at + _GOOD] += 1


# -- one session ----------------------------------------------------------------------------------

GROWTH_BYTES: Final = 32_768  # of a turn; 99 % of the turns of real agents are below 5 to 29 kB
GROWTH_TURNS: Final = 5
FAILED_TURNS: Final = 6
FAILED_SHARE: Final = 4  # a quarter of the session's spend
CUSUM_SLACK: Final = 500  # thousandths of a deviation
CUSUM_ALARM: Final = 8_000
CUSUM_STEP_MAX: Final = 3_000  # no turn alone
LONG_MIN: Final = 100  # turns
LENGTHS: Final = (12, 25, 50, 100, 200, 400, 800, 1_600, 3_200)
CUSUM_TURNS_MIN: Final = 20  # of a tenant, before its own average says anything


def grown(shared: Memory, at: int, body_bytes: int, turns: int) -> bool:
    """Note how large a body is; whether it grew very much with each of the last turns."""
    words = shared.words
    more_turns = turns - words[at + memory.TURNS]
    before = words[at + memory.BODY_BYTES]
    if more_turns > 0 and before:
        is_large = body_bytes - before > GROWTH_BYTES * more_turns
        words[at + memory.GROWTH_STREAK] = words[at + memory.GROWTH_STREAK] + 1 if is_large else 0
    words[at + memory.BODY_BYTES] = body_bytes
    return bool(words[at + memory.GROWTH_STREAK] >= GROWTH_TURNS)


def noted_gap(shared: Memory, at: int, gap_ms: int) -> None:
    """Remember how long a turn took: the last 8, in half seconds up to two minutes."""
    words = shared.words
    halves = min(max(gap_ms // 500, 1), 255)
    words[at + memory.GAPS] = (words[at + memory.GAPS] << 8 & 0x7FFFFFFFFFFFFFFF) | halves


def is_patient(shared: Memory, at: int, least_ms: int) -> bool:
    """Whether turns of a session usually take so long."""
    packed = shared.words[at + memory.GAPS]
    gaps = sorted(packed >> shift & 255 for shift in range(0, 56, 8) if packed >> shift & 255)
    return bool(gaps) and gaps[len(gaps) // 2] * 500 >= least_ms


def _is_due(shared: Memory, at: int, word: int, turns: int) -> bool:
    """Whether a session may be told of something at this turn: once in WINDOW turns.  What warns
    with every request is not read any more."""
    told = shared.words[at + word]
    if 0 < told <= turns < told + WINDOW:
        return False
    shared.words[at + word] = turns
    return True


def fails_dearly(shared: Memory, at: int, is_error: bool, is_new_turn: bool, turns: int) -> bool:
    """Note whether the last turn failed; whether to say that much was spent since one did not."""
    words = shared.words
    if not is_error:
        words[at + memory.FAILED_TURNS] = 0
        words[at + memory.FAILED_NUSD] = words[at + memory.SPENT_NUSD]
        return False
    if is_new_turn:
        words[at + memory.FAILED_TURNS] += 1
    if words[at + memory.FAILED_TURNS] < FAILED_TURNS:
        return False
    spent = words[at + memory.SPENT_NUSD]
    since = spent - words[at + memory.FAILED_NUSD]
    return since * FAILED_SHARE > spent and _is_due(shared, at, memory.FAILED_TOLD, turns)


def note_cost(shared: Memory, at: int, tenant: int, cost_nusd: int) -> None:
    """Note what a request cost; IS_DEAR where that grows, turn after turn, faster than it does at
    the tenant's others.

    A transcript grows, so in any session a turn is dearer than the one before: what is compared is
    by how much.  A sum of what exceeds the mean by more than half a deviation (CUSUM) tells a steep
    slope from a single dear turn."""
    words = shared.words
    before = words[at + memory.LAST_NUSD]
    words[at + memory.LAST_NUSD] = cost_nusd
    if not before:
        return
    slope = cost_nusd - before
    mean = words[tenant + memory.TENANT_SLOPE_MEAN]
    deviation = words[tenant + memory.TENANT_SLOPE_DEVIATION]
    if words[tenant + memory.TENANT_TURNS] >= CUSUM_TURNS_MIN:
        sigma = max(deviation * 5 // 4, abs(mean) // 4, 1)
        score = min((slope - mean) * 1000 // sigma - CUSUM_SLACK, CUSUM_STEP_MAX)
        score = min(max(words[at + memory.CUSUM] + score, 0), CUSUM_ALARM * 4)
        words[at + memory.CUSUM] = score
        words[at + memory.IS_DEAR] = int(score > CUSUM_ALARM)
    words[tenant + memory.TENANT_TURNS] += 1
    step = min(words[tenant + memory.TENANT_TURNS], 256)  # a slowly forgetting average
    words[tenant + memory.TENANT_SLOPE_MEAN] = mean + (slope - mean) // step
    words[tenant + memory.TENANT_SLOPE_DEVIATION] = (
        deviation + (abs(slope - mean) - deviation) // step
    )


def is_dear(shared: Memory, at: int, turns: int) -> bool:
    """Whether to say that a session's cost grows faster than is usual.  The sum begins anew."""
    words = shared.words
    if not words[at + memory.IS_DEAR] or not _is_due(shared, at, memory.SLOPE_TOLD, turns):
        return False
    words[at + memory.IS_DEAR] = words[at + memory.CUSUM] = 0
    return True


def is_long(shared: Memory, at: int, tenant: int, before: int, turns: int) -> bool:
    """Note how many turns a session has, and had before; whether to say that it has more than twice
    as many as 99 of 100 at its tenant, and more than 100."""
    words = shared.words
    reached = tenant + memory.TENANT_LENGTHS
    for place, length in enumerate(LENGTHS):
        if turns < length:
            break
        if before < length:
            words[reached + place] += 1
    if turns <= LONG_MIN:
        return False
    usual = LENGTHS[0]  # above the 99th percentile
    for place, length in enumerate(LENGTHS[:-1]):
        others = words[reached + place] - (turns >= length)
        if others * 100 > words[tenant + memory.TENANT_SESSIONS]:
            usual = LENGTHS[place + 1]
    return turns > 2 * usual and _is_due(shared, at, memory.LENGTH_TOLD, turns)


def beyond(shared: Memory, at: int, limits: Limits, turns: int, now_ms: int) -> str | None:
    """The limit of a session that it is beyond."""
    words = shared.words
    if limits.turns is not None and turns > limits.turns:
        return rules.SESSION_TURNS
    if limits.cost_nusd is not None and words[at + memory.SPENT_NUSD] >= limits.cost_nusd:
        return rules.SESSION_COST
    if limits.time_ms is not None and now_ms - words[at + memory.STARTED_MS] > limits.time_ms:
        return rules.SESSION_TIME
    return None


def retried(shared: Memory, at: int, limits: Limits, now_ms: int) -> str | None:
    """Note that a session sent its last body again; RETRIES where it does too often."""
    _count(shared, at + memory.RETRIES_MS, at + memory.RETRIES, MINUTE_MS, now_ms)
    most = limits.retries_per_minute
    return rules.RETRIES if most is not None and shared.words[at + memory.RETRIES] > most else None


# -- sessions with one beginning ------------------------------------------------------------------

_ROOT_KEY, _ROOT_SEEN, _ROOT_MINUTE, _ROOT_COUNT, _ROOT_AVERAGE = range(5)
FAN_OUT_MIN: Final = 30  # new sessions in a minute, below which none is many
FAN_OUT_TIMES: Final = 10


def fans_out(shared: Memory, root: int, now_ms: int) -> bool:
    """Note a new session with this root; whether there are ten times as many as usual."""
    words, section = shared.words, shared.roots
    at = shared.find(section, root, _ROOT_KEY, root)
    minute = now_ms // MINUTE_MS
    if at < 0:
        at = shared.claim(section, root, root, _ROOT_SEEN)
        words[at + _ROOT_MINUTE] = minute
    words[at + _ROOT_SEEN] = now_ms
    passed = minute - words[at + _ROOT_MINUTE]
    if passed:
        # Thousandths of a session a minute; each minute takes an eighth of the difference.
        average = words[at + _ROOT_AVERAGE]
        average += (words[at + _ROOT_COUNT] * 1000 - average) // 8
        for _ in range(min(passed - 1, 60)):
            average -= average // 8
        words[at + _ROOT_AVERAGE] = average
        words[at + _ROOT_MINUTE], words[at + _ROOT_COUNT] = minute, 0
    words[at + _ROOT_COUNT] += 1
    count = words[at + _ROOT_COUNT]
    return bool(count >= FAN_OUT_MIN and count * 1000 >= FAN_OUT_TIMES * words[at + _ROOT_AVERAGE])
