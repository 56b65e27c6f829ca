"""The services of the platform: the core ones, and one for each installed department. Cheap to import."""

from collections.abc import Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points

from contracts.bilingual import BilingualError
from services.departments.sdk.declaration import GROUP, Department

CORE_SERVICES = ("intake", "routing", "monitor")

ISSUER = "identity"
"""The issuer of logins: a process with a database of its own, which processes no messages. Another one may stand in its
place (OpenID Connect)."""

FRONT = "front"
"""The one address of pages and APIs: a process with a database of its own, which processes no messages."""

PAGES: Mapping[str, tuple[str, ...]] = {
    "intake": ("desk", "cases", "items", "entry", "authority"),
    "routing": ("story", "lead"),
    "monitor": (
        "home",
        "board",
        "due",
        "overdue",
        "alerts",
        "time",
        "bulletin",
        "proposals",
        "rules",
        "directory",
        "ops",
        "record",
        "journal",
    ),
}
"""The first segments of the paths of a service's pages, for people who have logged in.

Each service has those below ``/ops/<service>``, ``/record/<service>`` and ``/journal/<service>`` as well."""

PUBLIC_PAGES: Mapping[str, tuple[str, ...]] = {"intake": ("apply", "track", "published", "complaints", "verify")}
"""The first segments of the paths of a service's pages that anybody may see."""

COMMAND_LINE = "command-line"
"""The name of the command line among the programs that the issuer knows."""


class DepartmentError(BilingualError):
    """The installed departments cannot be used as they are. The message names them and the reason."""


def services() -> tuple[str, ...]:
    """The names of all services: the core ones, then the departments' by system code."""
    return (*CORE_SERVICES, *departments())


def departments() -> tuple[str, ...]:
    """The system codes of all installed departments, in alphabetical order. Raises `DepartmentError`."""
    return tuple(_entry_points())


def default_systems() -> tuple[str, ...]:
    """The systems that run on a local site unless others are named: those of departments with ``default=True``."""
    return tuple(system for system in departments() if department(system).default)


def sandboxes() -> tuple[str, ...]:
    """The system codes of the departments that have a sandbox."""
    return tuple(system for system in departments() if department(system).sandbox is not None)


@cache
def department(system: str) -> Department:
    """The declaration of an installed department. Raises `DepartmentError`."""
    entry = _entry_points().get(system)
    if entry is None:
        known = ", ".join(departments())
        raise DepartmentError(
            f"no department {system!r} is installed; there are: {known}", f"未安装部门 {system!r}；已安装：{known}"
        )
    try:
        declared = entry.load()
    except (ImportError, AttributeError) as error:
        raise DepartmentError(
            f"the department {system!r} ({entry.value}) cannot be imported: {error}; install its package again",
            f"部门 {system!r}（{entry.value}）无法导入：{error}；请重新安装其软件包",
        ) from error
    if not isinstance(declared, Department) or declared.system != system:
        raise DepartmentError(
            f"the entry point {system!r} ({entry.value}) is not the declaration of that system; correct its package",
            f"入口点 {system!r}（{entry.value}）不是该系统的声明，请更正其软件包",
        )
    return declared


def refresh() -> None:
    """Look for departments again: for a process in which one has been installed meanwhile."""
    department.cache_clear()
    _entry_points.cache_clear()


@cache
def _entry_points() -> Mapping[str, EntryPoint]:
    found: dict[str, EntryPoint] = {}
    for entry in sorted(entry_points(group=GROUP)):
        if entry.name in found or entry.name in (*CORE_SERVICES, ISSUER, FRONT):
            raise DepartmentError(
                f"two packages declare the service {entry.name!r}; one is {entry.value}; remove one of them",
                f"有两个软件包声明了服务 {entry.name!r}，其一为 {entry.value}；请卸载其中一个",
            )
        found[entry.name] = entry
    if not found:
        raise DepartmentError(
            "no department is installed; in a checkout, run 'make test-tools' or 'make up' again",
            "未安装任何部门；在源码目录中请重新运行 make test-tools 或 make up",
        )
    return found
