"""Paths that anybody may have written: tests that never raise, and of the right to write."""

from __future__ import annotations

import os
import stat
from functools import cache
from pathlib import Path


def user_path(text: str | os.PathLike[str]) -> Path:
    """Return a path as a shell takes it; ``~nosuchuser`` does not raise, as in pathlib."""
    try:
        return Path(os.path.expanduser(text))
    except ValueError:  # a user's name that cannot be asked for
        return Path(text)


def is_file(path: str | os.PathLike[str]) -> bool:
    """Return whether there is such a file, no pipe or device; an impossible name does not raise."""
    return os.path.isfile(path)


def stays_inside(relative: str) -> bool:
    """Return whether a relative path, separated by slashes, leads to a file below its start."""
    try:
        relative.encode()
    except UnicodeEncodeError:  # half a character
        return False
    return not any(
        part in ("", ".", "..") or "\\" in part or "\0" in part or part[1:2] == ":" for part in relative.split("/")
    )


def only_ours_to_write(*paths: Path) -> bool:
    """Return whether only this user and the administrator can change or replace these files.

    This holds for every folder above them, too. A group whose only member is the user counts as the
    user. Where the system has no such owners and modes (Windows), a user's folders count as
    private.
    """
    if not hasattr(os, "geteuid"):
        return True
    try:
        return all(map(_is_private, map(os.path.realpath, paths)))
    except OSError:
        return False


def _is_private(path: str) -> bool:
    while True:
        status = os.stat(path)
        if status.st_uid not in (0, os.geteuid()):
            return False
        # In a folder with the sticky bit (/tmp) others can write, and not replace what is not
        # theirs.
        sticky = stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX
        writers = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
        if writers and not sticky and not (writers == stat.S_IWGRP and _is_own_group(status.st_gid)):
            return False
        if (parent := os.path.dirname(path)) == path:
            return True
        path = parent


@cache
def _is_own_group(gid: int) -> bool:
    """Return whether a group is the user's own: of the user's name, and without other members."""
    import grp
    import pwd

    try:
        user, group = pwd.getpwuid(os.geteuid()), grp.getgrgid(gid)
    except KeyError:
        return False
    return (user.pw_gid, user.pw_name) == (gid, group.gr_name) and set(group.gr_mem) <= {user.pw_name}
