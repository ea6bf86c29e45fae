"""Child processes: output, input, exit codes, and one that is killed."""

import asyncio
import sys
from asyncio.subprocess import PIPE


async def main():
    code = (
        "import sys; print(sys.stdin.read().upper()); print('told', file=sys.stderr); sys.exit(7)"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-Sc", code, stdin=PIPE, stdout=PIPE, stderr=PIPE
    )
    out, err = await process.communicate(b"words")
    print(out.decode().strip(), err.decode().strip(), process.returncode)
    process = await asyncio.create_subprocess_shell("echo line; exec cat", stdin=PIPE, stdout=PIPE)
    print(await process.stdout.readline())
    try:
        await asyncio.wait_for(process.wait(), 0.01)
    except TimeoutError:
        process.kill()
    print(await process.wait() < 0)


if __name__ == "__main__":
    asyncio.run(main())
