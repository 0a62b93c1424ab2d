"""Limits how many requests a sample backend handles at once; the others wait."""

import asyncio


class Capacity:
    """Handles `slots` requests at once, each for `seconds`; the next one waits, unless its client gives up."""

    def __init__(self, slots: int, seconds: float) -> None:
        self._slots = asyncio.Semaphore(slots)
        self._seconds = seconds

    async def work(self) -> None:
        """Wait for a slot and for the request's time in it."""
        async with self._slots:
            await asyncio.sleep(self._seconds)
