"""Updates within the running appliance: looks for new versions, fetches them, and steps aside for them.

Two tasks. One looks, about once an hour or when a person asks (`now`), and fetches. The other turns once a second: it
watches over a trial, sees what root has laid ready, and ends the run when another is to begin, which it may only during
a standstill of the journal. What becomes a version is root's to say (`apply.py`), and which one runs the launcher's.
"""

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Protocol

import msgspec

from appliance.cancelled import cancelled
from appliance.health.metrics import Metrics
from appliance.journal import Journal, StorageError
from appliance.updates import putoff, switch
from appliance.updates.choose import Choice, choose
from appliance.updates.download import fetch, tidy
from appliance.updates.files import (
    BASELINE,
    GOOD,
    KEPT,
    NOW,
    READY,
    RESTART,
    RUNNING,
    STATUS,
    TRIAL,
    Running,
    UpdateFiles,
    read_plain,
)
from appliance.updates.places import APPLIED, FROM_UPDATE, Applied, found, is_newer, version_of
from appliance.updates.plan import Plan, Status
from appliance.updates.source import SourceError, load_keys, open_source
from appliance.updates.trial import Baseline, Seen, Trial, Watching, as_it_is, lacking
from wire.crashpoint import crash_point
from wire.release import Release, Rollout, is_open, parse_window, version_key

STANDSTILL_S = 60.0
_RETRY_MAX_S = 3600.0
_READY_AGAIN_S = 600.0
# So long a switch that nobody asked for waits for the hub to be reached: a trial without it would prove little. Longer
# not, since what is to come may be what mends that.
_HUB_WITHIN_S = 86400.0
# So long a version that failed waits for works that do not end and for what is in doubt: it may be why.
GO_BACK_WITHIN_S = 900.0

_log = logging.getLogger(__name__)


class Work(Protocol):
    """The operations, as far as updates care."""

    def hold(self) -> bool:
        """Begin nothing new, if there is nothing now; whether that is so."""

    def release(self) -> None:
        """Go on."""


class Updates:
    """`start` it when all else runs; `end` is called once, when another run is to begin."""

    def __init__(
        self, plan: Plan, *, journal: Journal, work: Work, seen: Callable[[], Seen], end: Callable[[], None],
        note: Callable[[str, dict[str, Any]], Awaitable[None]], metrics: Metrics,
        wall: Callable[[], float] = time.time, steady: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self._plan = plan
        self._files = UpdateFiles(plan.state_dir)
        self._journal, self._work, self._seen, self._end, self._note = journal, work, seen, end, note
        self._metrics = metrics
        self._wall, self._steady = wall, steady
        self._tasks: list[asyncio.Task[None]] = []
        self._wake = asyncio.Event()
        self._trial: Trial | None = None
        self._trial_looked = float("-inf")
        self._going_back = ""  # why
        self._back_since = 0.0
        self._began = steady()
        self._hub_seen = self._began  # or the beginning
        self._watching = Watching(None)
        self._choice = Choice()
        self._rollout: Rollout | None = None
        self._installed = ""
        self._applied_seen: bytes = b""
        self._ready_at = float("-inf")  # when root was asked last
        self._fetched: Release | None = None  # what root was given last
        self._refused: Release | None = None  # and has refused
        self._asked_for_now = False
        self._asked_for = ""  # a version that lies here, and that a person wants now
        self._again_at = float("-inf")
        self._ending = False
        self._status = Status(version=plan.version, boot_id=plan.boot_id, mode=plan.mode, origin=plan.origin)
        metrics.watch("update_on_trial", "Whether this version has yet to prove itself", lambda: float(self.on_trial))

    @property
    def on_trial(self) -> bool:
        """Whether this version has yet to prove itself."""
        return self._trial is not None

    @property
    def status(self) -> Status:
        """How things stand."""
        return self._status

    def describe(self) -> dict[str, Any]:
        """The part of the health page."""
        found: dict[str, Any] = msgspec.to_builtins(self._status)
        for name in ("version", "boot_id"):
            del found[name]
        return found

    async def start(self) -> None:
        """Begin. A directory that cannot be written is no reason not to run."""
        try:
            await asyncio.to_thread(self._begin)
        except OSError as error:
            _log.error("updates have no place to write", extra={"reason": error.strerror})
            self._say(f"STATE_DIR/updates cannot be written: {error.strerror}", failed=True)
        if self._plan.origin == FROM_UPDATE and self._files.version(GOOD) != self._plan.version:
            self._trial = Trial(self._steady(), self._plan.trial_s)
            self._set(on_trial=True, words="on trial")
        else:
            self._watching = Watching(self._files.load(BASELINE, Baseline))
        await self._tell_bad()
        self._tasks = [
            asyncio.create_task(self._look_forever(), name="updates-look"),
            asyncio.create_task(self._tend_forever(), name="updates-tend"),
        ]

    async def stop(self) -> None:
        """End both tasks; a download goes on from where it was."""
        await cancelled(*self._tasks)

    def _begin(self) -> None:
        self._files.make()
        self._files.remove(RESTART)  # of an earlier run: this is the restart
        if self._files.version(GOOD) == self._plan.version == self._files.word(TRIAL):
            self._files.remove(TRIAL)  # the power failed between the two
        self._files.save(
            RUNNING, Running(version=self._plan.version, boot_id=self._plan.boot_id, origin=self._plan.origin)
        )

    # Looking

    async def _look_forever(self) -> None:
        plan = self._plan
        delay = random.uniform(*plan.first_look_s)  # noqa: S311 - so that not all kiosks come at once
        retry = plan.retry_s
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(delay if plan.mode != "off" else None):
                    await self._wake.wait()
            self._wake.clear()
            at_once = self._asked_for_now
            try:
                await self._look(at_once)
                delay, retry = plan.look_every_s * random.uniform(0.9, 1.1), plan.retry_s  # noqa: S311
            except SourceError as error:
                self._trouble("bad" if error.bad else "line", str(error))
                if error.got_on:
                    retry = plan.retry_s
                delay = retry * random.uniform(0.8, 1.2)  # noqa: S311
                retry = min(retry * 2, _RETRY_MAX_S)
                if at_once:
                    await self._now_is_over()
            except Exception as error:  # the task must outlive any mistake of ours
                _log.exception("looking for a new version failed")
                self._trouble("bad", f"{type(error).__name__}: {error}")
                delay = plan.look_every_s
                if at_once:
                    await self._now_is_over()

    async def _look(self, at_once: bool) -> None:
        """Ask what there is, and fetch it if it is for us. Raises `SourceError`."""
        plan = self._plan
        where = plan.where()
        if where is None:
            raise SourceError("there is neither a hub nor UPDATE_URL to look at")
        self._say("looking for a new version")
        keys = await asyncio.to_thread(load_keys, plan.keys_file)
        async with open_source(where) as source:
            kept = await asyncio.to_thread(self._files.kept)
            before = kept.serials.get(where.channel, 0)
            manifest = await source.manifest(keys, before)
            if manifest.serial > before:
                await asyncio.to_thread(self._remember, where.channel, manifest.serial)
            rollout = await source.rollout()
            bad = frozenset(await asyncio.to_thread(self._files.bad))
            # Both at once: by the window of the one and the choice before it, what is paused would be begun.
            self._rollout = rollout
            self._choice = choice = choose(
                manifest, rollout, running=plan.version, target=plan.target, kiosk_id=plan.kiosk_id(), bad=bad,
                at_once=at_once,
            )  # fmt: skip
            release = choice.release
            self._set(
                channel=where.channel, checked_at=self._wall(), offered=choice.offered,
                chosen=release.version if release else "",
            )  # fmt: skip
            if release is None:
                self._say(choice.words)
                await self._now_is_over()
                return
            if plan.mode != "auto" and not at_once:
                self._say(f"{release.version} can be had: kioskwire-appliance update now")
                await self._tell_available(release.version)
                return
            if self.on_trial:
                self._say(f"{release.version} waits until {plan.version} has proved itself", failed=at_once)
                await self._now_is_over()
                return
            if release == self._refused and not at_once:
                return  # and what was said of it stands
            if release.version in await asyncio.to_thread(lambda: list(found(plan.places.versions))):
                self._say(f"{release.version} lies ready")
                return
            try:
                if version_of(release.file) != release.version:
                    raise ValueError("another version stands in it")
            except ValueError as error:
                raise SourceError(f"{release.file} is no name of {release.version}: {error}", bad=True) from None
            self._say(f"fetching {release.version}")
            await fetch(
                source, release, self._files.downloads, keys, min_free_bytes=plan.min_free_bytes,
                progress=lambda there, size: self._say(f"fetching {release.version}: {there * 100 // size} %"),
            )  # fmt: skip
        self._fetched = release
        await self._ask_root(release.file)

    def _remember(self, channel: str, serial: int) -> None:
        """Before anything of it is believed: what is older is not taken any more. Raises `SourceError`."""
        kept = self._files.kept()
        crash_point("appliance.updates.serial.before")
        try:
            self._files.save(KEPT, msgspec.structs.replace(kept, serials={**kept.serials, channel: serial}))
        except OSError as error:
            raise SourceError(f"STATE_DIR/updates cannot be written: {error.strerror}") from error
        crash_point("appliance.updates.serial.after")

    async def _ask_root(self, file: str) -> None:
        """Have the path unit see that there is something. Raises `SourceError`."""
        crash_point("appliance.updates.ready.before")
        self._ready_at = self._steady()  # before it can be seen
        try:
            await asyncio.to_thread(self._files.write, READY, file)
        except OSError as error:
            raise SourceError(f"STATE_DIR/updates cannot be written: {error.strerror}") from error
        crash_point("appliance.updates.ready.after")
        self._say(f"{version_of(file)} is fetched and verified; kioskwire-update.service is to unpack and try it")

    # Tending

    async def _tend_forever(self) -> None:
        while True:
            try:
                await self._tend()
            except Exception:  # the task must outlive any mistake of ours
                _log.exception("tending updates failed")
                if not self._ending:
                    await self._go_on()  # whatever was to be begun is not held up by it
            await asyncio.sleep(self._plan.tick_s)

    async def _tend(self) -> None:
        now = self._steady()
        if self._ending:
            await self._notice_answer(now)  # it may come after what it is about was seen, and has begun the end
            return
        await self._notice_wishes()
        if self._trial is not None:
            await self._look_at_trial(self._trial, now)
        elif self._watching.look(now, self._wall(), self._plan.version, self._seen()):
            with contextlib.suppress(OSError):
                await asyncio.to_thread(self._files.save, BASELINE, self._watching.baseline)
        if self._seen().connected:
            self._hub_seen = now
        if self._trial is None:
            with contextlib.suppress(OSError):
                await self._look_at_put_off(now)
        await self._notice_answer(now)
        await self._notice_installed()
        await self._maybe_end(now)
        await asyncio.to_thread(self._show)

    async def _notice_wishes(self) -> None:
        asked = await asyncio.to_thread(self._files.exists, NOW)
        self._asked_for = await asyncio.to_thread(self._files.version, NOW) if asked else ""
        asked = asked and not self._asked_for
        if asked and not self._asked_for_now:
            self._wake.set()
        self._asked_for_now = asked

    async def _look_at_trial(self, trial: Trial, now: float) -> None:
        if self._going_back or now - self._trial_looked < self._plan.look_at_trial_s:
            return
        self._trial_looked = now
        proved = trial.look(now, lacking(self._files.load(BASELINE, Baseline), self._seen()))
        self._set(lacking=trial.lacking)
        if proved is None:
            return
        version = self._plan.version
        reason = f"it did not prove itself within {self._plan.trial_s:g} s: {'; '.join(trial.lacking)}"
        try:
            if proved:
                await asyncio.to_thread(switch.prove, self._files, version)
                self._trial = None
                self._watching = Watching(self._files.load(BASELINE, Baseline))
                self._say(f"{version} has proved itself")
                _log.info("this version has proved itself", extra={"version": version, "took_s": trial.took(now)})
                await self._note("update-confirmed", {"version": version, "took_s": round(trial.took(now), 1)})
                return
            if putoff.is_hub_alone(trial.lacking):
                before = await asyncio.to_thread(self._files.put_off)
                how = putoff.again(before.get(version), self._wall())
                await asyncio.to_thread(switch.put_off, self._files, version, how)
                await self._note("update-put-off", {"version": version, "reason": reason, "tries": how.tries})
            else:
                await asyncio.to_thread(switch.give_up, self._files, version, reason)
        except OSError as error:
            self._trouble("disk", f"STATE_DIR/updates cannot be written: {error.strerror}")
            if proved:
                return
        self._going_back, self._back_since = reason, now
        _log.error("this version has not proved itself; the last good one is to run", extra={
            "version": version, "lacking": trial.lacking,
        })  # fmt: skip

    async def _look_at_put_off(self, now: float) -> None:
        """Say of versions with which the hub was not reached whether it is with this one. Raises OSError."""
        put_off = await asyncio.to_thread(self._files.put_off)
        for version, how in put_off.items():
            if how.judged or version == self._plan.version:
                continue
            connected, runs_s = self._seen().connected, now - self._began
            judged = putoff.judge(how, self._wall(), runs_s, connected, self._plan.trial_s)
            if judged is None:
                continue
            if judged.counts >= putoff.COUNT_MAX:
                words = f"the hub was not reached with it, and was with {self._plan.version}, {judged.counts} times"
                await asyncio.to_thread(switch.give_up, self._files, version, words)
                await asyncio.to_thread(self._files.save_put_off, version, None)
                await self._tell_bad()
                continue
            await asyncio.to_thread(self._files.save_put_off, version, judged)
            at_fault = "it is with this one" if judged.counts > how.counts else "nor is it with this one"
            self._say(f"the hub was not reached with {version}, {at_fault}; it is tried again later", failed=True)
            _log.warning("a version is put off", extra={
                "version": version, "tries": judged.tries, "counts": judged.counts, "reason": at_fault,
            })  # fmt: skip
        self._set(put_off={
            each: putoff.due_at(how) if how.judged else 0.0 for each, how in put_off.items()
        })  # fmt: skip

    async def _notice_answer(self, now: float) -> None:
        """What root says of what it was given, or that it says nothing."""
        plan = self._plan
        data = await asyncio.to_thread(read_plain, plan.places.app / APPLIED)
        ready = await asyncio.to_thread(self._files.word, READY)
        if data != self._applied_seen:
            self._applied_seen = data
            with contextlib.suppress(msgspec.MsgspecError):
                applied = msgspec.json.decode(data, type=Applied)
                if applied.file == ready and not applied.ok:
                    self._refused = self._fetched
                    self._trouble("refused", f"{applied.file} was refused: {applied.words}")
                    await self._now_is_over()
                if applied.file == ready:
                    await asyncio.to_thread(self._done_with_ready)
        elif ready:
            if now - max(self._ready_at, self._began) > plan.root_within_s and self._asked_for_now:
                self._trouble(
                    "refused", "kioskwire-update.service does not unpack it; is kioskwire-update.path active?"
                )
                await self._now_is_over()
            if now - self._ready_at > _READY_AGAIN_S:  # the power may have failed before root got to it
                with contextlib.suppress(SourceError, ValueError):
                    await self._ask_root(ready)

    async def _notice_installed(self) -> None:
        """What lies there now."""
        plan = self._plan
        bad = await asyncio.to_thread(self._files.bad)
        there = await asyncio.to_thread(lambda: list(found(plan.places.versions)))
        newer = [each for each in there if is_newer(each, plan.version) and each not in bad]
        self._installed = max(newer, key=version_key, default="")
        self._set(installed=self._installed, bad=bad, good=await asyncio.to_thread(self._files.version, GOOD))

    def _done_with_ready(self) -> None:
        with contextlib.suppress(OSError):
            self._files.remove(READY)
            tidy(self._files.downloads)

    # Ending this run

    async def _maybe_end(self, now: float) -> None:
        if now < self._again_at:
            return
        if self._going_back:
            if await self._stand_still(anyway=True, patient=now - self._back_since < GO_BACK_WITHIN_S):
                self._finish("the last good version is to run")
        elif await asyncio.to_thread(self._files.exists, RESTART):
            if await self._stand_still():
                with contextlib.suppress(OSError):
                    await asyncio.to_thread(self._files.remove, RESTART)
                self._finish("a restart was asked for")
        elif self._is_to_switch():
            if closed := await self._closed(now):
                self._set(waits=[closed])
            elif await self._stand_still():
                await self._step_aside(self._installed)
        else:
            self._set(waits=[])

    def _is_to_switch(self) -> bool:
        """Whether this run is to step aside for what is installed, as soon as it may."""
        plan, version = self._plan, self._installed
        if not version or not plan.origin or self._trial is not None:
            return False
        if self._asked_for:
            return self._asked_for == version
        if self._asked_for_now:
            return self._choice.release is None or self._choice.release.version == version
        return plan.mode == "auto" and self._choice.release is not None and self._choice.release.version == version

    async def _closed(self, now: float) -> str:
        """Why it is not yet time to switch, in words; empty: it is. To a person's wish no window is closed."""
        if self._asked_for or self._asked_for_now:
            return ""
        put_off = (await asyncio.to_thread(self._files.put_off)).get(self._installed)
        if put_off is not None and not putoff.is_due(put_off, self._wall()):
            return f"{self._installed} is put off: the hub was not reached with it"
        if not self._seen().connected and now - self._hub_seen < _HUB_WITHIN_S:
            return f"the hub is not reached now, so it could not be told whether {self._installed} reaches it"
        window = self._rollout.window if self._rollout and self._rollout.window else self._plan.window
        local = datetime.fromtimestamp(self._wall()).astimezone()
        return "" if is_open(parse_window(window), local.hour * 60 + local.minute) else f"it is not yet {window}"

    async def _stand_still(self, *, anyway: bool = False, patient: bool = True) -> bool:
        """Whether nothing moves, nor will. `anyway`: a journal that cannot be used is no hindrance.

        Not `patient`: nor is what only the journal knows of, which every start takes up; what is at work now, always.
        """
        waits = ["operations are under way"]
        if self._work.hold():
            try:
                waits = await self._journal.stand_still(STANDSTILL_S)
            except StorageError as error:
                waits = [] if anyway else [str(error)]
            if waits and not patient:
                _log.error("the last good version takes up what this one does not bring to its end", extra={
                    "waits": waits,
                })  # fmt: skip
                waits = []
            if waits:
                self._work.release()
        if waits:
            self._again_at = self._steady() + self._plan.ask_again_s
        self._set(waits=waits)
        return not waits

    async def _step_aside(self, version: str) -> None:
        plan = self._plan
        baseline = as_it_is(plan.version, self._wall(), self._seen())
        self._set(switching_to=version)
        await asyncio.to_thread(self._show)  # before the wish of a person is struck out: whoever follows sees either
        try:
            await asyncio.to_thread(switch.step_aside, self._files, version, baseline)
        except OSError as error:
            self._trouble("disk", f"STATE_DIR/updates cannot be written: {error.strerror}")
            self._again_at = self._steady() + plan.retry_s
            self._set(switching_to="")
            await self._go_on()
            return
        await self._note("update-installed", {"from": plan.version, "to": version})
        self._finish(f"{version} is to run")

    async def _go_on(self) -> None:
        """No standstill any more: what came meanwhile is begun."""
        self._work.release()
        with contextlib.suppress(StorageError):
            await self._journal.go_on()

    def _finish(self, words: str) -> None:
        _log.info("this run ends", extra={"reason": words})
        self._say(words)
        self._show()
        self._ending = True
        # Should the end take longer than the standstill, it is none any more.
        asyncio.get_running_loop().call_later(STANDSTILL_S, self._work.release)
        self._end()

    # Telling

    async def _tell_available(self, version: str) -> None:
        kept = await asyncio.to_thread(self._files.kept)
        if kept.told_available != version:
            await self._note("update-available", {"version": version, "running": self._plan.version})
            with contextlib.suppress(OSError):
                await asyncio.to_thread(
                    self._files.save, KEPT, msgspec.structs.replace(kept, told_available=version)
                )  # fmt: skip

    async def _tell_bad(self) -> None:
        """Tell of versions that failed, whoever found out: the launcher can tell nobody."""
        kept, bad = await asyncio.to_thread(self._files.kept), await asyncio.to_thread(self._files.bad)
        for version, reason in bad.items():
            if version not in kept.told_bad and version != self._plan.version:
                _log.error("a version failed and is not tried again", extra={"version": version, "reason": reason})
                self._say(f"{version} failed and is not tried again: {reason}", failed=True)
                await self._note("update-failed", {"version": version, "reason": reason, "running": self._plan.version})
                kept = msgspec.structs.replace(kept, told_bad=[*kept.told_bad, version])
                with contextlib.suppress(OSError):
                    await asyncio.to_thread(self._files.save, KEPT, kept)

    async def _now_is_over(self) -> None:
        """What a person asked for is done, or cannot be done."""
        await asyncio.to_thread(self._show)
        with contextlib.suppress(OSError):
            await asyncio.to_thread(self._files.remove, NOW)
        self._asked_for_now = False

    def _trouble(self, kind: str, words: str) -> None:
        self._metrics.update_troubles.labels(kind).inc()
        if words != self._status.words:
            _log.warning("an update does not come about", extra={"kind": kind, "reason": words})
        self._say(words, failed=True)

    def _say(self, words: str, *, failed: bool = False) -> None:
        self._set(words=words, failed=failed)

    def _set(self, **facts: Any) -> None:
        self._status = msgspec.structs.replace(self._status, **facts)

    def _show(self) -> None:
        self._set(on_trial=self.on_trial)
        with contextlib.suppress(OSError):
            if self._files.load(STATUS, Status) != self._status:
                self._files.save(STATUS, self._status)
