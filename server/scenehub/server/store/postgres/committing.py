"""Commits: many projects in one statement, each fenced; an error is narrowed down to the batch it belongs to (N2)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

from scenehub.protocol.ledger import Batch, Caught, Verdict
from scenehub.server.store.postgres.failures import (
    CONNECT_ERRORS,
    Cause,
    cause_of,
    is_of_another_server,
    is_worth_a_retry,
)
from scenehub.server.store.postgres.images import images_of
from scenehub.server.store.postgres.values import dumped

if TYPE_CHECKING:
    from scenehub.server.store.postgres.connections import HeldConnections, Own

    CatchUp = Callable[[Own], Awaitable[Caught]]

COMMIT = "SELECT scenehub_commit_v1($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"
LOCK = "SELECT FROM projects WHERE id = $1 FOR NO KEY UPDATE"
STATEMENT_ERRORS = (*CONNECT_ERRORS, ValueError)

_OF_CAUSE = {
    Cause.DATA: Verdict.POISON,
    Cause.SERVER: Verdict.FAILED,
    Cause.STRANGE: Verdict.FAILED,
    Cause.WIRE: Verdict.UNKNOWN,
}


class _Failed(Exception):
    """A statement that stored nothing, or may have."""

    def __init__(self, cause: Cause) -> None:
        super().__init__(cause)
        self.cause = cause


class Committer:
    """Stores batches over held connections, as many calls at a time as there are connections."""

    def __init__(self, connections: HeldConnections) -> None:
        self._connections = connections

    async def commit(self, batches: Sequence[Batch]) -> list[Verdict]:
        """A verdict for each batch; batches of one project are stored one after the other."""
        verdicts: dict[int, Verdict] = {}
        waiting = list(enumerate(batches))
        while waiting:
            first = {batch.project: index for index, batch in reversed(waiting)}
            turn = [(index, batch) for index, batch in waiting if first[batch.project] == index]
            waiting = [(index, batch) for index, batch in waiting if first[batch.project] != index]
            stored = await self._narrowed([batch for _, batch in turn])
            verdicts.update(zip((index for index, _ in turn), stored, strict=True))
        return [verdicts[index] for index in range(len(batches))]

    async def commit_locked(self, project: str, catch_up: CatchUp, plan: Callable[[Caught], Batch | None]) -> Verdict:
        """Read on, plan and store under the project's row lock, so that nobody can come in between (N2).

        `plan` must not wait; with None from it nothing is stored (`MISSED`). Errors of it pass through.
        """
        try:
            async with self._connections.one() as connection:
                return await _locked(connection, project, catch_up, plan)
        except CONNECT_ERRORS:
            return Verdict.FAILED

    async def _narrowed(self, batches: Sequence[Batch]) -> list[Verdict]:
        """Store batches of different projects; halve them for as long as one of them may be to blame."""
        try:
            saved = await self._stored(batches)
        except _Failed as failed:
            if len(batches) == 1 or failed.cause not in (Cause.DATA, Cause.STRANGE):
                return [_OF_CAUSE[failed.cause]] * len(batches)
            half = len(batches) // 2
            return [*await self._narrowed(batches[:half]), *await self._narrowed(batches[half:])]
        return [Verdict.SAVED if batch.project in saved else Verdict.MISSED for batch in batches]

    async def _stored(self, batches: Sequence[Batch]) -> set[str]:
        """The projects whose batches are durable now. Raises _Failed."""
        try:
            arguments = _arguments(batches)
        except ValueError as error:
            raise _Failed(Cause.DATA) from error
        answer = await self._asked(arguments)
        if isinstance(answer, Exception) and is_worth_a_retry(answer):
            answer = await self._asked(arguments)
        if isinstance(answer, Exception):
            raise _Failed(cause_of(answer)) from answer
        return answer

    async def _asked(self, arguments: Sequence[str | list[str]]) -> set[str] | Exception:
        """The projects that are saved, or the error of the statement. Raises _Failed when it was not sent."""
        try:
            async with self._connections.one() as connection:
                return await _said(connection, arguments)
        except CONNECT_ERRORS as unreachable:
            raise _Failed(Cause.SERVER) from unreachable


async def _said(connection: Own, arguments: Sequence[str | list[str]]) -> set[str] | Exception:
    """The projects that are saved, or the error; the connection is dropped where it is of no more use."""
    try:
        return set(await connection.fetchval(COMMIT, *arguments))
    except STATEMENT_ERRORS as error:
        if cause_of(error) is Cause.WIRE or is_of_another_server(error):
            connection.terminate()
        return error


async def _locked(connection: Own, project: str, catch_up: CatchUp, plan: Callable[[Caught], Batch | None]) -> Verdict:
    transaction = connection.transaction()
    sent_commit = False
    try:
        await transaction.start()
        await connection.execute(LOCK, project)
        batch = plan(await catch_up(connection))
        saved = [] if batch is None else await connection.fetchval(COMMIT, *_arguments([batch]))
        sent_commit = bool(saved)
        await (transaction.commit() if saved else transaction.rollback())
    except STATEMENT_ERRORS as error:
        connection.terminate()
        cause = cause_of(error)
        return Verdict.FAILED if cause is Cause.WIRE and not sent_commit else _OF_CAUSE[cause]
    except BaseException:
        connection.terminate()
        raise
    return Verdict.SAVED if saved else Verdict.MISSED


def _arguments(batches: Sequence[Batch]) -> list[str | list[str]]:
    """The arguments of the statement. Raises ValueError for what cannot be said in them."""
    lists = images_of(batches).lists()
    return [[batch.project for batch in batches], *(dumped(records) if records else "[]" for records in lists)]
