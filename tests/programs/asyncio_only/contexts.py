"""Context variables in tasks, callbacks and generators."""

import asyncio
import contextvars

variable = contextvars.ContextVar("variable", default=0)


async def child(number):
    before = variable.get()
    variable.set(number)
    await asyncio.sleep(0)
    return before, variable.get()


async def main():
    variable.set(1)
    print(await asyncio.gather(child(2), child(3)), variable.get())
    print(await child(4), variable.get())
    context = contextvars.copy_context()
    context.run(variable.set, 5)
    task = asyncio.get_running_loop().create_task(child(6), context=context)
    print(await task, variable.get(), context[variable])
    seen = []
    asyncio.get_running_loop().call_soon(lambda: seen.append(variable.get()))
    variable.set(7)
    await asyncio.sleep(0)
    print(seen)


if __name__ == "__main__":
    asyncio.run(main())
