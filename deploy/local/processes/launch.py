"""Executes a command that dies with its parent.

``python -I -S launch.py PARENT_PID SIGNAL FOLDER COMMAND...``

FOLDER is the folder of a program that refuses to run as root (PostgreSQL), else the empty string. For root, such a
program gets a user namespace in which root has the number of an ordinary user: it has no privilege, and can still
reach the files of root. Where namespaces are forbidden, it runs as the user ``nobody``, to whom FOLDER then belongs.
A user without a name in ``/etc/passwd`` gets one in such a namespace.

This is a program of its own, because code between fork and exec is not safe beside threads and event loops.
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
    """Have the kernel send this signal when the parent dies. Call it after any change of user, which resets it."""
    if _libc.prctl(_PR_SET_PDEATHSIG, signal_number, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:
        sys.exit("onedoor: the parent is gone already / 父进程已不存在")


def leave_root(folder: str, program: str) -> None:
    """Drop the privileges of root, but keep access to the folder."""
    user = pwd.getpwnam("nobody")
    if refusal := _namespace_refusal(user):
        _become(user, folder, program, refusal)
    else:
        _chown(folder, os.geteuid(), os.getegid())
        _enter_namespace(user.pw_uid, user.pw_gid)


def give_name(program: str) -> None:
    """Give a name to a user whose number has no entry in ``/etc/passwd``: ``initdb`` asks for one.

    Container platforms start programs under any number.
    """
    user = pwd.getpwnam("nobody")
    if not (refusal := _namespace_refusal(user)):
        _enter_namespace(user.pw_uid, user.pw_gid)
    elif Path(program).name == "initdb":
        sys.stderr.write(
            f"onedoor: user {os.geteuid()} has no name, and here none can be given to it: {refusal}.\n"
            "Add an entry for this number to /etc/passwd, or run onedoor as a user that has one.\n"
            f"onedoor：用户 {os.geteuid()} 没有名称，此处也无法赋予。请在 /etc/passwd 中为该编号添加条目，"
            "或以有名称的用户运行 onedoor。\n"
        )


def _has_name() -> bool:
    try:
        pwd.getpwuid(os.geteuid())
    except KeyError:
        return False
    return True


def _chown(folder: str, uid: int, gid: int) -> None:
    """Give the folder and everything in it to this user: an earlier run may have given it to another."""
    if Path(folder).stat().st_uid != uid:
        for path in (Path(folder), *Path(folder).rglob("*")):
            os.chown(path, uid, gid, follow_symlinks=False)


def _namespace_refusal(user: pwd.struct_passwd) -> str:
    """Why a namespace is refused, or the empty string. Tried in a fork, since a half-made namespace cannot be left."""
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
        _chown(folder, user.pw_uid, user.pw_gid)
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
        f"onedoor：{program} 不得以 root 运行，而此处 root 无法降权。请以普通用户运行 onedoor，"
        "或将其源码目录和 --folder 放在所有用户可达之处。\n"
    )
    sys.exit(_EXIT_CANNOT_START)


def main(arguments: list[str]) -> None:
    """Drop root or get a name if necessary, and execute the command (see the module)."""
    parent, signal_number, folder, *command = arguments
    if folder and os.geteuid() == 0:
        leave_root(folder, command[0])
    elif folder and not _has_name():
        give_name(command[0])
    die_with_parent(int(parent), int(signal_number))
    os.execv(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])
