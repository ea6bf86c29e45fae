"""A channel of plain lists, to hold the real one against: it does what the rules say, naively."""

from dataclasses import dataclass, field
from math import inf
from typing import Any

SENT, BACK, PERMIT, SHUT, VALUE, END = "sent", "back", "permit", "shut", "value", "end"


@dataclass
class Model:
    """What a channel has, who waits for it, and what each who waited has been given."""

    capacity: int | None
    senders: int = 1
    receivers: int = 1
    reserved: int = 0
    closed: bool = False
    accepted: int = 0
    queue: list[tuple[int, Any]] = field(default_factory=list)
    coming: list[tuple[int, Any]] = field(default_factory=list)
    going: list[int] = field(default_factory=list)
    granted: dict[int, tuple[int, Any]] = field(default_factory=dict)
    given: dict[int, str] = field(default_factory=dict)
    slots: dict[int, int] = field(default_factory=dict)
    more: dict[int, list[Any]] = field(default_factory=dict)
    undelivered: list[Any] = field(default_factory=list)

    def free(self) -> float:
        """Count the slots for those who come."""
        if self.capacity is None:
            return inf
        if self.capacity == 0:
            return max(0, len(self.going) - self.reserved - len(self.queue))
        return self.capacity - len(self.queue) - len(self.granted) - self.reserved

    def ended(self) -> bool:
        """Is there nothing, and nobody who may still send?"""
        something = self.queue or self.granted or self.reserved or self.coming
        return not something and (self.closed or not self.senders)

    def accept(self, value: Any) -> None:
        """Have a value."""
        self.accepted += 1
        self.keep((self.accepted, value))

    def keep(self, numbered: tuple[int, Any]) -> None:
        """Have a value, new or come back, at its place in the order of acceptance."""
        if self.receivers:
            self.queue = sorted([*self.queue, numbered], key=lambda pair: pair[0])
        else:
            self.undelivered.append(numbered[1])

    def pump(self) -> None:
        """Do what can be done, until nothing can."""
        while True:
            if self.queue and self.going:
                taker = self.going.pop(0)
                self.granted[taker] = self.queue.pop(0)
                self.given[taker] = VALUE
            elif self.coming and self.free() >= self.need(self.coming[0][1]):
                comer, wants = self.coming.pop(0)
                if isinstance(wants, int):
                    self.reserved += wants
                    self.slots[comer] = wants
                    self.given[comer] = PERMIT
                else:
                    self.given[comer] = SENT
                    self.accept(wants[0])
            elif self.going and self.ended():
                for taker in self.going:
                    self.given[taker] = END
                self.going = []
            else:
                return

    @staticmethod
    def need(wants: Any) -> int:
        """Count the slots that one who comes waits for."""
        return wants if isinstance(wants, int) else 1

    def come(self, who: int, wants: Any) -> None:
        """Queue with a value, in a tuple, or for a number of slots."""
        if self.closed:
            self.given[who] = SHUT if isinstance(wants, int) else BACK
            return
        self.coming.append((who, wants))
        self.pump()

    def go(self, who: int, limit: int = 1) -> None:
        """Queue for a value; one who comes to a rendezvous meets as many senders as it wants."""
        meets = self.capacity == 0 and not (self.queue or self.going or self.reserved)
        self.going.append(who)
        self.pump()
        more = self.more[who] = []
        while meets and who in self.granted and len(more) < limit - 1 and self.coming:
            comer, wants = self.coming[0]
            if isinstance(wants, int):
                break
            self.coming.pop(0)
            self.given[comer] = SENT
            self.accepted += 1
            more.append(wants[0])
        self.pump()

    def room(self, slots: int) -> bool:
        """Could one come now, without waiting?"""
        return not self.coming and self.free() >= slots

    def take_nowait(self) -> Any:
        """Return a value in a list, an empty list, or None at the end."""
        if self.queue:
            taken = [self.queue.pop(0)[1]]
        elif (
            self.capacity == 0
            and not self.going
            and not self.reserved
            and self.coming
            and not isinstance(self.coming[0][1], int)
        ):
            comer, wants = self.coming.pop(0)
            self.given[comer] = SENT
            self.accepted += 1
            taken = [wants[0]]
        else:
            return None if self.ended() else []
        self.pump()
        return taken

    def leave(self, who: int) -> str | None:
        """Withdraw an operation; return what it had been given."""
        self.coming = [pair for pair in self.coming if pair[0] != who]
        self.going = [taker for taker in self.going if taker != who]
        had = self.given.pop(who, None)
        if had == VALUE:
            self.keep(self.granted.pop(who))
        elif had == PERMIT:
            self.reserved -= self.slots.pop(who)
        self.pump()
        return had

    def collect(self, who: int, limit: int) -> list[Any]:
        """Take what was granted, and more of what is there."""
        taken = [self.granted.pop(who)[1], *self.more.pop(who)]
        while self.queue and len(taken) < limit:
            taken.append(self.queue.pop(0)[1])
        self.pump()
        return taken

    def close(self) -> None:
        """Accept nothing more."""
        if self.closed:
            return
        self.closed = True
        for comer, wants in self.coming:
            self.given[comer] = SHUT if isinstance(wants, int) else BACK
        self.coming = []
        self.pump()

    def lose_receiver(self) -> None:
        """Have one receiver fewer."""
        self.receivers -= 1
        if not self.receivers:
            self.close()
            for taker in self.going:
                self.given[taker] = END
            self.going = []
            self.undelivered += [value for _, value in self.queue]
            self.queue = []
