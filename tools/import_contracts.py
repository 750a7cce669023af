"""A kind of import contract for folders: each has its layer, and the plain files beside them are one layer too."""

from typing import TYPE_CHECKING, Any

from grimp import Layer
from importlinter.application import output
from importlinter.domain import fields
from importlinter.domain.contract import Contract, ContractCheck

if TYPE_CHECKING:
    from grimp import ImportGraph

FILES = "*.py"


class FoldersContract(Contract):
    """Folders of one package import downwards only; it holds for folders and files that are added later.

    Options:
        package: The package whose children have the layers.
        layers: Names of its folders, highest first; `a | b` are side by side and import nothing of each other. The
            layer `*.py` stands for all plain modules of the package. A folder without a layer breaks the contract.
    """

    type_name = "folders"

    package = fields.StringField()
    layers = fields.ListField(subfield=fields.StringField())

    def check(self, graph: "ImportGraph", verbose: bool) -> ContractCheck:  # noqa: ARG002 -- the base class passes it
        """Whether each folder has a layer, and nothing is imported upwards."""
        package, folders = str(self.package), self._folders(graph)
        named = {name for layer in self._names() for name in layer}
        dependencies = graph.find_illegal_dependencies_for_layers(layers=self._layers(graph), containers={package})
        problems = [f"{package}.{name} has no layer" for name in sorted(folders - named)]
        problems += [f"{package}.{name} does not exist" for name in sorted(named - folders - {FILES})]
        routes = [route for found in dependencies for route in found.routes]
        problems += [
            f"{head} -> {' -> '.join((*route.middle, tail))}"
            for route in routes
            for head in sorted(route.heads)
            for tail in sorted(route.tails)
        ]
        return ContractCheck(kept=not problems, metadata={"problems": problems})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """One line for each import that goes up, and for each folder without a layer."""
        for problem in check.metadata["problems"]:
            output.print_error(problem)

    def _names(self) -> list[list[str]]:
        layers: Any = self.layers
        return [[name.strip() for name in str(layer).split("|")] for layer in layers]

    def _layers(self, graph: "ImportGraph") -> list[Layer]:
        files = self._files(graph)
        return [
            Layer(*files, independent=False) if names == [FILES] else Layer(*names, independent=True)
            for names in self._names()
            if names != [FILES] or files
        ]

    def _children(self, graph: "ImportGraph") -> set[str]:
        return {child.rpartition(".")[2] for child in graph.find_children(str(self.package))}

    def _folders(self, graph: "ImportGraph") -> set[str]:
        return {name for name in self._children(graph) if graph.find_children(f"{self.package}.{name}")}

    def _files(self, graph: "ImportGraph") -> set[str]:
        return self._children(graph) - self._folders(graph)
