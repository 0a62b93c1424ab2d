"""How much a sample backend can take: so many requests at once, each for so long, the others in line."""

import asyncio


class Capacity:
    """`slots` requests are worked on at once, `seconds` each; the next one waits, unless its client gives up."""

    def __init__(self, slots: int, seconds: float) -> None:
        self._slots = asyncio.Semaphore(slots)
        self._seconds = seconds

    async def work(self) -> None:
        """Return when this request's turn has come and its work is done."""
        async with self._slots:
            await asyncio.sleep(self._seconds)
