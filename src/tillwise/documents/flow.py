"""The flow event → data → model → decision as a picture: four columns, one colour per use case, no script.

Every node and band of a use case carries its class (`u0`, `u1`, …): a style sheet alone lets one stand out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from tillwise.documents.described import Answering
from tillwise.documents.lineage import Input, Lineage
from tillwise.documents.observed import Observed
from tillwise.events.types import EVENT_TYPES
from tillwise.features.page import words_for

WIDTH: Final = 1180
_X: Final = (0, 310, 640, 900)
_WIDE: Final = (225, 235, 180, 280)
_TITLES: Final = ("What happened", "What is known from it", "Who thinks", "What is decided")
_TALL: Final = 44
_GAP: Final = 12
_TOP: Final = 34
_BETWEEN: Final = 26
_KEYS: Final = {
    "subject": "of the person", "device": "of the device", "card": "of the card", "ip": "of the internet address",
    "address": "of the delivery address", "email": "of the e-mail address", "item": "of everybody, by product",
    "merchant": "of everybody, by merchant", "shop": "of everybody", "request": "from the request itself",
}  # fmt: skip


@dataclass(slots=True)
class _Node:
    """A box; `cases` are the use cases it belongs to, `says` its second line, `tells` what a pointer shows."""

    column: int
    title: str
    says: str
    tells: str
    cases: tuple[int, ...]
    y: float = 0.0

    @property
    def middle(self) -> float:
        return self.y + _TALL / 2


def flow(known: Mapping[str, Lineage], who: Mapping[str, Answering], observed: Observed) -> str:
    """Return the picture as one `svg` element of fluid width."""
    drawing = _Drawing(tuple(known))
    y = float(_TOP)
    for index, (name, lineage) in enumerate(known.items()):
        y = drawing.use_case(index, lineage, who[name], observed, y) + _BETWEEN
    drawing.events(known, observed, y - _BETWEEN)
    return drawing.svg(y - _BETWEEN)


class _Drawing:
    """Places nodes and bands."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        self._nodes: list[_Node] = []
        self._bands: list[tuple[_Node, _Node, int, int]] = []
        self._groups: list[tuple[int, _Node, tuple[Input, ...]]] = []

    def use_case(self, index: int, known: Lineage, who: Answering, observed: Observed, y: float) -> float:
        """Place the data, the model and the decision of one use case below `y`; return where they end."""
        groups: dict[str, list[Input]] = {}
        for each in known.inputs:
            if each.kind != "computed":
                groups.setdefault(each.key, []).append(each)
        model, decision = _model(index, known, who), _decision(index, known, observed)
        start = y
        for key, inputs in groups.items():
            node = _Node(1, _KEYS.get(key, key), _several(inputs), _listed(inputs), (index,), y)
            self._groups.append((index, node, tuple(inputs)))
            self._bands.append((node, model, index, len(inputs)))
            self._nodes.append(node)
            y += _TALL + _GAP
        end = max(y - _GAP, start + _TALL)
        model.y = decision.y = (start + end - _TALL) / 2
        self._nodes += [model, decision]
        self._bands.append((model, decision, index, len(known.inputs)))
        return end

    def events(self, known: Mapping[str, Lineage], observed: Observed, end: float) -> None:
        """Place the event types, each about as high as what reads it, and draw what is read."""
        nodes: dict[str, _Node] = {}
        height: dict[str, list[float]] = {}
        for _, group, inputs in self._groups:
            for event in {event for each in inputs for event in each.events}:
                height.setdefault(event, []).append(group.middle)
        cases = {name: tuple(i for i, k in enumerate(known.values()) if name in k.events) for name in EVENT_TYPES}
        idle = [name for name in EVENT_TYPES if name in observed.arrived and name not in height]
        order = [*sorted(height, key=lambda name: sum(height[name]) / len(height[name])), *idle]
        ends = _spread([sum(height[n]) / len(height[n]) if n in height else end for n in order], end)
        for name, y in zip(order, ends, strict=True):
            nodes[name] = _Node(0, name, _arrived(name, observed, idle), EVENT_TYPES[name].meaning, cases[name], y)
        self._nodes += nodes.values()
        for index, group, inputs in self._groups:
            for event in {event: None for each in inputs for event in each.events}:
                n = sum(event in each.events for each in inputs)
                self._bands.append((nodes[event], group, index, n))

    def svg(self, end: float) -> str:
        """Return the picture."""
        tall = round(max(end, *(node.y + _TALL for node in self._nodes)) + 8)
        heads = "".join(
            f'<text class="head" x="{x}" y="14">{title}</text>' for x, title in zip(_X, _TITLES, strict=True)
        )
        bands = "".join(_band(*each) for each in self._bands)
        nodes = "".join(_box(node) for node in self._nodes)
        label = f"Which events lead to which data, models and decisions of {', '.join(self._names)}"
        return (
            f'<svg class="flow" role="img" aria-label="{escape(label)}" viewBox="-2 0 {WIDTH + 4} {tall}">'
            f"{heads}{bands}{nodes}</svg>"
        )


def _spread(middles: Sequence[float], end: float) -> list[float]:
    """Return the tops of boxes as near to their wished middles as they fit, in this order, none over another."""
    tops: list[float] = []
    for middle in middles:
        tops.append(max(middle - _TALL / 2, tops[-1] + _TALL + _GAP if tops else float(_TOP)))
    floor = max(end, _TOP + len(tops) * (_TALL + _GAP) - _GAP)
    for rank in range(len(tops) - 1, -1, -1):
        tops[rank] = min(tops[rank], floor - _TALL)
        floor = tops[rank] - _GAP
    return tops


def _box(node: _Node) -> str:
    x, wide = _X[node.column], _WIDE[node.column]
    classes = " ".join(("node", f"c{node.column}", *(f"u{i}" for i in node.cases))) + ("" if node.cases else " idle")
    paint = f" p{node.cases[0]}" if len(node.cases) == 1 else ""
    return (
        f'<g class="{classes}"><title>{escape(node.tells)}</title>'
        f'<rect class="box" x="{x}" y="{node.y:.1f}" width="{wide}" height="{_TALL}" rx="8"/>'
        f'<rect class="edge{paint}" x="{x}" y="{node.y:.1f}" width="5" height="{_TALL}" rx="2.5"/>'
        f'<text class="name" x="{x + 14}" y="{node.y + 18:.1f}">{escape(node.title)}</text>'
        f'<text class="says" x="{x + 14}" y="{node.y + 35:.1f}">{escape(node.says)}</text></g>'
    )


def _band(start: _Node, end: _Node, index: int, n: int) -> str:
    x1, x2 = _X[start.column] + _WIDE[start.column], _X[end.column]
    bend = (x2 - x1) / 2
    path = f"M{x1} {start.middle:.1f}C{x1 + bend} {start.middle:.1f} {x2 - bend} {end.middle:.1f} {x2} {end.middle:.1f}"
    width = min(9.0, 1.5 + 0.45 * n)
    return f'<path class="band u{index} p{index}" d="{path}" stroke-width="{width:.1f}"/>'


def _model(index: int, known: Lineage, who: Answering) -> _Node:
    computed = sum(each.kind == "computed" for each in known.inputs)
    release = who.release
    if release is None:
        title, tells = "declared rules", "nothing learnt is released; the declared rules answer"
    else:
        title, tells = f"{release.kind}: {release.name}", f"{release.version or 'rules'}: {release.why}"
    says = f"{len(known.inputs)} columns, {computed} computed" if computed else "reads these rows itself"
    return _Node(2, title if len(title) < 28 else title[:26] + "…", says, tells, (index,))


def _decision(index: int, known: Lineage, observed: Observed) -> _Node:
    decided = observed.decided.get(known.use_case)
    says = "none in 30 days" if decided is None else f"{decided.decisions} in 30 days"
    if decided is not None and "fewer" in says:
        says = "in 30 days, of fewer than 10 people"
    actions = "" if decided is None else ", ".join(decided.actions)
    return _Node(
        3, f"{known.use_case} → {known.purpose.value.replace('_', ' ')}", says, actions or "nothing decided", (index,)
    )


def _several(inputs: Sequence[Input]) -> str:
    kinds = {each.kind for each in inputs}
    one, many = "value", "values"
    if kinds == {"feature"}:
        one, many = "feature", "features"
    elif kinds == {"reading"} and inputs[0].key != "request":
        one, many = "history", "histories"
    window = max(each.window for each in inputs)
    return f"{len(inputs)} {one if len(inputs) == 1 else many}" + (
        f", up to {words_for(window)} back" if window else ""
    )


def _listed(inputs: Iterable[Input]) -> str:
    return "\n".join(f"{each.name}: {each.meaning}" for each in inputs)


def _arrived(name: str, observed: Observed, idle: Sequence[str]) -> str:
    came = observed.arrived.get(name)
    if came is None:
        return "none arrived yet"
    said = f"{came.events} arrived" + (", simulated" if came.simulated else "")
    return f"{said}; read by nothing" if name in idle else said
