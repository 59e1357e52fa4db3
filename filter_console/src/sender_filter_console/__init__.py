"""A web console for the sender filter.

It is an application of its own: it reads nothing from mail clients, and reaches the filter only
through its control socket and, where gateways share state, through that.

* ``interface``: what can be seen and done, as types. Pages and API know nothing else.
* ``settings``: the configuration file.
* ``api``: JSON; ``pages``: HTML; ``auth``: who may.
* ``app``: puts them together; ``cli``: the command.
"""

__version__ = "0.1.0"
