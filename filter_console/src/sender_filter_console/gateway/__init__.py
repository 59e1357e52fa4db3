"""The filter of this gateway, and through it those that share state with it.

* ``link``: asks and orders, over the control socket.
* ``follower``: brings the records into the index.
* ``health``, ``entries``, ``topology``: answers in the words of ``interface``.
* ``notation``: lists as text, in and out.
"""
