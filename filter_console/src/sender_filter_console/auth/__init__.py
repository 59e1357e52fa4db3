"""Who is there, what he may do, and that it is he who asked for it.

The gate (:mod:`.gate`) stands before every route. What is not said to be open is closed: a page
added tomorrow needs a login, and a change an operator and a token, without a word about it.
"""

from sender_filter_console.auth.gate import Gate, current_user
from sender_filter_console.auth.guard import Guard
from sender_filter_console.auth.headers import SecurityHeaders
from sender_filter_console.auth.users import Account, Role, User

__all__ = ["Account", "Gate", "Guard", "Role", "SecurityHeaders", "User", "current_user"]
