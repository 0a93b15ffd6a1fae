"""Applications in front of the firewall, one class of users for each shape of their traffic.

`make load` runs this against a firewall and a simulator of its own (load/stand.py).  By hand, with
locust's page on http://127.0.0.1:8089, against a firewall that runs elsewhere:

    S4FW_LOAD_KEY=... locust -f load/locustfile.py --host http://10.0.0.7:8080 --class-picker

An answer counts as good only if it is whole: a stream has its end, a refusal its code.  `Bedrock`
needs S4FW_LOAD_AWS=ID:SECRET, a pair of `s4fw keys sigv4`; without it there are no such users.
"""

from __future__ import annotations

import json
import os
import random
import time
import uuid
from typing import Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from locust import FastHttpUser, between, task
from locust.contrib.fasthttp import ResponseContextManager

from load import talk

KEY = os.environ.get("S4FW_LOAD_KEY", "")
AWS_ID, _, AWS_SECRET = os.environ.get("S4FW_LOAD_AWS", "").partition(":")
REFUSALS_AWAITED = 200  # calls after which a runaway must have met its limit


class Caller(FastHttpUser):
    """What all of them do: one tenant and session at a time, and a look at each answer."""

    abstract = True
    wait_time = between(0.2, 0.8)
    tenant = "acme"
    feature = "chat"

    def on_start(self) -> None:
        """A user's own dice and session."""
        self.dice = random.Random()
        self.session = self.new_session()

    def new_session(self) -> str:
        """A name that nobody has used."""
        return f"{self.feature}-{uuid.uuid4().hex[:12]}"

    def headers(self) -> dict[str, str]:
        """Who asks."""
        return {
            "authorization": f"Bearer {KEY}",
            "x-s4fw-tenant": self.tenant,
            "x-s4fw-feature": self.feature,
            "x-s4fw-session": self.session,
        }

    def ask(self, path: str, body: dict[str, Any]) -> ResponseContextManager:
        """Send it; whoever asks says what came of it."""
        return self.client.post(
            path, json=body, headers=self.headers(), name=self.feature, catch_response=True
        )

    def expect(self, path: str, body: dict[str, Any], member: str) -> None:
        """An answer of 200 with this member and what it cost."""
        with self.ask(path, body) as answer:
            if answer.status_code != 200:
                answer.failure(f"status {answer.status_code}")
            elif member not in answer.json():
                answer.failure(f"no {member} in the answer")
            elif "x-s4fw-cost-usd" not in answer.headers:
                answer.failure("it does not say what it cost")

    def follow(self, path: str, body: dict[str, Any], end: bytes) -> None:
        """Read a stream to its end; the time to its first bytes is a row of its own."""
        began_s = time.perf_counter()
        with self.client.post(
            path,
            json=body,
            headers=self.headers(),
            name=self.feature,
            stream=True,
            catch_response=True,
        ) as answer:
            if answer.status_code != 200:
                answer.failure(f"status {answer.status_code}")
                return
            received = b""
            while piece := answer.stream.read(65536 if received else 1):
                if not received:
                    self.note_first(began_s)
                received += piece
            if end not in received[-4096:]:
                answer.failure("the stream ended early")
            answer.request_meta["response_time"] = (time.perf_counter() - began_s) * 1000

    def note_first(self, began_s: float) -> None:
        """Tell locust when the first bytes came."""
        self.environment.events.request.fire(
            request_type="TTFT",
            name=self.feature,
            response_time=(time.perf_counter() - began_s) * 1000,
            response_length=0,
            exception=None,
            context={},
        )


class Chat(Caller):
    """People who ask one question at a time."""

    weight = 4

    @task
    def question(self) -> None:
        """One question, one answer."""
        self.expect(talk.CHAT_PATH, talk.chat(talk.question(self.dice)), "choices")


class Stream(Caller):
    """The same, watched while it is written."""

    weight = 4
    feature = "stream"

    @task
    def question(self) -> None:
        """One question, one stream."""
        options = {"stream": True, "stream_options": {"include_usage": True}}
        self.follow(talk.CHAT_PATH, talk.chat(talk.question(self.dice), **options), talk.DONE)


class Agent(Caller):
    """An agent: up to twelve turns, each with everything before it."""

    weight = 2
    feature = "agent"
    wait_time = between(0.1, 0.4)

    def on_start(self) -> None:
        """Nothing was said yet."""
        super().on_start()
        self.transcript = talk.Transcript(self.dice)

    @task
    def turn(self) -> None:
        """The next turn, or another task."""
        self.expect(talk.CHAT_PATH, self.transcript.body(), "choices")
        self.transcript.go_on()
        if self.transcript.turns == 12:
            self.on_start()


class Anthropic(Caller):
    """Anthropic's messages, half of them streamed."""

    weight = 2
    feature = "anthropic"

    def headers(self) -> dict[str, str]:
        """As its SDK sends them."""
        own = super().headers()
        own["x-api-key"] = KEY
        del own["authorization"]
        return own | {"anthropic-version": "2023-06-01"}

    @task
    def whole(self) -> None:
        """One answer at once."""
        self.expect(talk.MESSAGES_PATH, talk.message(talk.question(self.dice)), "content")

    @task
    def stream(self) -> None:
        """One answer as it is written."""
        body = talk.message(talk.question(self.dice), is_stream=True)
        self.follow(talk.MESSAGES_PATH, body, talk.STOPPED)


class Bedrock(Caller):
    """Callers with an issued pair: each request is signed as AWS SDKs sign it."""

    abstract = not AWS_ID
    weight = 2
    feature = "bedrock"

    @task
    def converse(self) -> None:
        """One signed question; who pays stands with the pair, not in headers."""
        data = json.dumps(talk.converse(talk.question(self.dice))).encode()
        url = f"{self.host}{talk.CONVERSE_PATH}"
        request = AWSRequest("POST", url, headers={"content-type": "application/json"}, data=data)
        SigV4Auth(Credentials(AWS_ID, AWS_SECRET), "bedrock", "us-east-1").add_auth(request)
        with self.client.post(
            talk.CONVERSE_PATH,
            data=data,
            headers=dict(request.headers.items()),
            name=self.feature,
            catch_response=True,
        ) as answer:
            if answer.status_code != 200:
                answer.failure(f"status {answer.status_code}")
            elif "output" not in answer.json():
                answer.failure("no output in the answer")


class Runaway(Caller):
    """A loop that asks the same dear thing until its session's budget stops it."""

    weight = 1
    tenant = "careless"
    feature = "runaway"
    wait_time = between(0.02, 0.08)

    def on_start(self) -> None:
        """A session that has spent nothing."""
        super().on_start()
        self.calls = 0

    @task
    def again(self) -> None:
        """Being stopped is what should happen; not being stopped in time is the failure."""
        self.calls += 1
        body = talk.chat("Are we there yet?", "mock-large")
        with self.ask(talk.CHAT_PATH, body) as answer:
            if answer.status_code == 402:
                code = answer.json()["error"]["code"]
                if code == "budget_exceeded":
                    answer.request_meta["name"] = "runaway, stopped"
                    answer.success()
                    self.on_start()
                else:
                    answer.failure(f"402 {code}")
            elif answer.status_code != 200:
                answer.failure(f"status {answer.status_code}")
            elif self.calls > REFUSALS_AWAITED:
                answer.failure("nothing stops it")


class Tenants(Caller):
    """Many tenants of one application, with several features and models."""

    weight = 3
    wait_time = between(0.1, 0.5)

    @task
    def question(self) -> None:
        """Each time another tenant."""
        self.tenant = f"tenant-{self.dice.randrange(200)}"
        self.feature = self.dice.choice(("search", "summary", "mail"))
        self.session = self.new_session()
        model = self.dice.choice(("mock-small", "gpt-4o-mini", "gpt-4.1-nano"))
        self.expect(talk.CHAT_PATH, talk.chat(talk.question(self.dice), model), "choices")
