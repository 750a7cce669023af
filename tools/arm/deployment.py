"""A template with its parameters as the list of resources that ARM would send, those of nested templates among them.

Conditions, loops, lambdas, functions of the template and references between resources are worked out. What only Azure
knows of a resource once it is there (an endpoint, the id of an identity) is asked of `known`.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tools.arm.expressions import Access, Call, Literal, Node, WrongTemplate, is_expression, parse_expression
from tools.arm.functions import call_function
from tools.arm.parameters import require_parameters

NESTED = "Microsoft.Resources/deployments"
CLOUD = {
    "resourceManager": "https://management.azure.com/",
    "authentication": {"loginEndpoint": "https://login.microsoftonline.com/"},
    "suffixes": {"storage": "core.windows.net"},
}


class Place(NamedTuple):
    """Where a template is deployed to; without a group it is the subscription."""

    subscription: str
    group: str = ""
    location: str = "westeurope"
    tenant: str = "00000000-0000-0000-0000-00000000aaaa"

    @property
    def id(self) -> str:
        """Its ARM id."""
        group = f"/resourceGroups/{self.group}" if self.group else ""
        return f"/subscriptions/{self.subscription}{group}"


class Resource(NamedTuple):
    """One that ARM would put.

    Attributes:
        document: Its body, and name, type and apiVersion.
    """

    id: str
    type: str
    api_version: str
    document: dict[str, Any]


type Known = Callable[[str, str], Mapping[str, Any]]
"""Of type and id: the properties that Azure gives a resource, and `location` beside them."""


@dataclass
class Deployment:
    """One template at one place.

    Attributes:
        resources: What is put, in the order of the template; nothing whose condition does not hold.
    """

    template: Mapping[str, Any]
    given: Mapping[str, Any]
    place: Place
    known: Known
    resources: list[Resource] = field(default_factory=list)

    def __post_init__(self) -> None:
        require_parameters(self.template, self.given)
        self._variables: dict[str, Any] = {}
        self._outputs: dict[str, Mapping[str, Any]] = {}
        written = self.template.get("resources", {})
        self._written: Mapping[str, Any] = (
            written if isinstance(written, dict) else {f"#{index}": each for index, each in enumerate(written)}
        )
        for symbol in self._written:
            self._put(symbol)

    @property
    def outputs(self) -> dict[str, dict[str, Any]]:
        """As ARM gives them: {name: {value}}."""
        return {
            name: {"value": self.evaluate(each["value"], {})} for name, each in self.template.get("outputs", {}).items()
        }

    def evaluate(self, value: Any, names: Mapping[str, Any]) -> Any:
        """A value of the template with each expression worked out; what is null is left out of objects."""
        if isinstance(value, str):
            text = value[1:] if value.startswith("[[") else value
            return self._work_out(parse_expression(value), names) if is_expression(value) else text
        if isinstance(value, list):
            return [self.evaluate(each, names) for each in value]
        if isinstance(value, dict):
            pairs = ((self.evaluate(key, names), self.evaluate(each, names)) for key, each in value.items())
            return {key: each for key, each in pairs if each is not None}
        return value

    def _put(self, symbol: str) -> None:
        """Work a resource out, once, and keep what others may ask of it."""
        if symbol in self._outputs:
            return
        written = self._written[symbol]
        copies = self.evaluate(written["copy"]["count"], {}) if "copy" in written else None
        for index in range(1 if copies is None else copies):
            names = {} if copies is None else {"#copy": index}
            if self.evaluate(written.get("condition", True), names):
                name = symbol if copies is None else f"{symbol}[{index}]"
                self._outputs[name] = self._put_one(written, names)
        self._outputs.setdefault(symbol, {})

    def _put_one(self, written: Mapping[str, Any], names: Mapping[str, Any]) -> Mapping[str, Any]:
        if written["type"] == NESTED:
            return self._put_nested(written, names)
        left_out = {"copy", "condition", "dependsOn", "scope", "existing", "@options", "metadata"}
        document = self.evaluate({key: each for key, each in written.items() if key not in left_out}, names)
        scope = self.evaluate(written.get("scope", ""), names)
        arm_id = id_of(scope or self.place.id, document["type"], *document["name"].split("/"))
        if not written.get("existing"):
            self.resources.append(Resource(arm_id, document["type"], document["apiVersion"], document))
        properties = {**document.get("properties", {}), **self.known(document["type"], arm_id)}
        return {"properties": properties, "location": properties.get("location", document.get("location"))}

    def _put_nested(self, written: Mapping[str, Any], names: Mapping[str, Any]) -> Mapping[str, Any]:
        properties = written["properties"]
        parameters = {
            name: value["value"] for name, value in self.evaluate(properties.get("parameters", {}), names).items()
        }
        subscription = self.evaluate(written.get("subscriptionId", self.place.subscription), names)
        group = self.evaluate(written.get("resourceGroup", ""), names)
        is_elsewhere = "subscriptionId" in written or "resourceGroup" in written
        place = self.place._replace(subscription=subscription, group=group) if is_elsewhere else self.place
        inner = Deployment(properties["template"], parameters, place, self.known)
        self.resources += inner.resources
        return {"properties": {"outputs": inner.outputs}}

    def _work_out(self, node: Node, names: Mapping[str, Any]) -> Any:
        if isinstance(node, Literal):
            return node.value
        if isinstance(node, Access):
            target, key = self._work_out(node.target, names), self._work_out(node.key, names)
            try:
                return target[key]
            except (KeyError, IndexError, TypeError):
                raise WrongTemplate(f"there is no {key!r} in {str(target)[:200]}") from None
        return self._call(node, names)

    def _call(self, call: Call, names: Mapping[str, Any]) -> Any:
        lazy = _LAZY.get(call.name.lower())
        if lazy:
            return lazy(self, call.arguments, names)
        arguments = [self._work_out(each, names) for each in call.arguments]
        if "." in call.name:
            return self._call_own(call.name, arguments)
        of_template = _OF_TEMPLATE.get(call.name.lower())
        return of_template(self, names, *arguments) if of_template else call_function(call.name, arguments)

    def _call_own(self, name: str, arguments: list[Any]) -> Any:
        """A function that the template declares."""
        namespace, _, member = name.partition(".")
        (own,) = (each for each in self.template["functions"] if each["namespace"] == namespace)
        declared = own["members"][member]
        values = {each["name"]: value for each, value in zip(declared["parameters"], arguments, strict=True)}
        return self.evaluate(declared["output"]["value"], {"#parameters": values})

    def parameter(self, names: Mapping[str, Any], name: str) -> Any:
        """What was given, or else the default; in a function of the template its own."""
        held = names.get("#parameters", self.given)
        if name in held:
            return held[name]
        return self.evaluate(self.template["parameters"][name].get("defaultValue"), {})

    def variable(self, _names: Mapping[str, Any], name: str) -> Any:
        """Worked out when it is asked for first."""
        if name not in self._variables:
            self._variables[name] = self.evaluate(self.template["variables"][name], {})
        return self._variables[name]

    def reference(self, _names: Mapping[str, Any], target: str, _version: str = "", full: str = "") -> Any:
        """What is known of a resource of this template, or of one by its id."""
        if target.startswith("/"):
            kind = type_in(target)
            whole: Mapping[str, Any] = {"properties": self.known(kind, target), **self.known(kind, target)}
        else:
            self._put(target.partition("[")[0])
            whole = self._outputs[target]
        return whole if full else whole.get("properties", {})


def id_of(scope: str, kind: str, *names: str) -> str:
    """The ARM id of a resource of a type on a scope.

    Raises:
        WrongTemplate: the name has more parts than the type, or fewer.
    """
    namespace, *types = kind.split("/")
    if len(types) != len(names):
        raise WrongTemplate(f"{kind} has not as many parts as its name {'/'.join(names)}")
    pairs = "".join(f"/{each}/{name}" for each, name in zip(types, names, strict=True))
    return f"{scope}/providers/{namespace}{pairs}"


def type_in(arm_id: str) -> str:
    """The type that an id names."""
    namespace, *parts = arm_id.rpartition("/providers/")[2].split("/")
    return "/".join([namespace, *parts[::2]])


def _subscription(deployment: Deployment, _names: Mapping[str, Any]) -> dict[str, str]:
    place = deployment.place
    return {"id": f"/subscriptions/{place.subscription}", "subscriptionId": place.subscription}


def _group(deployment: Deployment, _names: Mapping[str, Any]) -> dict[str, str]:
    place = deployment.place
    return {"id": place.id, "name": place.group, "location": place.location}


def _subscription_resource_id(deployment: Deployment, _names: Mapping[str, Any], kind: str, *names: str) -> str:
    return id_of(f"/subscriptions/{deployment.place.subscription}", kind, *names)


_OF_TEMPLATE: Mapping[str, Callable[..., Any]] = {
    "parameters": Deployment.parameter,
    "variables": Deployment.variable,
    "reference": Deployment.reference,
    "lambdavariables": lambda _deployment, names, name: names[name],
    "copyindex": lambda _deployment, names: names["#copy"],
    "subscription": _subscription,
    "resourcegroup": _group,
    "tenant": lambda deployment, _names: {"tenantId": deployment.place.tenant},
    "deployment": lambda deployment, _names: {"location": deployment.place.location},
    "environment": lambda _deployment, _names: CLOUD,
    "newguid": lambda _deployment, _names: call_function("guid", ["new"]),
    "resourceid": lambda deployment, _names, kind, *names: id_of(deployment.place.id, kind, *names),
    "subscriptionresourceid": _subscription_resource_id,
    "extensionresourceid": lambda _deployment, _names, scope, kind, *names: id_of(scope, kind, *names),
}


def _if(deployment: Deployment, arguments: tuple[Node, ...], names: Mapping[str, Any]) -> Any:
    condition, holds, otherwise = arguments
    return deployment._work_out(holds if deployment._work_out(condition, names) else otherwise, names)


def _every(deployment: Deployment, arguments: tuple[Node, ...], names: Mapping[str, Any]) -> bool:
    return all(deployment._work_out(each, names) for each in arguments)


def _any(deployment: Deployment, arguments: tuple[Node, ...], names: Mapping[str, Any]) -> bool:
    return any(deployment._work_out(each, names) for each in arguments)


def _applied(deployment: Deployment, function: Node, values: list[Any], names: Mapping[str, Any]) -> Iterator[Any]:
    if not isinstance(function, Call) or function.name != "lambda":
        raise WrongTemplate("a lambda is missing")
    *declared, body = function.arguments
    called = [str(each.value) for each in declared if isinstance(each, Literal)]
    for index, value in enumerate(values):
        yield deployment._work_out(body, {**names, **dict(zip(called, (value, index), strict=False))})


def _map(deployment: Deployment, arguments: tuple[Node, ...], names: Mapping[str, Any]) -> list[Any]:
    values = deployment._work_out(arguments[0], names)
    return list(_applied(deployment, arguments[1], values, names))


def _filter(deployment: Deployment, arguments: tuple[Node, ...], names: Mapping[str, Any]) -> list[Any]:
    values = deployment._work_out(arguments[0], names)
    kept = _applied(deployment, arguments[1], values, names)
    return [value for value, is_kept in zip(values, kept, strict=True) if is_kept]


def _to_object(deployment: Deployment, arguments: tuple[Node, ...], names: Mapping[str, Any]) -> dict[str, Any]:
    values = deployment._work_out(arguments[0], names)
    keys = _applied(deployment, arguments[1], values, names)
    return dict(zip(keys, _applied(deployment, arguments[2], values, names), strict=True))


_LAZY: Mapping[str, Callable[[Deployment, tuple[Node, ...], Mapping[str, Any]], Any]] = {
    "if": _if,
    "and": _every,
    "or": _any,
    "map": _map,
    "filter": _filter,
    "toobject": _to_object,
}
