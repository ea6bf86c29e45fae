"""Producers and consumers over a bounded channel, while anybody may be canceled at any moment.

Three producers make a hundred items each, four consumers take them, and chance cancels one of the
seven after the other. Yet at the end every item is in exactly one place: a consumer has it, or its
producer has it still, because it was not sent; or the channel had it when the last consumer was
gone, and gave it to `on_undelivered`. With an asyncio queue and `wait_for`, some would be nowhere.
"""

import random
from collections import Counter

import rescind
from rescind.sync import NotSent, Receiver, Sender, channel


class Books:
    """What has become of each item."""

    def __init__(self) -> None:
        self.made: list[int] = []
        self.consumed: list[int] = []
        self.kept: list[int] = []
        self.undelivered: list[int] = []

    def balance(self) -> str:
        places = Counter([*self.consumed, *self.kept, *self.undelivered])
        lost = [item for item in self.made if item not in places]
        twice = [item for item, count in places.items() if count > 1]
        return f"{len(self.made)} made, {len(lost)} lost, {len(twice)} in two places"


async def produce(books: Books, sender: Sender[int], first: int) -> None:
    """Make items and send them; what could not be sent stays here."""
    with sender:
        for item in range(first, first + 100):
            books.made.append(item)
            sent = False
            try:
                await sender.send(item)
                sent = True
            except NotSent:
                return  # nobody consumes any more
            finally:
                if not sent:
                    books.kept.append(item)


async def consume(books: Books, receiver: Receiver[int]) -> None:
    """Take items; each takes a moment, in which one may be canceled."""
    with receiver:
        async for item in receiver:
            books.consumed.append(item)
            await rescind.yield_now()


async def calm() -> None:
    """Nobody is canceled: the channel ends when the last producer has closed its sender."""
    books = Books()
    sender, receiver = channel[int](5, on_undelivered=books.undelivered.append)
    tasks = [rescind.spawn(produce(books, sender.clone(), 100 * n)) for n in range(3)]
    tasks += [rescind.spawn(consume(books, receiver.clone())) for _ in range(4)]
    sender.close()
    receiver.drop()
    for task in tasks:
        await task
    print(f"  {books.balance()}; all consumed: {sorted(books.consumed) == sorted(books.made)}")


async def stormy(seed: int) -> Books:
    """One after the other is canceled, at a moment that chance chooses."""
    chance = random.Random(seed)
    books = Books()
    sender, receiver = channel[int](chance.randrange(6), on_undelivered=books.undelivered.append)
    producers = [rescind.spawn(produce(books, sender.clone(), 100 * n)) for n in range(3)]
    consumers = [rescind.spawn(consume(books, receiver.clone())) for _ in range(4)]
    sender.close()
    receiver.drop()
    victims = [*producers, *consumers]
    chance.shuffle(victims)
    for victim in victims[:5]:
        for _ in range(chance.randrange(20)):
            await rescind.yield_now()
        victim.cancel("chance chose it")
    for task in victims:
        await task.join()
    return books


async def storms() -> None:
    """A hundred storms: each item of each of them is accounted for."""
    balances = [await stormy(seed) for seed in range(100)]
    odd = [
        books.balance() for books in balances if not books.balance().endswith(" 0 in two places")
    ]
    lost = [books.balance() for books in balances if ", 0 lost" not in books.balance()]
    print(f"  storms: {len(balances)}; with an item lost: {len(lost)}; in two places: {len(odd)}")
    print(f"  some items were kept by their producers: {any(books.kept for books in balances)}")
    print(f"  some were undelivered: {any(books.undelivered for books in balances)}")


async def main() -> None:
    for scene in (calm, storms):
        print(scene.__doc__)
        await scene()
        print()


if __name__ == "__main__":
    rescind.run(main)
