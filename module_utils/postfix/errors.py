"""What can go wrong, each with a type of its own and a message that names the cure."""

from __future__ import annotations


class PostfixError(Exception):
    """The base of every error of this package; its text is meant for the operator."""


class InvalidValue(PostfixError):
    """A value that cannot be written without meaning something else in the file."""


class InvalidConfig(PostfixError):
    """A file that Postfix would refuse, or that would stop one of its services."""


class NoSuchService(PostfixError):
    """No active entry has that name and type."""


class AmbiguousService(PostfixError):
    """More than one entry could be meant."""


class ChangedUnderneath(PostfixError):
    """The file is not the one that was read: somebody else wrote it meanwhile."""


class Locked(PostfixError):
    """Another run holds the lock."""


class CannotReplace(PostfixError):
    """The file could not be replaced; it is as it was."""
