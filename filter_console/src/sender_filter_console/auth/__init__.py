"""Who is there, what he may do, and that it is he who asked for it.

The gate (:mod:`.gate`) stands before every route. What is not said to be open is closed: a page
added tomorrow needs a login, and a change an operator and a token, without a word about it.
"""

from sender_filter_console.auth.gate import current_user
from sender_filter_console.auth.protect import protect
from sender_filter_console.auth.trail import Note
from sender_filter_console.auth.users import Role, User

__all__ = ["Note", "Role", "User", "current_user", "protect"]
