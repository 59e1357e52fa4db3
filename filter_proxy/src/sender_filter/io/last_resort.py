"""The kernel's own timer, which ends this process when nothing in it turns any more."""

import signal


def end_after(seconds: float) -> None:
    """Have the kernel end this process after so long, unless a later call puts that off.

    SIGALRM keeps its default action, which asks nobody in this process.
    """
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, seconds)
