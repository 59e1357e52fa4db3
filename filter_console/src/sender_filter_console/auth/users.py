"""The people who may log in, and whether a password is theirs."""

from collections.abc import Iterable
from functools import cache
from typing import Literal, NamedTuple

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

Role = Literal["viewer", "operator"]
"""``viewer`` sees everything, ``operator`` changes as well."""

LONGEST_PASSWORD = 1024
"""What is longer is no password: hashing it would be work that a stranger can ask for."""


class User(NamedTuple):
    """Somebody who has logged in."""

    name: str
    role: Role

    @property
    def may_change(self) -> bool:
        """Whether lists, blocks and approvals may be changed."""
        return self.role == "operator"


class Account(NamedTuple):
    """One who may log in, as the settings name him.

    Attributes:
        name: His name.
        role: What he may do.
        password_hash: An argon2 hash in its encoded form, ``$argon2id$…``.
    """

    name: str
    role: Role
    password_hash: str


class Accounts:
    """All who may log in."""

    def __init__(self, accounts: Iterable[Account]) -> None:
        """Take the accounts of the settings."""
        self._hasher = PasswordHasher()
        self._accounts = {account.name: account for account in accounts}

    def known(self, name: str) -> str | None:
        """A name, if somebody has it."""
        return name if name in self._accounts else None

    def verify(self, name: str, password: str) -> User | None:
        """The user of this name and password. It takes a while, by design."""
        account = self._accounts.get(name)
        expected = account.password_hash if account else _nobodys_hash()
        try:
            self._hasher.verify(expected, password[:LONGEST_PASSWORD])
        except (VerificationError, InvalidHashError):
            return None
        if account is None or len(password) > LONGEST_PASSWORD:
            return None
        return User(account.name, account.role)


@cache
def _nobodys_hash() -> str:
    """A name that nobody has must take as long as a wrong password: else names can be guessed."""
    return PasswordHasher().hash("")
