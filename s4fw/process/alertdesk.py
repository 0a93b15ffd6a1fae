"""The steward's part of alerts: looks at rows and cells now and then, and tells what is new.

Each alert is a line of the log, an event of the admin listener, and a letter to each place that is
configured.  `tick` each second, once the books are open: only one steward has them.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable
from functools import partial

import orjson

from s4fw.admin.facts import Event
from s4fw.config.alerts import Alerts
from s4fw.config.schema import Config
from s4fw.observe.alerts import Alert
from s4fw.observe.burning import BudgetWatch
from s4fw.observe.figures import BudgetFigures
from s4fw.observe.habits import RowWatch
from s4fw.observe.log import FIELDS
from s4fw.observe.times import rfc3339
from s4fw.pricing import age
from s4fw.process.alertbook import AlertBook
from s4fw.process.courier import Courier, Letter, Place
from s4fw.process.tell import Tell, from_thread
from s4fw.process.witness import LEVELS

log = logging.getLogger(__name__)

EVENT = "alert"
LOOK_S = 2.0
LOOK_SHARE = 50  # at least this many times as long as a look took lies between two
LAST_SEND_S = 3.0  # how long an orderly end waits for what is left
_NEVER_AGAIN_S = 7 * 86400  # the age of prices is no news the next hour


class AlertDesk:
    """Watches, remembers, tells."""

    def __init__(
        self,
        config: Config,
        loop: asyncio.AbstractEventLoop,
        budgets: Callable[[], list[BudgetFigures]],
        hear: Callable[[Event], None],
        tell: Tell,
    ) -> None:
        self.rows = RowWatch(config.alerts)
        self._loop = loop
        self._budgets = budgets
        self._hear = hear
        self._tell = tell
        self._watch = BudgetWatch()
        self._book = AlertBook(config.paths.state)
        self._is_open = False
        self._look_at_s = 0.0
        self._couriers: dict[str, Courier] = {}
        self._rules = config.alerts
        self._take(config)

    def adopt(self, config: Config) -> None:
        """Go on with another configuration."""
        is_elsewhere = _places(config.alerts) != _places(self._rules)
        self._take(config)
        if is_elsewhere and self._is_open:
            for courier in self._couriers.values():
                courier.abandon()
            self._couriers = self._started()

    def tick(self) -> None:
        """Look, when it is time."""
        if not self._is_open:
            self._is_open = True
            self._book.open()
            self._couriers = self._started()
        now_s = int(time.time())
        started_s = time.monotonic()
        if started_s >= self._look_at_s:
            for alert in self._found(now_s):
                self._consider(alert, now_s)
            took_s = time.monotonic() - started_s
            self._look_at_s = started_s + max(LOOK_S, LOOK_SHARE * took_s)
        self._keep(now_s)

    async def close(self) -> None:
        """Bring the last of it, for a while; what is left, the next steward brings."""
        if not self._is_open:
            return
        closing = [
            self._loop.run_in_executor(None, courier.close, LAST_SEND_S)
            for courier in self._couriers.values()
        ]
        await asyncio.gather(*closing)
        await asyncio.sleep(0)  # what the threads said last
        self._keep(int(time.time()))

    # -- inside -------------------------------------------------------------------------------

    def _take(self, config: Config) -> None:
        self._rules = self.rows.rules = config.alerts
        self._warn_at = {budget.id: budget.warn_at for budget in config.budgets}

    def _found(self, now_s: int) -> list[Alert]:
        rules = self._rules
        found = self.rows.look(now_s)
        found += self._watch.look(
            self._budgets(), now_s, int(rules.runs_out_within_s), self._warn_at
        )
        days = age.age_days(now_s)
        if rules.prices_older_than_days and days > rules.prices_older_than_days:
            said = f"the built-in prices are {days} days old: update, or give pricing.overrides"
            found.append(Alert("prices_old", "warning", "prices", said, said, {"days": days}))
        # When not all can be told, the worst are.
        found.sort(key=lambda alert: alert.level != "alarm")
        return found

    def _consider(self, alert: Alert, now_s: int) -> None:
        key = f"{alert.kind} {alert.subject}"
        rules = self._rules
        repeat_s = _NEVER_AGAIN_S if alert.kind == "prices_old" else rules.repeat_s
        if not self._book.may_tell(key, alert.once, now_s, repeat_s, rules.max_per_hour):
            return
        held_back = self._book.note(key, alert.once, alert.until_s, now_s)
        fields = alert.fields | ({"held_back": held_back} if held_back else {})
        letter = _letter(alert, fields, now_s)
        self._book.owe(letter, self._couriers)
        self._keep(now_s)
        self._say(alert, fields)
        for courier in self._couriers.values():
            courier.offer(letter)

    def _say(self, alert: Alert, fields: dict[str, str | int]) -> None:
        """To the log, which shows no value of callers, and to the last events."""
        shown = {name: value for name, value in fields.items() if name in FIELDS - {"model"}}
        # The sentence is ours, so it is the message itself and not an argument to be masked.
        extra: dict[str, str | int] = {**shown, "event": alert.kind, "kind": EVENT}
        log.log(LEVELS[alert.level], alert.log_text, extra=extra)
        told: dict[str, str | int] = {"alert": alert.kind, **fields}
        self._hear(Event(time.time_ns(), EVENT, alert.level, alert.message, told))

    def _started(self) -> dict[str, Courier]:
        """The couriers of this configuration, with what earlier ones left."""
        made = {}
        for place in _made(self._rules):
            courier = Courier(
                place,
                from_thread(self._loop, self._tell),
                from_thread(self._loop, partial(self._settle, place.name)),
            )
            courier.start()
            for letter in self._book.owed_to(place.name):
                courier.offer(letter)
            made[place.name] = courier
        return made

    def _settle(self, place: str, letter_id: str) -> None:
        self._book.settle(place, letter_id)
        self._keep(int(time.time()))  # at once: what is forgotten here is brought again

    def _keep(self, now_s: int) -> None:
        self._book.keep(now_s, max(self._rules.repeat_s, _NEVER_AGAIN_S))


def _places(rules: Alerts) -> tuple[object, ...]:
    hook = rules.webhook
    secret = hook.secret.get_secret_value() if hook is not None and hook.secret else None
    return (hook.url if hook is not None else None, secret, rules.sns)


def _made(rules: Alerts) -> list[Place]:
    # Only here, where they are wanted: they take memory.
    places: list[Place] = []
    if rules.webhook is not None:
        from s4fw.process.webhook import Hook

        places.append(Hook(rules.webhook))
    if rules.sns is not None:
        from s4fw.process.sns import Topic

        places.append(Topic(rules.sns))
    return places


def _letter(alert: Alert, fields: dict[str, str | int], now_s: int) -> Letter:
    letter_id = f"al_{secrets.token_hex(12)}"
    body = {
        "id": letter_id,
        "at": rfc3339(now_s),
        "kind": alert.kind,
        "level": alert.level,
        "message": alert.message,
        "fields": fields,
    }
    title = f"S4 Firewall: {alert.kind.replace('_', ' ')}"
    return Letter(letter_id, now_s, alert.kind, alert.level, title, orjson.dumps(body))
