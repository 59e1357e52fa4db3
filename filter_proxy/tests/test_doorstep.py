"""Refused clients on bare sockets."""

import asyncio
import socket

import pytest

from sender_filter.core import addresses, replies
from sender_filter.core.refusal import Refusal
from sender_filter.io.doorstep import Doorstep
from sender_filter.io.refusing import WaitingRoom
from sender_filter.io.watch import Watch

REPLY = replies.blocked_for_good(addresses.parse("192.0.2.1"))


def doorstep():
    room = WaitingRoom(lambda: None, 10)
    return Doorstep(room, Watch()), room


def pair():
    end, client = socket.socketpair()
    end.setblocking(False)
    client.setblocking(False)
    return end, client


async def heard(client):
    """All that is said, up to the end."""
    text = b""
    while piece := await asyncio.wait_for(asyncio.get_running_loop().sock_recv(client, 4096), 5):
        text += piece
    return text


async def test_all_who_come_in_one_turn_are_told_at_its_end():
    step, room = doorstep()
    clients = []
    for _ in range(3):
        end, client = pair()
        clients.append(client)
        step.refuse(end, Refusal(REPLY))
        client.send(b"QUIT\r\n")
    for client in clients:
        with pytest.raises(BlockingIOError):
            client.recv(4096)
    for client in clients:
        assert await heard(client) == REPLY.line() + replies.GOODBYE.line()
    assert len(room) == 0


async def test_who_has_to_leave_at_once_is_told_why():
    step, room = doorstep()
    end, client = pair()
    step.refuse(end, Refusal(REPLY)).hurry()
    assert len(room) == 0
    assert client.recv(4096) == REPLY.line()
    assert client.recv(4096) == b""


async def test_who_is_gone_before_it_is_told_leaves_nothing_behind():
    step, room = doorstep()
    end, client = pair()
    client.close()
    step.refuse(end, Refusal(REPLY))
    await asyncio.sleep(0.05)
    assert len(room) == 0
    assert end.fileno() == -1
