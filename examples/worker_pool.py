"""A pool of workers on a bounded channel, and how it ends: in peace, in a hurry, or by a failure.

The channel is all the bookkeeping there is. It is bounded, so that whoever has work waits when the
workers are behind. A job carries a oneshot channel for its reply, so that the one who asked awaits
the answer, and a worker can see that nobody wants it any more. To close the sender is to say "no
more jobs": the workers finish what is queued, and end. To close the receiver is to say "no more, I
mean it": what is queued can be handed back.
"""

from dataclasses import dataclass

import rescind
from rescind import Error, Task
from rescind.sync import NotSent, OneshotSender, Receiver, Sender, channel, oneshot


@dataclass
class Job:
    """A number to be squared, and where the answer goes."""

    number: int
    reply: OneshotSender[int]


async def worker(jobs: Receiver[Job], log: list[str]) -> None:
    """Do jobs until there are no more."""
    with jobs:
        async for job in jobs:
            if job.reply.is_closed:
                log.append(f"{job.number}: not wanted any more")
                continue
            await rescind.sleep(0.001)  # hard work
            try:
                job.reply.send(job.number**2)
            except NotSent:
                log.append(f"{job.number}: nobody waited for {job.number**2}")


async def ask(jobs: Sender[Job], number: int) -> int:
    """Have a number squared."""
    reply, answer = oneshot[int]()
    permit = await jobs.reserve()  # first the room, then the job: nothing is made in vain
    permit.send(Job(number, reply))
    del reply  # the job's alone now: if that is lost, the answer is `Closed`
    return await answer


def start(count: int, jobs: Receiver[Job], log: list[str]) -> list[Task[None]]:
    workers = [rescind.spawn(worker(jobs.clone(), log)) for _ in range(count)]
    jobs.drop()
    return workers


async def in_peace() -> None:
    """Closing the sender: every job that was accepted is done, then the workers end."""
    sender, receiver = channel[Job](2, name="jobs")
    workers = start(3, receiver, log := [])
    questions = [rescind.spawn(ask(sender, number)) for number in range(8)]
    print("  answers:", [await question for question in questions])
    sender.close()
    for task in workers:
        await task
    print("  workers that have ended:", sum(task.done() for task in workers), log)


async def not_wanted() -> None:
    """A question that is canceled: its job is skipped when a worker comes to it."""
    sender, receiver = channel[Job](4, name="jobs")
    questions = [rescind.spawn(ask(sender, number)) for number in range(4)]
    await rescind.yield_now()
    questions[1].cancel("I have changed my mind")
    await questions[1].join()
    workers = start(1, receiver, log := [])
    print("  answers:", [await questions[n] for n in (0, 2, 3)])
    sender.close()
    for task in workers:
        await task
    print("  the worker says:", log)


async def in_a_hurry() -> None:
    """Closing the receiver: nothing more is accepted, and what is queued is handed back."""
    sender, receiver = channel[Job](3, name="jobs")
    questions = [rescind.spawn(ask(sender, number)).join() for number in range(5)]
    await rescind.yield_now()
    receiver.close()
    print("  handed back:", [job.number for job in receiver.drain()])
    for number, outcome in enumerate(await rescind.join(*questions)):
        if isinstance(outcome, Error):
            print(f"  question {number}: {outcome.exception}")


async def by_a_failure() -> None:
    """The workers are gone: queued jobs are undelivered, and whoever asked is told."""

    def undelivered(job: Job) -> None:
        print(f"  undelivered: job {job.number}")

    sender, receiver = channel[Job](2, on_undelivered=undelivered, name="jobs")
    questions = [rescind.spawn(ask(sender, number)).join() for number in range(3)]
    workers = start(1, receiver, [])
    await rescind.yield_now()
    workers[0].cancel("the machine is on fire")
    for number, outcome in enumerate(await rescind.join(*questions)):
        if isinstance(outcome, Error):
            print(f"  question {number}: {outcome.exception}")
    print("  nobody receives:", sender.is_closed)


async def main() -> None:
    for scene in (in_peace, not_wanted, in_a_hurry, by_a_failure):
        print(scene.__doc__)
        await scene()
        print()


if __name__ == "__main__":
    rescind.run(main)
