"""Becomes the command it is given, after arranging that the command dies with its parent.

``python -I -S launch.py PARENT_PID SIGNAL FOLDER COMMAND...``

A program that refuses to run as root (PostgreSQL) is named with the FOLDER it works in. If we are root, it is
given a user namespace in which root has an ordinary user's number: it then runs without any privilege, and
still reaches the files of root, wherever they are. Where namespaces are forbidden it becomes the user
``nobody``, and FOLDER is made nobody's. For anything else FOLDER is the empty string.

It is a program of its own, not code run between fork and exec, because that is safe beside threads and loops.
"""

import ctypes
import os
import pwd
import sys
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_CLONE_NEWUSER = 0x10000000
_EXIT_CANNOT_START = 126
_libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent(parent: int, signal_number: int) -> None:
    """Have the kernel send us this signal when the parent dies. Must come after any change of user."""
    if _libc.prctl(_PR_SET_PDEATHSIG, signal_number, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:
        sys.exit("onedoor: the parent is gone already")


def leave_root(folder: str, program: str) -> None:
    """Go on without root's privileges, able to read and write the folder."""
    user = pwd.getpwnam("nobody")
    if refusal := _tried_namespace(user):
        _become(user, folder, program, refusal)
    else:
        _give(folder, os.geteuid(), os.getegid())
        _enter_namespace(user.pw_uid, user.pw_gid)


def _give(folder: str, uid: int, gid: int) -> None:
    """Make the folder and all in it this user's; it may have been made where the other way had to be taken."""
    if Path(folder).stat().st_uid != uid:
        for path in (Path(folder), *Path(folder).rglob("*")):
            os.chown(path, uid, gid, follow_symlinks=False)


def _tried_namespace(user: pwd.struct_passwd) -> str:
    """Why a namespace cannot be had, or nothing. Tried in a fork: who fails half-way could do nothing else after."""
    child = os.fork()
    if child == 0:
        try:
            _enter_namespace(user.pw_uid, user.pw_gid)
        except OSError as refusal:
            os._exit(refusal.errno or 1)
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return os.strerror(status) if status else ""


def _enter_namespace(uid: int, gid: int) -> None:
    outer_uid, outer_gid = os.geteuid(), os.getegid()
    if _libc.unshare(_CLONE_NEWUSER) != 0:
        raise OSError(ctypes.get_errno(), "unshare(CLONE_NEWUSER)")
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{uid} {outer_uid} 1"),
        ("gid_map", f"{gid} {outer_gid} 1"),
    ):
        Path(f"/proc/self/{name}").write_text(text)


def _become(user: pwd.struct_passwd, folder: str, program: str, refusal: str) -> None:
    try:
        _give(folder, user.pw_uid, user.pw_gid)
        os.setgroups([])
        os.setgid(user.pw_gid)
        os.setuid(user.pw_uid)
    except OSError as failure:
        _refuse(program, f"user namespaces are refused ({refusal}), and becoming '{user.pw_name}' failed: {failure}")
    for needed, right in ((folder, os.W_OK | os.X_OK), (program, os.X_OK)):
        if not os.access(needed, right):
            _refuse(program, f"user namespaces are refused ({refusal}), and '{user.pw_name}' cannot reach {needed}")


def _refuse(program: str, reason: str) -> None:
    sys.stderr.write(
        f"onedoor: {program} must not run as root, and here root cannot step down: {reason}.\n"
        "Run onedoor as an ordinary user, or put its checkout and --folder where every user can reach them.\n"
    )
    sys.exit(_EXIT_CANNOT_START)


def main(arguments: list[str]) -> None:
    """See the module."""
    parent, signal_number, folder, *command = arguments
    if folder and os.geteuid() == 0:
        leave_root(folder, command[0])
    die_with_parent(int(parent), int(signal_number))
    os.execv(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])
