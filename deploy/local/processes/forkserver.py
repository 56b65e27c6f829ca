"""A process that has everything imported and forks itself into services.

A service imports for three seconds of CPU time. The fork server imports once, while the engines start, and all
processes share the result and its memory. There is no thread and no event loop before a fork.

``python -m deploy.local.processes.forkserver CONTROL_FD`` reads requests from the control socket, one JSON object a
packet, and reports there which processes started and ended (`deploy.local.processes.forkserver_client`). When the other
end closes, or this process dies, all its processes die too.
"""

import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
import traceback
from pathlib import Path
from typing import Any

from deploy.local.processes.launch import die_with_parent

PACKET_BYTES = 128 * 1024
"""Size limit of a request: a command, a log and an environment."""


def main(control_fd: int) -> None:
    """Preload, then fork on request until the other end of the control socket closes."""
    control = socket.socket(fileno=control_fd)
    wakeup, signalled = socket.socketpair()
    for end in (wakeup, signalled):
        end.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)  # only the wake-up is needed
    signal.set_wakeup_fd(signalled.fileno())
    children: set[int] = set()
    while True:
        readable, _, _ = select.select([control, wakeup], [], [])
        if wakeup in readable:
            wakeup.recv(4096)
            _report_ended(control, children)
        if control in readable:
            packet = control.recv(PACKET_BYTES)
            if not packet:
                return
            _execute(json.loads(packet), control, (wakeup, signalled), children)


def _execute(
    request: dict[str, Any], control: socket.socket, ours: tuple[socket.socket, ...], children: set[int]
) -> None:
    match request:
        case {"preload": modules}:
            _preload(modules)
        case {"start": number, "entry": entry, "arguments": arguments, "log": log, "environment": environment}:
            # Imported objects stay shared only while the garbage collector does not write to them.
            gc.freeze()
            parent = os.getpid()
            pid = os.fork()
            if pid == 0:
                _run(parent, entry, arguments, Path(log), environment, (control, *ours))
            children.add(pid)
            control.send(json.dumps({"started": number, "pid": pid}).encode())
        case {"signal": signal_number, "pid": pid}:
            if pid in children:  # else it has ended, and another process may have its number
                os.kill(pid, signal_number)


def _preload(modules: list[str]) -> None:
    """Import the modules. An error is logged here, and raised again in the service that imports the module."""
    for module in modules:
        try:
            importlib.import_module(module)
        except Exception:
            traceback.print_exc()


def _report_ended(control: socket.socket, children: set[int]) -> None:
    for pid in tuple(children):
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            children.discard(pid)
            control.send(json.dumps({"ended": pid, "status": os.waitstatus_to_exitcode(status)}).encode())


def _run(
    parent: int,
    entry: str,
    arguments: list[str],
    log: Path,
    environment: dict[str, str],
    close: tuple[socket.socket, ...],
) -> None:
    """Run the command in the child. Does not return."""
    status = 1
    try:
        os.setsid()
        die_with_parent(parent, signal.SIGKILL)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for end in close:
            end.close()
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.close(output)
        os.environ.clear()
        os.environ.update(environment)
        module, function = entry.split(":")
        getattr(importlib.import_module(module), function)(arguments)
        status = 0
    except SystemExit as exit_:
        status = _status_of(exit_)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _status_of(exit_: SystemExit) -> int:
    if exit_.code is None or isinstance(exit_.code, int):
        return exit_.code or 0
    sys.stderr.write(f"{exit_.code}\n")
    return 1


if __name__ == "__main__":
    main(int(sys.argv[1]))
