"""The one thread that touches the journal's file: group commit, and what to do when the disk says no.

All jobs that wait share one transaction and one fsync. A failed commit is tried again after the reserve was given up
(disk full) or after the file was replaced (damaged); only then do the jobs fail. A job that fails by itself is
carried out apart from the others, so that it cannot take them down.
"""

import contextlib
import logging
import queue
import sqlite3
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

from appliance.box import Marks
from appliance.journal.errors import (
    DamagedError,
    JournalError,
    StandstillError,
    StorageError,
    UnknowableError,
    translate,
)
from appliance.journal.files import Files
from appliance.journal.jobs import Facts, Job, Limits
from appliance.journal.pruning import prune
from appliance.journal.saved import Saved
from appliance.journal.schema import connect
from appliance.journal.store import Store
from wire.crashpoint import crash_point, crash_points

GROUP_MAX = 256
TICK_S = 1.0
_PRUNE_EVERY_S = 60.0
_COUNT_ALWAYS_BELOW = 2000

_log = logging.getLogger(__name__)


class Writer:
    """Owns the connection. `start`, `submit` and `stop` may be called from any thread."""

    def __init__(
        self, files: Files, limits: Limits, clock: Callable[[], float], boot_id: str, marks: Marks | None = None
    ) -> None:
        self.facts = Facts(trouble="the journal is not open")
        self.turned_at = time.monotonic()  # when the thread last came round
        self._files = files
        self._limits = limits
        self._clock = clock
        self._boot_id = boot_id
        self._marks = marks or {}
        self._queue: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._behind: Job | None = None  # taken from the queue, and to be committed by itself
        self._thread: threading.Thread | None = None
        self._store: Store | None = None
        self._identity: tuple[int, int] | None = None
        self._log_identity: tuple[int, int] | None = None
        self._trouble = "the journal is not open"
        self._failed = False  # a write failed since the last one that did not
        self._tried = False  # the jobs under way have come to a commit
        self._previous = ""
        self._counts = (0, 0)
        self._used = 0
        self._pruned_at = float("-inf")
        self._saved = Saved(files, clock, boot_id)

    def start(self) -> None:
        """Take the directory and open the file. Raises `JournalInUseError`, `StorageError` (directory unusable).

        A file that cannot be opened because of the disk is no reason not to start: it is tried again every second.
        """
        self._files.lock()
        opened = Job(lambda store: None, writes=False)
        self._queue.put(opened)
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()
        try:
            opened.future.result(timeout=120)
        except StorageError as error:
            _log.warning("the journal cannot be opened yet", extra={"reason": str(error)})

    def say_copied(self, reason: str) -> None:
        """Tell people that the journal has taken another name."""
        _log.error("the journal is a copy and was given another name", extra={"reason": reason})
        self._saved.notice(f"the journal is a copy ({reason}) and was given another name")

    def submit(self, job: Job) -> None:
        """Queue a job; its future is completed after the commit. A full queue fails it at once."""
        if self._thread is None or not self._thread.is_alive():
            job.future.set_exception(StorageError("the journal is closed", certain=True))
        elif self._queue.qsize() >= self._limits.queue_jobs:
            job.future.set_exception(StorageError("the disk does not keep up", certain=True))
        else:
            self._queue.put(job)

    def stop(self) -> None:
        """Do what is queued, note that the end was orderly, close."""
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join(timeout=30)
            self._thread = None
        self._files.unlock()

    # Everything below runs in the thread.

    def _run(self) -> None:
        ticked = time.monotonic()
        going = True
        while going:
            self.turned_at = time.monotonic()
            group, going = self._gather()
            try:
                if group:
                    self._commit(group)
                if time.monotonic() - ticked >= TICK_S:
                    ticked = time.monotonic()
                    self._tick()
            except Exception as error:  # the thread must outlive any mistake of ours
                _log.exception("the journal's thread failed")
                self._fail(group, self._failed_job(error))
        self._close()

    def _gather(self) -> tuple[list[Job], bool]:
        """Wait for the jobs of the next commit; and whether there may be more behind them."""
        if self._behind is not None:
            group, self._behind = [self._behind], None
            return group, True
        group = []
        try:
            job = self._queue.get(timeout=TICK_S)
            while job is not None:
                if job.apart and group:
                    self._behind = job
                    break
                group.append(job)
                if job.apart or len(group) >= GROUP_MAX:
                    break
                job = self._queue.get_nowait()
        except queue.Empty:
            return group, True
        return group, job is not None

    def _commit(self, group: list[Job]) -> None:
        """Carry out the group in one transaction; complete every future."""
        group = self._with_room(group)
        if not group:
            return
        error: JournalError = StorageError(self._trouble)
        self._tried = False
        for _attempt in range(3):
            if not self._open_if_needed():
                error = StorageError(self._trouble)
                if not self._give_way():
                    break
                continue
            group = self._of_this_journal(group)
            if not group:
                return
            try:
                results = self._transaction(group)
            except sqlite3.Error as failure:
                raw, error = failure, translate(failure)
            except Exception:  # one job is wrong in itself: find out which, alone
                self._rollback()
                if len(group) == 1:
                    raise
                for job in group:
                    self._commit_alone(job)
                return
            else:
                damage = self._after_commit(any(job.writes for job in group))
                for job, result in zip(group, results, strict=True):
                    if job.future.set_running_or_notify_cancel():
                        job.future.set_result(result)
                if damage:
                    self._replace(damage)
                return
            self._rollback()
            if isinstance(error, DamagedError):
                self._replace(str(error))
            else:
                self._refused_by_disk(raw, error)
                self._give_way()
        # Where no commit was tried, nothing of it is written, nor will be: nobody keeps these jobs.
        self._fail(group, StorageError(str(error), certain=not self._tried))

    def _commit_alone(self, job: Job) -> None:
        try:
            self._commit([job])
        except Exception as error:
            _log.exception("a job of the journal failed")
            self._fail([job], self._failed_job(error))

    def _failed_job(self, error: Exception) -> StorageError:
        return StorageError(f"a job failed: {error or type(error).__name__}", certain=not self._tried)

    def _transaction(self, group: list[Job]) -> list[Any]:
        store = self._store
        if store is None:
            raise StorageError(self._trouble)
        if not any(job.writes for job in group):
            return [job.call(store) for job in group]
        store.connection.execute("BEGIN IMMEDIATE")
        results = [job.call(store) for job in group]
        crash_points((job.point for job in group), "before")
        self._tried = True
        store.connection.execute("COMMIT")
        crash_points((job.point for job in group), "after")
        return results

    def _of_this_journal(self, group: list[Job]) -> list[Job]:
        """Fail the jobs that only a journal lost meanwhile could do; returns the others.

        A request for that journal may have been executed: in the new one it would pass for a new request.
        """
        here = self._store.id if self._store else ""
        strange = [job for job in group if job.journal not in {None, here}]
        if not strange:
            return group
        self._fail(strange, UnknowableError("the journal it was sent to is lost"))
        return [job for job in group if job not in strange]

    def _with_room(self, group: list[Job]) -> list[Job]:
        """Fail the jobs that begin something new while there is no room; returns the others."""
        if not any(job.needs_room for job in group):
            return group
        if self._stands_still():
            refusal: StorageError = StandstillError()
        elif lacking := self._lacking_room():
            self._set_trouble(lacking)
            refusal = StorageError(lacking, certain=True)
        else:
            return group
        self._fail([job for job in group if job.needs_room], refusal)
        return [job for job in group if not job.needs_room]

    def _stands_still(self) -> bool:
        try:
            return self._store is not None and self._store.stands_still(self._boot_id, time.monotonic())
        except (sqlite3.Error, ValueError):
            return False  # the commit meets the same, and knows what to do about it

    def _lacking_room(self) -> str:
        """Why nothing new can be begun, or an empty string."""
        try:
            free = self._files.free_bytes()
        except OSError as error:
            return f"the disk does not tell what is free: {error.strerror}"
        if free < self._limits.min_free_bytes:
            return f"the disk is nearly full: {free >> 20} MiB free"
        if why := self._files.make_reserve():
            return f"the journal's reserve cannot be made: {why}"
        if self._store is not None and self._used > self._limits.max_bytes:
            try:
                self._prune()
            except sqlite3.Error as error:
                self._rollback()
                return f"the disk does not take writes: {error}"
            if self._used > self._limits.max_bytes:
                return "the journal is full of outcomes that the hub has not settled"
        return ""

    def _tick(self) -> None:
        """Every second: heal what can heal, prune, count."""
        if not self._open_if_needed():
            return
        try:
            removed = self._files.identity() != self._identity
            log_removed = self._files.log_identity() != self._log_identity
        except OSError as unseen:  # it may well be there: what is open still works
            self._set_trouble(f"the journal cannot be looked at: {unseen.strerror}")
            return
        if removed:
            self._saved.rescue(self._store)
            self._replace("the file was replaced or removed")
            return
        if log_removed and not self._write_lost_log():
            return
        try:
            if self._failed or self._saved:
                # A real write finds out whether the disk takes them again.
                self._carry_over()
                self._failed = False
            if time.monotonic() - self._pruned_at >= _PRUNE_EVERY_S or self._used > self._limits.max_bytes:
                self._pruned_at = time.monotonic()
                self._prune()
            self._counts = self._store.counts() if self._store else (0, 0)
        except sqlite3.Error as raw:
            self._rollback()
            error = translate(raw)
            if isinstance(error, DamagedError):
                self._replace(str(error))
            else:
                self._refused_by_disk(raw, error)
            return
        self._set_trouble(self._lacking_room())

    def _write_lost_log(self) -> bool:
        """The write-ahead log was removed: write into the file itself what only its open handle still has.

        Whether that went well; else it is tried again.
        """
        store = self._store
        if store is None:
            return False
        _log.error("the journal's write-ahead log was removed or replaced while it was in use")
        try:
            (busy, _, _) = store.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except sqlite3.Error as error:
            self._set_trouble(f"the journal's log was removed, and cannot be written to the journal: {error}")
            return False
        if busy:
            return False
        self._disconnect()
        return self._open_if_needed()

    def _prune(self) -> None:
        store, limits = self._store, self._limits
        if store is None:
            return
        for used in prune(
            store.connection, store.used_bytes, now=self._clock(), keep_s=limits.keep_s, max_bytes=limits.max_bytes
        ):
            self._used = used

    def _after_commit(self, wrote: bool) -> str:
        """Count; returns what was found damaged meanwhile. What is committed stays committed whatever is found."""
        store = self._store
        damage = ""
        if store is not None and wrote:
            try:
                self._used = store.used_bytes()
                if sum(self._counts) < _COUNT_ALWAYS_BELOW:
                    self._counts = store.counts()
            except sqlite3.Error as raw:
                error = translate(raw)
                damage = str(error) if isinstance(error, DamagedError) else ""
        self._publish()
        return damage

    def _open_if_needed(self) -> bool:
        """Whether the file is open, after trying. A damaged one is replaced."""
        if self._store is not None:
            return True
        try:
            existed = self._files.journal.exists()
            self._files.make_directory()
            self._files.finish_setting_aside()
            self._files.rewrite_log()
            connection = connect(self._files.journal)
            try:
                self._files.journal.chmod(0o600)
                store = Store(connection)
                store.prepare(uuid.uuid4().hex)
                if store.settle_in(self._marks, uuid.uuid4().hex, self._clock()):
                    self.say_copied("its disk comes from another machine")
                before = store.get_meta("run")
                crash_point("appliance.journal.open.before")
                store.put_meta("run", f"running {self._boot_id}")
                crash_point("appliance.journal.open.after")
                self._files.sync_directory()
            except BaseException:
                connection.close()
                raise
        except sqlite3.Error as raw:
            error = translate(raw)
            if isinstance(error, DamagedError) and existed and not self._saved:
                self._replace(str(error))
                return self._store is not None
            self._set_trouble(f"the journal cannot be opened: {error}")
            return False
        except OSError as error:
            self._set_trouble(f"the journal cannot be opened: {error.strerror}")
            return False
        self._files.make_reserve()
        self._store = store
        with contextlib.suppress(OSError):  # else it is looked at again in a second
            self._identity, self._log_identity = self._files.identity(), self._files.log_identity()
        if not self._previous:
            self._previous = "first" if not before else "clean" if before.startswith("clean") else "cut"
        self._set_trouble("")
        try:
            self._saved.gather_left_behind(store)
            if self._saved:
                self._carry_over()
        except sqlite3.Error as raw:
            self._rollback()
            self._set_trouble(f"the disk does not take writes: {raw}")
        self._counts = store.counts()
        self._used = store.used_bytes()
        return True

    def _replace(self, reason: str) -> None:
        """Set the file aside and begin anew with what can be read of it."""
        self._disconnect()
        try:
            aside = self._files.set_aside()
        except OSError as error:
            self._set_trouble(f"the damaged journal cannot be set aside: {error.strerror}")
            return
        _log.error("the journal is damaged and was set aside", extra={
            "reason": reason, "file": aside.name if aside else None,
        })  # fmt: skip
        self._saved.gather(aside, reason)
        self._open_if_needed()
        self._publish()

    def _carry_over(self) -> None:
        """Write what was carried; also where nothing was, to find out whether the disk takes it."""
        self._transaction([Job(self._saved.write, point="appliance.journal.carry")])
        self._saved.is_written()

    def _give_way(self) -> bool:
        """Give the reserve up for what must be written; whether there was one."""
        if not self._files.release_reserve():
            return False
        _log.warning("the journal's reserve was given up to write what must be written")
        return True

    def _rollback(self) -> None:
        if self._store is not None and self._store.connection.in_transaction:
            try:
                self._store.connection.execute("ROLLBACK")
                self._store.id = self._store.get_meta("id")  # it may just have been given another
            except sqlite3.Error:
                self._disconnect()

    def _disconnect(self) -> None:
        if self._store is not None:
            try:
                self._store.connection.close()
            except sqlite3.Error as error:
                _log.warning("closing the journal failed", extra={"reason": str(error)})
            self._store = None

    def _close(self) -> None:
        if self._store is not None:
            try:
                crash_point("appliance.journal.close.before")
                self._store.put_meta("run", f"clean {self._boot_id}")
                self._store.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
                crash_point("appliance.journal.close.after")
            except sqlite3.Error as error:
                _log.warning("the journal could not be closed in order", extra={"reason": str(error)})
            self._disconnect()
        self._trouble = "the journal is closed"
        self._publish()

    def _refused_by_disk(self, raw: sqlite3.Error, error: JournalError) -> None:
        self._failed = True
        if getattr(raw, "sqlite_errorcode", 0) & 0xFF != sqlite3.SQLITE_FULL:
            self._disconnect()  # after an I/O error only a new connection knows what is on the disk
        self._set_trouble(f"the disk does not take writes: {error}")

    def _set_trouble(self, trouble: str) -> None:
        if trouble != self._trouble:
            if trouble:
                _log.error("the journal takes nothing new", extra={"reason": trouble})
            elif self._trouble != "the journal is not open":
                _log.info("the journal takes operations again", extra={"was": self._trouble})
            self._trouble = trouble
        self._publish()

    def _publish(self) -> None:
        done, events = self._counts
        identity = self._store.id if self._store else self.facts.id
        self.facts = Facts(
            identity, done, events, self._used, self._trouble, tuple(self._saved.notices), self._previous
        )  # fmt: skip

    def _fail(self, group: list[Job], error: Exception) -> None:
        for job in group:
            if not job.future.done() and job.future.set_running_or_notify_cancel():
                job.future.set_exception(error)
