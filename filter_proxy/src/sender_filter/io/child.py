"""A worker as its supervisor sees it: a process, and what it says."""

import os
import signal
from typing import Literal

from sender_filter.io.channel import Alive, Ready, Receiver, Reloading, Report


class Child:
    """One worker.

    Attributes:
        pid: Its process.
        ready: Whether it has ever been ready.
        figures: How it did when it was heard of last.
        silent: For how long nothing was heard of it, in the supervisor's waking time.
    """

    def __init__(self, pid: int, receiver: Receiver) -> None:
        """Watch over a process that was just forked."""
        self.pid = pid
        self.ready = False
        self.figures = Alive()
        self.silent = 0.0
        self._receiver = receiver
        self._reload: Literal["told", "begun"] | None = None

    @property
    def settled(self) -> bool:
        """Whether it takes clients, and has taken up what it was told to."""
        return self.ready and self._reload is None

    @property
    def gone(self) -> bool:
        """Whether it has ended."""
        return self._receiver.parted

    def fileno(self) -> int:
        """The descriptor, for select()."""
        return self._receiver.fileno()

    def reports(self) -> list[Report]:
        """What it said since the last time."""
        heard = self._receiver.reports()
        if heard:
            self.silent = 0.0
        for report in heard:
            self._note(report)
        return heard

    def reload(self) -> None:
        """Have it read its settings again."""
        self._reload = "told"
        self.signal(signal.SIGHUP)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal. Its pid cannot belong to anybody else before it was buried."""
        os.kill(self.pid, number)

    def bury(self) -> str:
        """Take the process out of the kernel's table, and say how it ended."""
        self._receiver.close()
        self.signal(signal.SIGKILL)  # if it has closed its end and lives, that ends here
        _, status = os.waitpid(self.pid, 0)
        code = os.waitstatus_to_exitcode(status)
        if code < 0:
            return f"was ended by {signal.Signals(-code).name}"
        return f"ended with code {code}"

    def _note(self, report: Report) -> None:
        match report:
            case Ready():
                self.ready = True
                if self._reload == "begun":
                    self._reload = None
            case Reloading():
                self._reload = "begun"
            case Alive():
                self.figures = report

    def disown(self) -> None:
        """In a forked sibling: have nothing to do with it."""
        self._receiver.close()
