"""The app as the Functions host sees it: its functions indexed, and called through the SDK's own converters."""

import asyncio
import contextvars
import importlib.util
import inspect
import json
import logging
import os
import sys
import threading
import uuid
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import azure.functions as func
from azure.functions import meta

from lab.host.trace_context import TraceContext, attached, new_traceparent

_log = logging.getLogger(__name__)

THREADS = 32
"""For functions that are not coroutines; PYTHON_THREADPOOL_THREAD_COUNT says otherwise, as in Azure."""


class BadApp(Exception):
    """The app cannot be loaded."""


@dataclass(frozen=True)
class Function:
    """One function: its bindings as function.json would hold them, and the callable."""

    name: str
    call: Callable[..., Any]
    trigger: Mapping[str, Any]
    bindings: tuple[Mapping[str, Any], ...]
    is_coroutine: bool
    wants_context: bool

    @property
    def kind(self) -> str:
        """The type of its trigger: `httpTrigger`, `activityTrigger`, …"""
        return str(self.trigger["type"])

    @property
    def key(self) -> str:
        """The name by which orchestrations know it; entities are known by their names in lower case."""
        if self.kind == "entityTrigger":
            return str(self.trigger.get("entityName") or self.name).lower()
        return str(self.trigger.get("orchestration") or self.trigger.get("activity") or self.name)


@dataclass
class InvocationContext:
    """What a function gets that declares a parameter `context`."""

    function_name: str
    function_directory: str
    invocation_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    thread_local_storage: threading.local = field(default_factory=threading.local)
    trace_context: TraceContext = field(default_factory=lambda: TraceContext(new_traceparent()))
    retry_context: None = None


class App:
    """Every function of an app, by kind and name."""

    def __init__(self, functions: Iterable[Function], folder: Path) -> None:
        self.functions = {function.name: function for function in functions}
        self.client_config = "{}"
        self._folder = folder
        self._by_key = {(function.kind, function.key): function for function in self.functions.values()}
        threads = int(os.environ.get("PYTHON_THREADPOOL_THREAD_COUNT", THREADS))
        self._threads = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="function")

    def of_kind(self, kind: str) -> list[Function]:
        """The functions with such a trigger."""
        return [function for function in self.functions.values() if function.kind == kind]

    def by_key(self, kind: str, key: str) -> Function | None:
        """The function that orchestrations call so, or None."""
        return self._by_key.get((kind, key))

    async def invoke(self, function: Function, value: Any, traceparent: str = "") -> Any:
        """Call a function with the decoded value of its trigger, in this trace or in a new one."""
        traceparent = traceparent or new_traceparent()
        arguments = {function.trigger["name"]: value}
        for binding in function.bindings:
            if binding["type"] == "durableClient":
                arguments[binding["name"]] = self.client_config
        if function.wants_context:
            folder, trace = str(self._folder), TraceContext(traceparent)
            arguments["context"] = InvocationContext(function.name, folder, trace_context=trace)
        _log.info("invoke function=%s", function.name)
        with attached(traceparent):
            if function.is_coroutine:
                return await function.call(**arguments)
            call = partial(contextvars.copy_context().run, function.call, **arguments)
            return await asyncio.get_running_loop().run_in_executor(self._threads, call)

    def close(self) -> None:
        """Wait for no thread any more."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def decode_trigger(kind: str, value: Any, datum_type: str) -> Any:
    """What the SDK makes of a trigger's value."""
    return _converter_of(kind).decode(meta.Datum(value, datum_type), trigger_metadata={})


def encode_answer(kind: str, value: Any) -> Any:
    """What the SDK makes of a function's answer."""
    return _converter_of(kind).encode(value, expected_type=None).value


def _converter_of(kind: str) -> Any:
    return meta.get_binding_registry().get(kind)  # type: ignore[no-untyped-call]


def load_app(path: Path) -> App:
    """Load function_app.py as Functions does: from its folder, which is the working directory and importable.

    Raises:
        BadApp: there is no such file, or not exactly one app in it.
    """
    path = path.resolve()
    if not path.is_file():
        raise BadApp(f"there is no app at {path}")
    os.chdir(path.parent)
    sys.path.insert(0, str(path.parent))
    functions = index_functions(_import_file(path))
    _require_own_modules(path.parent)
    return App(functions, path.parent)


def _require_own_modules(folder: Path) -> None:
    """See that the app's own packages were loaded from its folder, and not from that of whoever serves it."""
    for package in (found.parent.name for found in folder.glob("*/__init__.py")):
        loaded = sys.modules.get(package)
        if loaded is not None and Path(str(loaded.__file__)).resolve().parent.parent != folder:
            raise BadApp(f"the package {package} was loaded from {loaded.__file__}, not from {folder}")


def index_functions(module: ModuleType) -> list[Function]:
    """The functions of the one app that the module holds."""
    apps = {id(value): value for value in vars(module).values() if isinstance(value, func.FunctionRegister)}
    if len(apps) != 1:
        raise BadApp(f"{module.__file__} holds {len(apps)} function apps, not one")
    (app,) = apps.values()
    return [_read_function(each) for each in app.get_functions()]


def _read_function(built: Any) -> Function:
    call, bindings = built.get_user_function(), tuple(json.loads(raw) for raw in built.get_raw_bindings())
    bound = {binding["name"] for binding in bindings}
    return Function(
        name=built.get_function_name(),
        call=call,
        trigger=next(binding for binding in bindings if binding["type"].endswith("Trigger")),
        bindings=bindings,
        is_coroutine=inspect.iscoroutinefunction(call),
        wants_context="context" in inspect.signature(call).parameters and "context" not in bound,
    )


def _import_file(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise BadApp(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module
