"""The socket of a service."""

import socket

from moretta.cli.listening import listen


def test_an_answer_never_waits_for_the_acknowledgement_of_its_first_packet() -> None:
    with listen("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname()):
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
