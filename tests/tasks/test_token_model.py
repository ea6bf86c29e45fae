"""Tokens against a model: any program of operations leaves the same tree, and tells the same."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from rescind import CancellationToken, CancelReason, Registration, TokenStatistics
from rescind.lowlevel import PENDING, Future
from rescind.testing import CountingWaker, context

Step = tuple[str, int, int]

steps = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "root",
                "child",
                "linked",
                "cancel",
                "drop",
                "detach",
                "call",
                "remove",
                "wait",
                "leave",
            ]
        ),
        st.integers(0, 9),
        st.integers(0, 9),
    ),
    max_size=40,
)


@dataclass(eq=False)
class Model:
    """One token, as a child would draw it: arrows to its sources, a flag, and lists."""

    sources: list[Model] = field(default_factory=list["Model"])
    canceled: bool = False
    told: list[int] = field(default_factory=list[int])
    waits: list[int] = field(default_factory=list[int])


class World:
    """The real tokens and their models, side by side."""

    def __init__(self) -> None:
        self.tokens: list[CancellationToken] = []
        self.models: list[Model] = []
        self.everything: list[Model] = []
        self.told: list[int] = []
        self.expected: list[int] = []
        self.calls: dict[int, tuple[Registration, Model]] = {}
        self.waits: dict[int, tuple[Future[CancelReason], CountingWaker, Model]] = {}
        self.made = 0

    def add(self, token: CancellationToken, *sources: Model) -> None:
        """Hold one more token."""
        model = Model([*sources])
        if any(source.canceled for source in sources):
            model.canceled, model.sources = True, []
        self.tokens.append(token)
        self.models.append(model)
        self.everything.append(model)

    def step(self, name: str, first: int, second: int) -> None:
        """Do one operation to both."""
        if name == "root" or not self.tokens:
            self.add(CancellationToken())
            return
        first, second = first % len(self.tokens), second % len(self.tokens)
        token, model = self.tokens[first], self.models[first]
        if name == "child":
            self.add(token.child(), model)
        elif name == "linked":
            self.add(
                CancellationToken.linked(token, self.tokens[second]), model, self.models[second]
            )
        elif name == "cancel":
            assert token.cancel() is not model.canceled
            self.cancel(model)
        elif name == "drop":
            del self.tokens[first], self.models[first]
        elif name == "detach":
            token.detach()
            model.sources = []
        elif name == "call":
            self.call(token, model)
        elif name == "wait":
            self.wait(token, model)
        elif name == "remove" and self.calls:
            number = list(self.calls)[first % len(self.calls)]
            registration, model = self.calls.pop(number)
            assert registration.remove() is (number in model.told)
            if number in model.told:
                model.told.remove(number)
        elif name == "leave" and self.waits:
            number = list(self.waits)[first % len(self.waits)]
            waiting, _, model = self.waits.pop(number)
            waiting.drop()
            if number in model.waits:
                model.waits.remove(number)

    def call(self, token: CancellationToken, model: Model) -> None:
        """Register a callback that notes its number."""
        self.made += 1
        number = self.made
        (self.expected if model.canceled else model.told).append(number)
        self.calls[number] = (token.on_cancel(lambda _: self.told.append(number)), model)

    def wait(self, token: CancellationToken, model: Model) -> None:
        """Park a future."""
        self.made += 1
        waiting, waker = token.wait(), CountingWaker()
        parked = waiting.poll(context(waker)) is PENDING
        assert parked is not model.canceled
        if parked:
            model.waits.append(self.made)
            self.waits[self.made] = (waiting, waker, model)

    def cancel(self, model: Model) -> None:
        """Cancel a model and all that has an arrow to it."""
        if model.canceled:
            return
        model.canceled, model.sources = True, []
        self.expected += model.told
        model.told, model.waits = [], []
        for other in self.everything:
            if model in other.sources:
                self.cancel(other)

    def alive(self) -> list[Model]:
        """Whatever is held, by the program or by something that is."""
        held = [*self.models, *(model for _, model in self.calls.values())]
        held += [model for _, _, model in self.waits.values()]
        found: list[Model] = []
        while held:
            model = held.pop()
            if model not in found:
                found.append(model)
                held += model.sources
        return found

    def check(self) -> None:
        """Compare."""
        self.everything = self.alive()
        for token, model in zip(self.tokens, self.models, strict=True):
            assert token.canceled is model.canceled
            children = sum(model in other.sources for other in self.everything)
            assert token.statistics() == TokenStatistics(
                children, len(model.waits), len(model.told)
            )
        assert sorted(self.told) == sorted(self.expected)
        for _, waker, model in self.waits.values():
            assert waker.wakes == model.canceled


@settings(max_examples=300, deadline=None)
@given(steps)
def test_tokens_agree_with_their_model(program: list[Step]) -> None:
    """Flags, books, callbacks and wakes, after each step of any program."""
    world = World()
    for step in program:
        world.step(*step)
        world.check()
