"""The service of a name, ready to be run."""

from importlib import import_module
from typing import Any

from services.departments.sdk.service import department_service
from services.registry import CORE_SERVICES, department
from services.runtime.service import Service


def load(name: str) -> Service[Any]:
    """The service of that name. Raises `registry.DepartmentError` where none is installed."""
    if name in CORE_SERVICES:
        service: Service[Any] = import_module(f"services.{name}.app").SERVICE
        return service
    return department_service(department(name))
