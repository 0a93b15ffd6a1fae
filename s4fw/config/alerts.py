"""`alerts`: what is worth waking somebody for, and where it is sent."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import SecretStr

from s4fw.config.document import Scalar
from s4fw.config.forms import Decimal, Duration, Text, Whole
from s4fw.config.listeners import is_loopback
from s4fw.config.secret import Secret
from s4fw.config.section import Section, setting
from s4fw.config.url import Url

SECRET_CHARACTERS_MIN = 16
_TARGET = re.compile(r"[!-~]*")
_TOPIC = r"arn:aws[a-z-]{0,20}:sns:[a-z0-9-]{4,30}:[0-9]{12}:[A-Za-z0-9_.-]{1,256}"


class HookUrl(Url):
    """Where alerts are posted: https, or http on this machine."""

    words = "a URL such as https://hooks.example.com/s4fw; http only on loopback"

    def read(self, scalar: Scalar) -> str:
        parts, host, port = self.split(scalar)
        if "@" in parts.netloc or "#" in scalar.text:
            raise ValueError("must not hold a user, a password or a fragment")
        if port == 0 or _TARGET.fullmatch(scalar.text) is None:
            raise self.refused()
        if parts.scheme == "http" and not is_loopback(host):
            raise ValueError("must be https, except on loopback")
        return scalar.text


class Webhook(Section):
    """One URL that gets a POST for each alert. Only this URL: redirects are not followed, proxies
    of the environment are not used, and a name that resolves to a link-local or metadata address
    is refused. Signed as standardwebhooks.com says; see docs/alerts.md."""

    url: Annotated[str, HookUrl()] = setting("Where to.")
    secret: Annotated[SecretStr, Secret(SECRET_CHARACTERS_MIN)] | None = setting(
        "The secret that signs, as text or `{file: path}`: `whsec_` and base64, or plain text."
        " Unsigned where left out.",
        None,
    )


class Sns(Section):
    """An Amazon SNS topic. Needs sns:Publish on it and nothing else; credentials are found as by
    any AWS SDK."""

    topic_arn: Annotated[str, Text(_TOPIC, "the ARN of an SNS topic")] = setting(
        "The topic; its region is in the ARN."
    )


class Alerts(Section):
    """What is told, always as a line of the log and an event of the admin listener, and where it
    is sent, too. A rule is off with `0` or `0s`. Parts of a limit are told as `warn_at` of each
    budget says, once in each window."""

    webhook: Webhook | None = setting("A URL that gets a POST for each alert.", None)
    sns: Sns | None = setting("An Amazon SNS topic that gets each alert.", None)
    repeat_s: Annotated[float, Duration("10s", "7d")] = setting(
        "The least time between two alerts of one kind about the same thing.", "1h", key="repeat"
    )
    max_per_hour: Annotated[int, Whole(1, 10_000)] = setting(
        "How many are told in an hour at most; the others are counted.", 60
    )
    runs_out_within_s: Annotated[float, Duration("0s", "7d")] = setting(
        "Tell that a budget is used up within this time, and before its window ends, at the rate of"
        " the last 5 to 10 minutes.",
        "1h",
        key="runs_out_within",
    )
    retries_per_minute: Annotated[int, Whole(0, 1_000_000)] = setting(
        "Tell when callers of one tenant repeat so many requests in a minute.", 60
    )
    context_growth: Annotated[int, Whole(0, 10_000_000)] = setting(
        "Tell when the input of a session grows by so many tokens each turn, over 10 turns.",
        4000,
    )
    tool_changes: Annotated[int, Whole(0, 1000)] = setting(
        "Tell when a session offers other tools so many times in 20 turns: each change makes the"
        " provider's cache of its prompt worthless.",
        6,
    )
    cost_spike: Annotated[int, Decimal(1, 0, 1000, "a factor such as 3 or 2.5, up to 100")] = (
        setting(
            "Tell when a tenant spends so many times what it spent before, while a smaller part of"
            " its requests or tasks succeeds.",
            3,
        )
    )
    prices_older_than_days: Annotated[int, Whole(0, 3650)] = setting(
        "Tell when the built-in rates are older than this.", 120
    )
