"""The browser in which pages are tested, and a font with Chinese: packages of Debian and of systems like it.

It needs the standard library only, since it runs before anything is installed.
"""

import os
import shutil
import subprocess
import sys

CHROMIUM = "chromium"

PACKAGES = (CHROMIUM, "fonts-noto-cjk")

COMMAND = f"apt-get install --yes --no-install-recommends {' '.join(PACKAGES)}"

ADVICE = (
    f"Tests of pages need {' and '.join(PACKAGES)}. Type: sudo apt-get update && sudo {COMMAND} / "
    f"页面测试需要 {' 和 '.join(PACKAGES)}，请执行：sudo apt-get update && sudo {COMMAND}"
)
"""The commands that a person has to type where this program may not install."""


def is_installed() -> bool:
    """Whether both are there. Where there is no dpkg, the browser alone tells."""
    if shutil.which(CHROMIUM) is None:
        return False
    if shutil.which("dpkg-query") is None:
        return True
    asked = subprocess.run(
        ["dpkg-query", "--show", "--showformat", "${db:Status-Abbrev}", *PACKAGES], capture_output=True, check=False
    )
    return asked.returncode == 0 and asked.stdout.count(b"ii") == len(PACKAGES)


def install() -> None:
    """Install what is missing, as root and with apt; elsewhere end with what to type. Nothing is skipped."""
    if is_installed():
        return
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        sys.exit(ADVICE)
    for command in (["apt-get", "update", "-qq"], [*COMMAND.split(), "-qq"]):
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        if subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=False).returncode != 0:
            sys.exit(f"{' '.join(command)} failed (see above). {ADVICE}")


if __name__ == "__main__":
    install()
