"""The control channel: whole messages, a master that never waits, an end that is noticed."""

import socket

from s4fw.process.control import Receiver, Sender


def pair():
    ours, theirs = socket.socketpair()
    return Sender(ours), Receiver(theirs)


def test_messages_arrive_whole_and_in_order():
    """A configuration is longer than a socket buffer; its pieces must become one message."""
    sender, receiver = pair()
    long = "x" * 3_000_000
    sender.send(("config", 2, long))
    sender.send(("event", "after"))
    assert sender.has_waiting
    messages = []
    while sender.has_waiting or len(messages) < 2:
        sender.flush()
        messages += receiver.read()
    assert [("config", 2, long), ("event", "after")] == messages
    assert not receiver.is_at_end
    sender.close()
    receiver.socket.close()


def test_read_after_the_master_died_says_so_and_keeps_what_came():
    """Workers learn of the master's death from here, and only from here."""
    sender, receiver = pair()
    sender.send(("draining",))
    sender.close()
    assert receiver.read() == [("draining",)]
    assert receiver.is_at_end
    receiver.socket.close()


def test_send_to_a_dead_child_is_dropped():
    """The master must not fall over the corpse of a child it has not yet reaped."""
    sender, receiver = pair()
    receiver.socket.close()
    sender.send(("event", "late"))
    assert not sender.has_waiting
    sender.close()
