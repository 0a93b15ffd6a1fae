"""The watch over sessions: one request in, at most one judgement out.

First what the body shows alone (`verdict`), then what its session shows (`signals`).  What may be
done about it is the operator's word, rule by rule (`policy`); the strongest that is due is told.
"""

from __future__ import annotations

from typing import Final

from s4fw.core.transcript import Transcript
from s4fw.loops import episodes, memory, rules, signals
from s4fw.loops.ask import BLOCKS, PASS, SHADOWS, WARNS, Ask, Judgement, Seen
from s4fw.loops.memory import Memory
from s4fw.loops.policy import CHEAP_TURN_NUSD, PATIENT_GAP_MS, Policies, Policy
from s4fw.loops.rules import ENFORCE, NUMBER, OFF, SHADOW, WARN
from s4fw.loops.sessions import Sessions
from s4fw.loops.signals import BLOCK_LEVEL, WARN_LEVEL
from s4fw.loops.tail import Tail
from s4fw.loops.tails import Tails
from s4fw.loops.tenants import Tenants
from s4fw.loops.thresholds import Thresholds
from s4fw.loops.turn import Turn, hashed
from s4fw.loops.verdict import Finding, judge_tail

TEMPLATE_ITEMS_MAX: Final = 3  # batches, evaluations and templates: single questions, no agents
_KINDS: Final = {OFF: PASS, SHADOW: SHADOWS, WARN: WARNS, ENFORCE: BLOCKS}


class Watch:
    """One worker's, for one configuration, over memory that all share."""

    def __init__(
        self, shared: Memory, policies: Policies, session_headers: tuple[str, ...] = ()
    ) -> None:
        self._memory = shared
        self._policies = policies
        self._lowered = [policy.thresholds.lowered() for policy in policies.all]
        self._sessions = Sessions(shared, session_headers)
        self.tails = Tails(policies.lists)
        self._tenants = Tenants(shared)
        self._places: dict[tuple[str | None, str, str], int] = {}

    def _place(self, ask: Ask) -> int:
        who = ask.key, ask.tenant, ask.feature
        place = self._places.get(who)
        if place is None:
            place = self._policies.place(*who)
            if len(self._places) >= 10_000:
                self._places.clear()
            self._places[who] = place
        return place

    def read(self, ask: Ask, bytes_max: int = 1 << 62) -> bool:
        """Read what a request says of its session; False where more than `bytes_max` are new, and
        nothing is read.  Changes nothing that is shared; may run in a thread."""
        t = ask.transcript
        count = len(t.spans)
        ask.is_read = True
        if count == 0:
            return True
        chain = self.tails.chain(t, ask.caller)
        named = self._sessions.explicit(ask.caller, ask.headers, ask.labels)
        ask.is_chained = chain is not None
        if chain is not None:
            if t.spans[-1][1] - t.spans[0][0] > bytes_max:
                return False
            named = named or chain.session
            ask.tail = self.tails.of_chain(t, chain)
        elif count > TEMPLATE_ITEMS_MAX or named:
            ask.tail = self.tails.of_short(t, bytes_max)
            if ask.tail is None:
                return False
        else:
            return True
        ask.named = named
        cache_key = ask.labels.get("prompt_cache_key", "")
        ask.root = named or self._sessions.root(ask.caller, ask.model, cache_key, t)
        return True

    def look(self, ask: Ask) -> Seen:
        """Note a request and judge it."""
        if not ask.is_read:
            self.read(ask)
        place = self._place(ask)
        policy = self._policies.all[place]
        count = len(ask.transcript.spans)
        seen = Seen(self._tenants.place(ask.tenant), 0, ask.caller)
        if count == 0:
            return seen
        if not ask.is_retry:
            self._look_for_storm(ask, policy, seen)
        tail = ask.tail
        if tail is None:
            return seen
        seen.tail = tail
        arrival = self._sessions.arrive(ask.named, ask.root, ask.transcript, tail, ask.now_ms)
        at = seen.at = arrival.at
        seen.key = arrival.key
        seen.turns = tail.total
        if arrival.is_new:
            self._memory.words[at + memory.FIRST_TURNS] = tail.total
            self._tenants.began_session(seen.tenant)
            if signals.fans_out(self._memory, ask.root, ask.now_ms):
                self._weigh(policy, seen, Finding(rules.FAN_OUT, 0, 0), WARN_LEVEL)
        elif arrival.is_repeated and not ask.is_retry:
            rule = signals.retried(self._memory, at, policy.limits, ask.now_ms)
            if rule is not None:
                self._weigh(policy, seen, Finding(rule, 0, 0), BLOCK_LEVEL)
        self._advance(ask, seen, policy, tail)
        if count > TEMPLATE_ITEMS_MAX or ask.is_chained:
            self._judge(ask, seen, place, tail)
        return seen

    def _look_for_storm(self, ask: Ask, policy: Policy, seen: Seen) -> None:
        digests = ask.transcript.digests
        body = hash((hashed(digests[-1]), ask.caller, ask.model, ask.transcript.chain)) or 1
        count, level = signals.storm(self._memory, body, ask.now_ms)
        if count > 1:
            seen.storm = body  # whether its answer is a good one matters
        if level:
            self._weigh(policy, seen, Finding(rules.STORM, 0, count), level)

    def _advance(self, ask: Ask, seen: Seen, policy: Policy, tail: Tail) -> None:
        """Bring the session's record up to this request; weigh what it shows by itself."""
        shared, at, now_ms = self._memory, seen.at, ask.now_ms
        words = shared.words
        known = words[at + memory.TURNS]
        is_new_turn = tail.total > known
        if signals.grown(shared, at, ask.body_bytes, tail.total):
            self._weigh(policy, seen, Finding(rules.GROWTH, 0, signals.GROWTH_TURNS), WARN_LEVEL)
        if is_new_turn:
            signals.noted_gap(shared, at, now_ms - words[at + memory.SEEN_MS])
            spent = words[at + memory.SPENT_NUSD]
            for turn in range(max(known + 1, tail.total - memory.SPENT_TURNS + 1), tail.total + 1):
                words[at + memory.SPENT_AT + turn % memory.SPENT_TURNS] = spent
        if tail.turns:
            failed = tail.turns[-1].is_error
            if signals.fails_dearly(shared, at, failed, is_new_turn, tail.total):
                turns = words[at + memory.FAILED_TURNS]
                self._weigh(policy, seen, Finding(rules.SPEND_AFTER_FAILURES, 0, turns), WARN_LEVEL)
        if is_new_turn and signals.is_long(shared, at, seen.tenant, known, tail.total):
            self._weigh(policy, seen, Finding(rules.LONG_SESSION, 0, tail.total), WARN_LEVEL)
        if signals.is_dear(shared, at, tail.total):
            self._weigh(policy, seen, Finding(rules.COST_SLOPE, 0, 0), WARN_LEVEL)
        limit = signals.beyond(shared, at, policy.limits, tail.total, now_ms)
        if limit is not None:
            self._weigh(policy, seen, Finding(limit, 0, tail.total), BLOCK_LEVEL)
        words[at + memory.SEEN_MS] = now_ms
        words[at + memory.ITEMS] = tail.items
        words[at + memory.JOINT] = tail.last
        words[at + memory.JOINT_BEFORE] = tail.last_but_one
        words[at + memory.TURNS] = tail.total
        words[at + memory.REQUESTS] += 1
        words[at + memory.TENANT] = seen.tenant
        if is_new_turn and episodes.is_followed(shared, at):
            self._follow(seen, tail, tail.total - known)

    def _follow(self, seen: Seen, tail: Tail, more: int) -> None:
        """After a verdict that stopped nothing: what came of it."""
        new = sum(not turn.is_stale for turn in tail.turns[-more:])
        said = episodes.follow(self._memory, seen.at, new, more)
        if said >= 0:
            rule = self._memory.words[seen.at + memory.EPISODE_RULE]
            self._tenants.add(seen.tenant, rule, said)

    def _judge(self, ask: Ask, seen: Seen, place: int, tail: Tail) -> None:
        """What the tail shows."""
        policy = self._policies.all[place]
        found = judge_tail(tail.turns, self._lowered[place])
        if found is None:
            if self._memory.words[seen.at + memory.EPISODE]:
                episodes.end(self._memory, seen.at)
            return
        firm = judge_tail(tail.turns, policy.thresholds)
        level = WARN_LEVEL if firm is None else BLOCK_LEVEL
        finding = found if firm is None else firm
        if self._may_repeat(finding, tail.turns, policy, 1 << place):
            if finding.turns < _patience(policy.thresholds, level):
                return
            finding.is_poll = True
        if finding.is_poll and level == BLOCK_LEVEL and self._is_patient(seen):
            level = WARN_LEVEL
        if ask.agent_ok and finding.turns <= ask.agent_ok:
            level = WARN_LEVEL
        self._weigh(policy, seen, finding, level)
        judgement = seen.judgement
        if judgement is None or judgement.finding is not finding:
            return
        judgement.first_turn = tail.total - finding.turns + 1
        judgement.wasted_nusd = episodes.wasted_nusd(self._memory, seen.at, finding, tail.total)
        if judgement.level == BLOCK_LEVEL:
            self._open(seen, judgement, policy, ask.now_ms)

    @staticmethod
    def _may_repeat(finding: Finding, turns: tuple[Turn, ...], policy: Policy, bit: int) -> bool:
        """Whether a loop is made of nothing but tools that may repeat."""
        return all([turn.lists & bit for turn in turns[-finding.turns :]])

    def _is_patient(self, seen: Seen) -> bool:
        """Whether a session takes its time and costs little."""
        words, at = self._memory.words, seen.at
        turn_nusd = words[at + memory.SPENT_NUSD] // max(words[at + memory.REQUESTS], 1)
        is_cheap = turn_nusd < CHEAP_TURN_NUSD
        return is_cheap and signals.is_patient(self._memory, at, PATIENT_GAP_MS)

    def _weigh(self, policy: Policy, seen: Seen, finding: Finding, level: int) -> None:
        """Count a finding; it becomes the judgement if nothing stronger is."""
        mode = policy.mode_of(finding.rule)
        if mode == OFF:
            return
        if level == BLOCK_LEVEL and not policy.may_block(finding.rule):
            level = WARN_LEVEL
        action = _KINDS[mode]
        if level == WARN_LEVEL:
            action = PASS if mode == SHADOW else WARNS
            self._tenants.add(seen.tenant, NUMBER[finding.rule], memory.WARNED_TURNS)
        before = seen.judgement
        if before is None or (action, level) > (before.action, before.level):
            seen.judgement = Judgement(finding, level, action)

    def _open(self, seen: Seen, judgement: Judgement, policy: Policy, now_ms: int) -> None:
        """Open the episode, or see whether this request may pass as a probe."""
        rule = NUMBER[judgement.finding.rule]
        first = judgement.first_turn
        words, at = self._memory.words, seen.at
        if not words[at + memory.EPISODE] and episodes.is_followed(self._memory, at):
            turns, new = words[at + memory.FOLLOWED], words[at + memory.FOLLOWED_NEW]
            former = words[at + memory.EPISODE_RULE]
            self._tenants.add(seen.tenant, former, episodes.hindsight(turns, new))
        judgement.is_new = episodes.begin(self._memory, at, rule, first, now_ms)
        if judgement.is_new:
            if judgement.action == BLOCKS:
                words[at + memory.FOLLOWED] = -1  # what comes after a block tells nothing of it
            self._tenants.add(seen.tenant, rule, memory.EPISODES)
            self._tenants.add(seen.tenant, rule, memory.FOUND_TURNS, judgement.finding.turns)
            self._tenants.add(seen.tenant, rule, memory.WASTED_NUSD, judgement.wasted_nusd)
        if judgement.action == BLOCKS and episodes.may_probe(
            self._memory, seen.at, judgement.is_new, policy.cool_down_ms, now_ms
        ):
            judgement.action = WARNS

    def told(self, seen: Seen) -> None:
        """Count what is done about a request."""
        judgement = seen.judgement
        if judgement is None or judgement.level != BLOCK_LEVEL:
            return
        rule = NUMBER[judgement.finding.rule]
        if judgement.action == BLOCKS:
            self._tenants.add(seen.tenant, rule, memory.BLOCKED)
        elif judgement.action == SHADOWS:
            self._tenants.add(seen.tenant, rule, memory.WOULD_BLOCK)
        else:
            self._tenants.add(seen.tenant, rule, memory.WARNED_TURNS)

    def answered(self, seen: Seen, t: Transcript) -> None:
        """Note what was answered, for a request that names the answer instead of repeating it."""
        session = seen.key or hash((seen.tenant, t.answer and t.answer[0])) or 1
        self.tails.begin_turn(t, seen.tail, session, seen.caller)

    def spent(self, seen: Seen, cost_nusd: int, is_good: bool) -> None:
        """Note what a request came to cost, and whether its answer was a good one."""
        shared = self._memory
        if is_good and seen.storm:
            signals.storm_answered(shared, seen.storm)
        judgement = seen.judgement
        if judgement is not None and judgement.action == SHADOWS:
            rule = NUMBER[judgement.finding.rule]
            self._tenants.add(seen.tenant, rule, memory.SAVED_NUSD, cost_nusd)
        at = seen.at
        if at < 0 or shared.words[at] != seen.key:
            return
        shared.words[at + memory.SPENT_NUSD] += cost_nusd
        signals.note_cost(shared, at, seen.tenant, cost_nusd)


def _patience(k: Thresholds, level: int) -> int:
    """How often a tool that may repeat may do so."""
    return k.poll if level == BLOCK_LEVEL else k.lowered().poll
