"""A rule for import-linter that names what a room may import, instead of what it may not."""

from typing import cast

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output


class OnlyContract(Contract):
    """Modules of ``rooms`` import their own room and ``may_import``, and nothing else, libraries included."""

    type_name = "only"

    rooms = fields.ListField(subfield=fields.StringField())
    may_import = fields.ListField(subfield=fields.StringField())

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        """Find the imports of other modules. An indirect one is found where it begins to leave the rooms."""
        allowed = cast(list[str], self.may_import)
        wrong = [
            f"{importer} imports {imported}"
            for expression in cast(list[str], self.rooms)
            for room in graph.find_matching_modules(expression)
            for importer in (room, *graph.find_descendants(room))
            for imported in graph.find_modules_directly_imported_by(importer)
            if not any(f"{imported}.".startswith(f"{one}.") for one in (room, *allowed))
        ]
        return ContractCheck(kept=not wrong, metadata={"wrong": sorted(wrong)})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Print each wrong import."""
        for line in check.metadata["wrong"]:
            output.print_error(line)
