"""An SMTP session followed by somebody who stands between client and Postfix.

Bytes in, bytes and events out: no sockets, no clock. ``session`` is the way in.
"""
