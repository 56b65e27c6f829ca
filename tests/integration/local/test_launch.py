"""Programs that ask for the name of their user, started under a number without a name."""

import os
import subprocess
import sys

import pytest

from deploy.local.processes import launch

NAMELESS = ["unshare", "--user", "--map-user=12345", "--map-group=12345"]
"""As container platforms start programs: the number has no entry in /etc/passwd."""


def run(*command: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([*NAMELESS, *command], capture_output=True, text=True, check=False)


@pytest.mark.skipif(run("true").returncode != 0, reason="user namespaces are refused here")
@pytest.mark.parametrize(("folder", "name"), [("/tmp", "nobody"), ("", "12345")])
def test_a_user_without_a_name_gets_one_for_the_engine_that_needs_it(folder: str, name: str) -> None:
    assert run("id", "-un").returncode != 0, "the number has a name"
    found = run(sys.executable, "-I", "-S", str(launch.__file__), str(os.getpid()), "9", folder, "/usr/bin/id", "-un")
    assert found.stdout.strip() == name, found.stderr
