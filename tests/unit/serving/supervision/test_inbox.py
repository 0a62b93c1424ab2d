"""The inbox: nothing that came is lost, and waiting for it ends."""

import os
import signal
import threading
from multiprocessing.connection import wait

from authz.serving.supervision.inbox import Inbox

SECONDS = 30.0


def test_signals_and_things_come_in_their_order() -> None:
    with Inbox[str](signal.SIGUSR1, signal.SIGUSR2) as inbox:
        assert inbox.take() == ([], [])
        os.kill(os.getpid(), signal.SIGUSR2)
        os.kill(os.getpid(), signal.SIGUSR1)
        inbox.post("a")
        inbox.post("b")
        assert wait([inbox.fileno()], SECONDS) == [inbox.fileno()]
        assert inbox.take() == ([signal.SIGUSR2, signal.SIGUSR1], ["a", "b"])
        assert wait([inbox.fileno()], 0) == []


def test_a_thread_ends_the_wait() -> None:
    with Inbox[int](signal.SIGUSR1) as inbox:
        thread = threading.Thread(target=inbox.post, args=(1,))
        thread.start()
        assert wait([inbox.fileno()], SECONDS) == [inbox.fileno()]
        assert inbox.take() == ([], [1])
        thread.join()


def test_more_than_fits_is_not_lost() -> None:
    with Inbox[int](signal.SIGUSR1) as inbox:
        many = list(range(100_000))
        for number in many:
            inbox.post(number)
        assert inbox.take() == ([], many)


def test_signals_are_given_back() -> None:
    before = signal.getsignal(signal.SIGUSR1)
    with Inbox[int](signal.SIGUSR1) as inbox:
        assert signal.getsignal(signal.SIGUSR1) is not before
    assert signal.getsignal(signal.SIGUSR1) is before
    inbox.post(1)  # a thread may be late


def test_another_signal_is_none_of_its_business() -> None:
    former = signal.signal(signal.SIGUSR2, lambda *_: None)
    try:
        with Inbox[int](signal.SIGUSR1) as inbox:
            os.kill(os.getpid(), signal.SIGUSR2)
            assert inbox.take() == ([], [])
    finally:
        signal.signal(signal.SIGUSR2, former)
