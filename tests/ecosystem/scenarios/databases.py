"""Databases: connections, pools and transactions, against real servers."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

from tests.ecosystem import kit
from tests.ecosystem.kit import Scenario

__all__ = ["SCENARIOS", "dsn"]


def dsn(port: int) -> str:
    """Return the address of the database."""
    return f"postgresql://postgres@127.0.0.1:{port}/postgres"


# ----------------------------------------------------------------------------------------- redis


@contextlib.asynccontextmanager
async def _redis(port: int) -> AsyncIterator[Any]:
    import redis.asyncio as redis

    pool = redis.BlockingConnectionPool(
        host="127.0.0.1", port=port, max_connections=1, timeout=kit.PATIENCE / 2
    )
    async with redis.Redis(connection_pool=pool) as client:
        await client.mset({"used": "used's", "check": "check's"})
        yield client
    await pool.aclose()


async def _redis_get(client: Any) -> None:
    assert await client.get("used") == b"used's"
    async with client.pipeline(transaction=True) as pipe:
        assert await pipe.get("used").get("used").execute() == [b"used's", b"used's"]


async def _redis_pubsub(client: Any) -> None:
    async with client.pubsub() as channel:
        await channel.subscribe("news")
        assert (await channel.get_message(timeout=kit.PATIENCE / 2))["type"] == "subscribe"


async def _redis_check(client: Any) -> None:
    # An answer that was left in the connection would come first.
    assert await client.get("check") == b"check's"
    assert await client.ping()


# --------------------------------------------------------------------------------------- asyncpg


TABLE = "CREATE TEMPORARY TABLE used (number integer)"


@contextlib.asynccontextmanager
async def _asyncpg(port: int) -> AsyncIterator[Any]:
    import asyncpg

    connection = await asyncpg.connect(dsn(port), timeout=kit.PATIENCE / 2)
    await connection.execute(TABLE)
    try:
        yield connection
    finally:
        await connection.close(timeout=kit.PATIENCE / 2)


async def _asyncpg_transaction(connection: Any) -> None:
    async with connection.transaction():
        await connection.execute("INSERT INTO used VALUES (1)")
        await connection.execute("INSERT INTO used VALUES (2)")


async def _asyncpg_check(connection: Any) -> None:
    assert not connection.is_in_transaction(), "the connection is inside a transaction"
    assert await connection.fetchval("SELECT count(*) FROM used") % 2 == 0


@contextlib.asynccontextmanager
async def _asyncpg_pool(port: int) -> AsyncIterator[Any]:
    import asyncpg

    async with asyncpg.create_pool(
        dsn(port), min_size=1, max_size=1, timeout=kit.PATIENCE / 2
    ) as pool:
        yield pool


async def _asyncpg_pool_use(pool: Any) -> None:
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT 1")


async def _asyncpg_pool_check(pool: Any) -> None:
    async with asyncio.timeout(kit.PATIENCE / 2), pool.acquire() as connection:
        assert not connection.is_in_transaction(), "the connection is inside a transaction"
        assert await connection.fetchval("SELECT 42") == 42


# --------------------------------------------------------------------------------------- psycopg


@contextlib.asynccontextmanager
async def _psycopg(port: int) -> AsyncIterator[Any]:
    import psycopg

    async with await psycopg.AsyncConnection.connect(dsn(port), autocommit=True) as connection:
        await connection.execute(TABLE)
        yield connection


async def _psycopg_transaction(connection: Any) -> None:
    async with connection.transaction():
        await connection.execute("INSERT INTO used VALUES (1)")
        await connection.execute("INSERT INTO used VALUES (2)")


async def _psycopg_check(connection: Any) -> None:
    status = connection.info.transaction_status.name
    assert status == "IDLE", f"the connection is {status}"
    cursor = await connection.execute("SELECT count(*) FROM used")
    assert (await cursor.fetchone())[0] % 2 == 0


@contextlib.asynccontextmanager
async def _psycopg_pool(port: int) -> AsyncIterator[Any]:
    import psycopg_pool

    async with psycopg_pool.AsyncConnectionPool(
        dsn(port), min_size=1, max_size=1, timeout=kit.PATIENCE / 2, open=False
    ) as pool:
        await pool.wait(kit.PATIENCE / 2)
        yield pool


async def _psycopg_pool_use(pool: Any) -> None:
    async with pool.connection() as connection:
        await connection.execute("SELECT 1")


async def _psycopg_pool_check(pool: Any) -> None:
    async with pool.connection(timeout=kit.PATIENCE / 2) as connection:
        status = connection.info.transaction_status.name
        assert status == "IDLE", f"the connection is {status}"
        cursor = await connection.execute("SELECT 42")
        assert (await cursor.fetchone())[0] == 42


# ------------------------------------------------------------------------------------ SQLAlchemy


@contextlib.asynccontextmanager
async def _sqlalchemy(url: str) -> AsyncIterator[Any]:
    from sqlalchemy import pool, text
    from sqlalchemy.ext.asyncio import create_async_engine

    engine = create_async_engine(
        url,
        poolclass=pool.AsyncAdaptedQueuePool,
        pool_size=1,
        max_overflow=0,
        pool_timeout=kit.PATIENCE / 2,
    )
    async with engine.begin() as connection:
        await connection.execute(text(TABLE))
    try:
        yield SimpleNamespace(engine=engine, text=text)
    finally:
        await engine.dispose()


def _sqlalchemy_asyncpg(port: int) -> Any:
    return _sqlalchemy(f"postgresql+asyncpg://postgres@127.0.0.1:{port}/postgres")


def _sqlalchemy_aiosqlite(_port: int) -> Any:
    return _sqlalchemy("sqlite+aiosqlite://")


async def _sqlalchemy_use(at: Any) -> None:
    async with at.engine.begin() as connection:
        await connection.execute(at.text("SELECT 1"))
        result = await connection.stream(at.text("SELECT 2 AS two"))
        async for row in result:
            assert row.two == 2


async def _sqlalchemy_check(at: Any) -> None:
    assert at.engine.pool.checkedout() == 0, "a slot is lost"
    async with at.engine.connect() as connection:
        assert (await connection.execute(at.text("SELECT 42"))).scalar() == 42


SCENARIOS = (
    Scenario(
        "redis: GET, pipeline, one connection",
        ("redis",),
        _redis,
        _redis_get,
        _redis_check,
        "redis",
    ),
    Scenario("redis: subscribe", ("redis",), _redis, _redis_pubsub, _redis_check, "redis"),
    Scenario(
        "asyncpg: transaction",
        ("asyncpg",),
        _asyncpg,
        _asyncpg_transaction,
        _asyncpg_check,
        "postgres",
        shared=False,
        # BEGIN and COMMIT may have taken effect when they are canceled, and asyncpg then forgets
        # the transaction. The connection of a pool is reset, one of one's own is not.
        known="afterwards: AssertionError('the connection is inside a transaction')",
    ),
    Scenario(
        "asyncpg: pool of one",
        ("asyncpg",),
        _asyncpg_pool,
        _asyncpg_pool_use,
        _asyncpg_pool_check,
        "postgres",
    ),
    Scenario(
        "psycopg: transaction",
        ("psycopg",),
        _psycopg,
        _psycopg_transaction,
        _psycopg_check,
        "postgres",
        shared=False,
    ),
    Scenario(
        "psycopg: pool of one",
        ("psycopg_pool",),
        _psycopg_pool,
        _psycopg_pool_use,
        _psycopg_pool_check,
        "postgres",
    ),
    Scenario(
        "SQLAlchemy: asyncpg, pool of one",
        ("sqlalchemy", "asyncpg", "greenlet"),
        _sqlalchemy_asyncpg,
        _sqlalchemy_use,
        _sqlalchemy_check,
        "postgres",
    ),
    Scenario(
        "SQLAlchemy: aiosqlite, pool of one",
        ("sqlalchemy", "aiosqlite", "greenlet"),
        _sqlalchemy_aiosqlite,
        _sqlalchemy_use,
        _sqlalchemy_check,
    ),
)
