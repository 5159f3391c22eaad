"""Tracing a third-party forward pass, and writing it down as rows of our table."""

from __future__ import annotations

import operator
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, fx, nn

from reverie.networks.graph import PICTURE, Node
from reverie.networks.ops import Add, Call, Concat, Op, Window
from reverie.networks.overwriting import arguments_of, named, without_overwriting
from reverie.networks.windows import module_channels, module_window, pair

POINTWISE_FUNCTIONS = """
    relu relu6 leaky_relu elu celu selu gelu silu mish hardswish hardsigmoid hardtanh sigmoid tanh
    softplus dropout dropout2d clamp abs neg exp log sqrt square pow add sub mul truediv div
    clone contiguous
"""
POINTWISE_NAMES = frozenset(POINTWISE_FUNCTIONS.split())
NUMBERS_OF_A_MAP = ("size", "shape", "dim", "ndim", "numel", "device", "dtype")
NEVER_IN_PLACE: Mapping[Any, Callable[..., Any]] = {
    torch.add: operator.add,
    torch.concat: torch.cat,
    operator.iadd: operator.add,
    operator.isub: operator.sub,
    operator.imul: operator.mul,
    operator.itruediv: operator.truediv,
}


@dataclass(frozen=True)
class Traced:
    """A traced forward pass: its graph, and the step that ends each submodule."""

    module: nn.Module
    graph: fx.Graph
    outputs: Mapping[str, fx.Node]

    @property
    def result(self) -> object:
        """Result of the forward pass: a step of the graph, or a structure of them."""
        return next(node for node in self.graph.nodes if node.op == "output").args[0]


def follow(module: nn.Module) -> Traced | None:
    """Trace a module's forward pass; return None if its control flow depends on values."""
    tracer = _Tracer()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            graph = tracer.trace(module)
    except Exception:  # whatever third-party code does when it is given no numbers
        return None
    if sum(node.op == "placeholder" for node in graph.nodes) != 1 or not without_overwriting(module, graph):
        return None
    for part in module.modules():
        if getattr(part, "inplace", False) is True:
            setattr(part, "inplace", False)  # noqa: B010 (a module's attributes have no types)
    return Traced(module, graph, tracer.outputs)


class _Proxy(fx.Proxy):
    """A proxy of a map that tells ``y += x`` from ``y = y + x``: the first changes what other steps read."""

    def __iadd__(self, other: Any) -> Any:
        return self.tracer.create_proxy("call_function", operator.iadd, (self, other), {})

    def __isub__(self, other: Any) -> Any:
        return self.tracer.create_proxy("call_function", operator.isub, (self, other), {})

    def __imul__(self, other: Any) -> Any:
        return self.tracer.create_proxy("call_function", operator.imul, (self, other), {})

    def __itruediv__(self, other: Any) -> Any:
        return self.tracer.create_proxy("call_function", operator.itruediv, (self, other), {})


class _Tracer(fx.Tracer):
    """Traces a forward pass, remembering the result of each submodule."""

    def proxy(self, node: fx.Node) -> fx.Proxy:
        """Return the proxy of a step's result."""
        return _Proxy(node, self)

    def __init__(self) -> None:
        super().__init__()
        self.outputs: dict[str, fx.Node] = {}

    def call_module(
        self,
        m: nn.Module,
        forward: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Any:
        """Call the module as usual, and note the path's last result."""
        result = super().call_module(m, forward, args, kwargs)
        if isinstance(result, fx.Proxy):
            self.outputs[self.path_of_module(m)] = result.node
        return result


class Table:
    """The rows of a traced forward pass.

    Attributes:
        nodes: one row per step, and one more per submodule that ends in an inner one's step.
        names: the row of each step.
    """

    def __init__(self, traced: Traced) -> None:
        """Write the rows."""
        self.module = traced.module
        self.names: dict[fx.Node, str] = {}
        self._numbers: set[fx.Node] = set()
        self._constants: dict[fx.Node, Any] = {}
        self._paths: dict[fx.Node, list[str]] = {}
        for path, node in traced.outputs.items():
            self._paths.setdefault(node, []).append(path)
        self.nodes = tuple(row for node in traced.graph.nodes for row in self._rows(node))

    def _rows(self, node: fx.Node) -> list[Node]:
        if node.op == "placeholder":
            self.names[node] = PICTURE
        if node.op in ("placeholder", "output"):
            return []
        self._sort(node)
        hidden = node in self._numbers or node in self._constants
        name = self.names[node] = self._name(node)
        inputs = tuple(self.names[source] for source in node.all_input_nodes)
        op = self._op(node)
        if node in self._constants:
            self._constants[node] = _computed(op, [self._constants[source] for source in node.all_input_nodes])
        row = Node(name, op, inputs, hidden=hidden)
        outer = [path for path in self._paths.get(node, []) if path != name]
        return [row, *(Node(path, Call(same, Window()), (name,)) for path in outer)]

    def _sort(self, node: fx.Node) -> None:
        """Classify a step: whether it gives a constant, or numbers such as a map's size."""
        sources = node.all_input_nodes
        asked = node.args[1] if node.target is getattr else node.target
        if node.op != "call_module" and isinstance(asked, str) and asked in NUMBERS_OF_A_MAP:
            self._numbers.add(node)
        elif all(source in self._constants for source in sources):
            self._constants[node] = None
        elif all(source in self._numbers or source in self._constants for source in sources):
            self._numbers.add(node)

    def _name(self, node: fx.Node) -> str:
        """Return the path of the innermost submodule that ends here, or the step's own name inside one."""
        taken = set(self.names.values())
        paths = [path for path in self._paths.get(node, []) if path not in taken]
        if paths:
            return max(paths, key=lambda path: path.count("."))
        stack = list(node.meta.get("nn_module_stack", {}).values())
        home = f"{stack[-1][0]}." if stack and stack[-1][0] and node.op != "call_module" else ""
        base = f"{home}{node.name}"
        return base if base not in taken else f"{base}_{len(taken)}"

    def _op(self, node: fx.Node) -> Op:
        if node.op == "get_attr":
            return Call(Constant(_attribute(self.module, str(node.target))), Window())
        if node in self._constants:
            module = node.op == "call_module"
            return Call(
                Applied(self.module.get_submodule(str(node.target)) if module else _function(node), node), Window()
            )
        if node.op == "call_module":
            part = self.module.get_submodule(str(node.target))
            simple = node.args == tuple(node.all_input_nodes) and not node.kwargs
            step = part if simple else Applied(part, node)
            return Call(step, module_window(part), module_channels(part))
        function = _function(node)
        measured = any(source in self._numbers for source in node.all_input_nodes)
        if measured or any(_lies_at_places(self._constants[s]) for s in node.all_input_nodes if s in self._constants):
            return Call(Applied(function, node), None)
        if function is torch.cat and self._joins_channels(node):
            return Concat()
        if function is operator.add and list(node.args) == node.all_input_nodes:
            return Add()
        return Call(Applied(function, node), _function_window(node))

    def _joins_channels(self, node: fx.Node) -> bool:
        dim = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim", 0)
        return dim in (1, -3) and list(cast(Sequence[Any], node.args[0])) == node.all_input_nodes


def _computed(op: Op, values: Sequence[Any]) -> Any:
    """Evaluate a step that reads constants alone; return None if that is not possible yet."""
    try:
        return op.function(*values) if isinstance(op, Call) else None
    except Exception:  # third-party code
        return None


def _lies_at_places(constant: Any) -> bool:
    """True if a constant varies over the positions of a map, as a positional embedding does."""
    return not isinstance(constant, Tensor) or any(side > 1 for side in constant.shape[-2:])


def same(x: Tensor) -> Tensor:
    """Return x itself."""
    return x


@dataclass(frozen=True)
class Method:
    """Calls a method of its first argument, by name."""

    name: str

    def __call__(self, x: Tensor, *args: Any, **kwargs: Any) -> Any:
        """Return the method's result."""
        return getattr(x, self.name)(*args, **kwargs)


@dataclass(frozen=True)
class _Slot:
    """A placeholder in a step's arguments for the map of that number."""

    index: int


class Applied(nn.Module):
    """A step with its other arguments: called with the maps it reads, in order."""

    def __init__(self, function: Callable[..., Any], node: fx.Node) -> None:
        """Remember the arguments, with slots where maps go, and nothing done in place."""
        super().__init__()
        slots: dict[fx.Node, Any] = {s: _Slot(i) for i, s in enumerate(node.all_input_nodes)}
        self.function = function
        args, kwargs = node.args, dict(node.kwargs)
        if node.op == "call_function" and arguments_of(node).get("inplace", False) is True:
            given = {**arguments_of(node), "inplace": False}
            args, kwargs = (), given
        self.args = fx.node.map_arg(args, slots.__getitem__)
        self.kwargs = fx.node.map_arg(kwargs, slots.__getitem__)

    def forward(self, *maps: Any) -> Any:
        """Return the step's result."""
        args, kwargs = _fill(self.args, maps), _fill(self.kwargs, maps)
        return self.function(*args, **kwargs)


class Constant(nn.Module):
    """A tensor of the module's own, used in its forward pass."""

    def __init__(self, value: Tensor) -> None:
        """Store it where ``to`` finds it."""
        super().__init__()
        self.register_buffer("value", value.detach())

    def forward(self) -> Tensor:
        """Return the tensor."""
        return cast(Tensor, self.value)


def _fill(template: Any, maps: Sequence[Any]) -> Any:
    """Fill the slots of a template of arguments."""
    if isinstance(template, _Slot):
        return maps[template.index]
    if isinstance(template, slice):
        return slice(*(_fill(v, maps) for v in (template.start, template.stop, template.step)))
    if isinstance(template, Mapping):
        return {key: _fill(value, maps) for key, value in template.items()}
    if isinstance(template, list | tuple):
        return type(template)(_fill(value, maps) for value in template)
    return template


def _attribute(module: nn.Module, path: str) -> Tensor:
    found: Any = module
    for name in path.split("."):
        found = getattr(found, name)
    return cast(Tensor, found)


def _function(node: fx.Node) -> Callable[..., Any]:
    """Return the function that a step calls, never in place."""
    if node.op == "call_method":
        name = str(node.target)
        plain = name.removesuffix("_")
        return Method(plain if hasattr(Tensor, plain) else name)
    if node.target is torch.add and node.kwargs:
        return torch.add
    target = cast(Callable[..., Any], node.target)
    name = named(node)
    if name.endswith("_") and not name.endswith("__"):
        plain = name.removesuffix("_")
        homes = (home for home in (torch, nn.functional, Tensor) if hasattr(home, plain))
        return next((cast(Callable[..., Any], getattr(home, plain)) for home in homes), target)
    return NEVER_IN_PLACE.get(target, target)


def _function_window(node: fx.Node) -> Window | None:
    function = _function(node)
    name = function.name if isinstance(function, Method) else str(getattr(function, "__name__", ""))
    if name in ("max_pool2d", "avg_pool2d"):
        return _pool_call_window(name, node)
    return Window() if name in POINTWISE_NAMES else None


def _pool_call_window(name: str, node: fx.Node) -> Window | None:
    """Return the window of ``F.max_pool2d(x, 2)`` and its kind, however the arguments are given."""
    order = ["input", "kernel_size", "stride", "padding"]
    order += ["dilation", "ceil_mode"] if name == "max_pool2d" else ["ceil_mode"]
    given: dict[str, Any] = {**dict(zip(order, node.args, strict=False)), **node.kwargs}
    kernel, stride = given.get("kernel_size"), given.get("stride")
    if kernel is None or given.get("return_indices"):
        return None
    return Window(
        pair(kernel),
        pair(stride or kernel),
        pair(given.get("padding", 0)),
        pair(given.get("dilation", 1)),
        bool(given.get("ceil_mode", False)),
    )
