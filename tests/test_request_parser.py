"""Waiting a moment for a client's next request: nothing that it says meanwhile is lost."""

from __future__ import annotations

import socket

import pytest

from middleware.request_parser import PatientUnreader
from middleware.timed_socket import TimedSocket


@pytest.fixture
def client():
    ours, theirs = socket.socketpair()
    unreader = PatientUnreader(TimedSocket.of(ours))
    with unreader.sock, theirs:
        yield unreader, theirs


def test_what_comes_in_time_is_there_for_the_next_read(client):
    unreader, theirs = client
    theirs.sendall(b"GET /")
    assert unreader.comes_within(5)
    theirs.sendall(b"late")
    assert unreader.comes_within(5)
    assert unreader.read() + unreader.read() == b"GET /late"


def test_a_silence_is_told_and_costs_nothing_of_what_follows(client):
    unreader, theirs = client
    assert not unreader.comes_within(0.01)
    theirs.sendall(b"GET /")
    assert unreader.read() == b"GET /"


def test_a_client_that_left_is_found_gone_by_the_next_read(client):
    unreader, theirs = client
    theirs.close()
    assert unreader.comes_within(5)
    assert unreader.read() == b""


def test_a_client_that_left_with_an_answer_unread_is_found_gone_too(client):
    unreader, theirs = client
    unreader.sock.sendall(b"an answer")
    theirs.close()
    assert unreader.comes_within(5)
    assert unreader.read() == b""
