"""Installs onedoor into ``.venv`` of this checkout: ``python3 deploy/install.py [test] [bench]``.

It needs Python 3.11 or newer and the standard library only. A second run returns at once if nothing has changed.
Packages come from the index that pip is configured for.
"""

import fcntl
import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
ENVIRONMENT = CHECKOUT / ".venv"
BIN = ENVIRONMENT / "bin"
RUN = CHECKOUT / "requirements" / "run.txt"
TEST = CHECKOUT / "requirements" / "test.txt"
BENCH = CHECKOUT / "requirements" / "bench.txt"
INSTALLER = CHECKOUT / "requirements" / "install.txt"
NEWEST_KNOWN_TO_FAIL = (3, 10)


def main(wanted: list[str]) -> None:
    """Install the packages that onedoor needs.

    With ``test`` also those of its tests and checks, with ``bench`` those that it is compared with.
    """
    if sys.version_info[:2] <= NEWEST_KNOWN_TO_FAIL:
        sys.exit(
            f"onedoor needs Python 3.11 or newer; this is {sys.version.split()[0]}. Try: make PYTHON=python3.12 / "
            "onedoor 需要 Python 3.11 或更新版本，可试 make PYTHON=python3.12"
        )
    requirements = [RUN, *(file for file in (TEST, BENCH) if file.stem in wanted)]
    if _is_done(requirements):
        return
    (CHECKOUT / "build").mkdir(exist_ok=True)
    with (CHECKOUT / "build" / "install.lock").open("w") as lock:  # two commands may run at the same time
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _is_done(requirements):
            _install(requirements)


def _install(requirements: list[Path]) -> None:
    began = time.monotonic()
    if not (BIN / "pip").exists():
        _print("making .venv / 正在建立 .venv")
        _run(sys.executable, "-m", "venv", "--clear", ENVIRONMENT)  # Debian explains that python3-venv is missing
    _run(BIN / "python", "-m", "pip", "install", "--quiet", "--requirement", INSTALLER)
    _print("installing packages, Apache Kafka and PostgreSQL / 正在安装软件包、Apache Kafka 和 PostgreSQL")
    # jgo first: it fetches the jars of Kafka while uv fetches everything else.
    _uv("--no-build-isolation", "--constraint", RUN, "jgo")
    jars = subprocess.Popen([BIN / "python", "-m", "deploy.jars"], cwd=CHECKOUT)
    try:
        # Nothing unpinned runs: the setuptools of INSTALLER builds what is no wheel, onedoor itself among it.
        _uv("--no-build-isolation", *(part for file in requirements for part in ("--requirement", file)))
        _uv("--no-deps", "--no-build-isolation", "--editable", CHECKOUT)
        if jars.wait() != 0:
            sys.exit(
                "The jars of Apache Kafka could not be fetched (see above). Run the same command again. / "
                "无法下载 Apache Kafka 的 jar（见上）。请再次运行同一命令。"
            )
    finally:
        jars.terminate()
        jars.wait()
    for file in requirements:
        _stamp(file).write_text(_fingerprint(file))
    _print(f"installed in {time.monotonic() - began:.0f} s / 安装完成")


def _uv(*arguments: "str | Path") -> None:
    _run(BIN / "uv", "pip", "install", "--quiet", "--python", BIN / "python", *arguments)


def _run(*command: "str | Path") -> None:
    environment = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    status = subprocess.run([str(part) for part in command], check=False, env=environment).returncode
    if status != 0:
        sys.exit(
            f"onedoor: {' '.join(map(str, command[:4]))} failed (see above). Run the same command again to continue. / "
            "失败（见上）。请再次运行同一命令以继续。"
        )


def _is_done(requirements: list[Path]) -> bool:
    return all(_stamp(file).exists() and _stamp(file).read_text() == _fingerprint(file) for file in requirements)


def _stamp(requirements: Path) -> Path:
    return ENVIRONMENT / f".installed-{requirements.stem}"


def _fingerprint(requirements: Path) -> str:
    """A key of everything that determines the installation, its path included, which scripts contain."""
    digest = hashlib.sha256(f"{CHECKOUT} {sys.version}".encode())
    for file in (requirements, INSTALLER, CHECKOUT / "pyproject.toml", CHECKOUT / "deploy" / "jars.txt"):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _print(text: str) -> None:
    sys.stdout.write(f"onedoor: {text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
