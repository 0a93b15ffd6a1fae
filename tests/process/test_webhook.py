"""Alerts leave the machine for one place only, signed, and however that place behaves."""

from __future__ import annotations

import base64
import hashlib
import hmac
import socket
import threading
import time

import pytest
from pydantic import SecretStr

from s4fw.config.alerts import Webhook
from s4fw.process.courier import Courier, Letter, NotBrought
from s4fw.process.webhook import Hook, key_of, refusal, signature
from tests.harness.receiver import Receiver, receiver

LETTER = Letter("al_1", int(time.time()), "overrun", "alarm", "S4 Firewall", b'{"id":"al_1"}')
SECRET = "a-secret-of-twenty-characters"


def hook(url: str, **more: float) -> Hook:
    return Hook(Webhook.model_validate({"url": url, "secret": SecretStr(SECRET)}), **more)


def test_post_is_signed_over_id_time_and_body() -> None:
    """A receiver must be able to tell ours from anyone's, and a replay from a first time."""
    with receiver() as there:
        hook(there.url).bring(LETTER)
        (got,) = there.wait_for(1)
    sent_s = got.headers["webhook-timestamp"]
    signed = f"al_1.{sent_s}.".encode() + LETTER.body
    digest = hmac.new(SECRET.encode(), signed, hashlib.sha256).digest()
    assert f"v1,{base64.b64encode(digest).decode()}" == got.headers["webhook-signature"]
    assert abs(time.time() - int(sent_s)) < 5
    assert ("/hook?team=s4", LETTER.body) == (got.path, got.body)


def test_signature_is_that_of_the_standard() -> None:
    """The example of the libraries of standardwebhooks.com: theirs must verify ours."""
    key = key_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    body = b'{"test": 2432232314}'
    letter = Letter("msg_p5jXN8AQM9LWM0D4loKWxJek", 0, "", "", "", body)
    expected = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert expected == signature(key, letter, 1614265330)


def test_redirect_is_not_followed_and_not_tried_again() -> None:
    """A receiver that was taken over must not be able to send us anywhere else."""
    with receiver() as there, receiver() as elsewhere:
        there.answers.append(307)
        there.location = elsewhere.url
        with pytest.raises(NotBrought, match="307; redirects are not followed") as fault:
            hook(there.url).bring(LETTER)
        assert fault.value.is_hopeless
        assert [] == elsewhere.got


@pytest.mark.parametrize(("status", "is_hopeless"), [(500, False), (429, False), (404, True)])
def test_failure_is_tried_again_only_where_that_can_help(status: int, is_hopeless: bool) -> None:
    """What will be refused for ever must not stand in the way of the next."""
    with receiver() as there:
        there.answers.append(status)
        with pytest.raises(NotBrought) as fault:
            hook(there.url).bring(LETTER)
    assert is_hopeless == fault.value.is_hopeless


def test_slow_receiver_costs_one_deadline() -> None:
    """A thread that hangs would bring nothing ever again."""
    with receiver() as there:
        there.delay_s = 0.6
        started_s = time.monotonic()
        with pytest.raises(NotBrought, match="did not answer in time"):
            hook(there.url, attempt_s=0.2).bring(LETTER)
        assert time.monotonic() - started_s < 0.55


def test_trickling_receiver_costs_one_deadline() -> None:
    """A byte now and then keeps a time limit per read from ever ending."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def trickle() -> None:
            peer, _ = listener.accept()
            with peer:
                for _ in range(100):
                    try:
                        peer.sendall(b"H")
                    except OSError:
                        return
                    time.sleep(0.03)

        thread = threading.Thread(target=trickle)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        with pytest.raises(NotBrought, match="in time"):
            hook(url, attempt_s=0.2).bring(LETTER)
        thread.join()


def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """What an alert says is for the receiver only."""
    with receiver() as there, receiver() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        hook(there.url).bring(LETTER)
        assert (1, 0) == (len(there.got), len(proxy.got))


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("169.254.169.254", "a link-local address"),
        ("::ffff:169.254.169.254", "a link-local address"),
        ("64:ff9b::a9fe:a9fe", "a link-local address"),
        ("2002:a9fe:a9fe::1", "a link-local address"),
        ("fe80::1%eth0", "a link-local address"),
        ("fd00:ec2::254", "a metadata service"),
        ("100.100.100.200", "a metadata service"),
        ("127.0.0.1", "this machine"),
        ("::1", "this machine"),
        ("0.0.0.0", "no host"),
        ("224.0.0.1", "no host"),
        ("10.1.2.3", None),
        ("93.184.216.34", None),
    ],
)
def test_addresses_that_are_never_asked(address: str, why: str | None) -> None:
    """A name can be made to resolve to anything, also to the keys of the machine."""
    assert why == refusal(address, is_loopback_named=False)


def test_metadata_address_is_refused_also_by_number() -> None:
    """Before a single byte leaves the machine."""
    with pytest.raises(NotBrought, match="a link-local address"):
        hook("https://169.254.169.254/latest/meta-data").bring(LETTER)


def couriered(there: Receiver, count: int, pauses_s: tuple[float, ...]) -> tuple[list[str], ...]:
    told: list[str] = []
    settled: list[str] = []
    courier = Courier(hook(there.url), lambda kind, *_: told.append(kind), settled.append, pauses_s)
    courier.start()
    for number in range(count):
        courier.offer(Letter(f"al_{number}", int(time.time()), "k", "alarm", "t", b"{}"))
    end_s = time.monotonic() + 10
    while len(settled) < count and time.monotonic() < end_s:
        time.sleep(0.01)
    courier.close(2.0)
    return told, settled


def test_courier_tries_again_in_order_and_says_so_once() -> None:
    """A receiver that is restarted misses nothing, and its outage is one event, not hundreds."""
    with receiver() as there:
        there.answers.extend([503, 503, 503])
        told, settled = couriered(there, 3, (0.01,))
        ids = [got.headers["webhook-id"] for got in there.got]
    assert ["al_0"] * 4 + ["al_1", "al_2"] == ids
    assert (["alert_waits", "alert_sent"], ["al_0", "al_1", "al_2"]) == (told, settled)


def test_courier_drops_what_is_refused_for_ever_and_goes_on() -> None:
    """One alert that a receiver hates must not silence all others."""
    with receiver() as there:
        there.answers.append(400)
        told, settled = couriered(there, 2, (0.01,))
    assert (["alert_dropped"], ["al_0", "al_1"]) == (told, settled)
