"""What a person is told, from facts: the verdict first, and never that all is well where that is not known."""

from typing import Any

import pytest

import hardware.ssp.events as ssp
from appliance.health.advice import DeviceFacts, Facts, Severity, advise
from appliance.health.causes import Cause, find_cause
from appliance.levels.marks import Level
from appliance.network.steps import Look, State, Step
from hardware.atol import states as atol
from hardware.ccnet import states as ccnet
from hardware.cctalk import states as cctalk
from hardware.escpos import states as escpos
from hardware.events import DeviceState as S
from hardware.id003 import states as id003
from hardware.shtrih import states as shtrih


def bills(**fields: Any) -> DeviceFacts:
    return DeviceFacts(**{"name": "bills", "role": "bill validator", "state": S.READY, **fields})


def facts(*devices: DeviceFacts, **fields: Any) -> Facts:
    return Facts(**{"uptime": 3600.0, "devices": devices, **fields})


def keys(given: Facts) -> list[str]:
    return [advice.key for advice in advise(given)]


def failed(finding: str, step: Step = Step.REACH) -> Look:
    return Look(step=step, state=State.FAILED, finding=finding, fields={"offset": 10800.0})


def test_all_is_well() -> None:
    (advice,) = advise(facts(bills()))
    assert (advice.key, advice.severity) == ("well", Severity.GOOD)


@pytest.mark.parametrize(
    ("given", "verdict"),
    [
        (facts(bills(state=S.ABSENT, late=False)), "unknown"),
        (facts(bills(state=S.STARTING), uptime=3.0), "starting"),
        (facts(bills(state=S.STARTING)), "device.starting"),
        (facts(bills(state=S.STARTING), connected=False, down_for=3.0), "unknown"),
        (facts(connected=False, uptime=3.0, down_for=3.0), "starting"),
        (facts(connected=False, down_for=3.0), "unknown"),
        (facts(routes=0), "nothing-set-up"),
    ],
)
def test_what_is_not_known_is_never_well(given: Facts, verdict: str) -> None:
    assert keys(given)[0] == verdict
    assert "well" not in keys(given)


@pytest.mark.parametrize(
    ("given", "verdict"),
    [
        (facts(journal_trouble="the disk is full"), "journal"),
        (facts(enrolment="not-enrolled", connected=False), "enrol.not-enrolled"),
        (facts(enrolment="locked-out", connected=False), "enrol.locked-out"),
        (facts(enrolment="waiting", stuck=True, connected=False), "enrol.stuck"),
        (facts(connected=False, down_for=90.0), "link.lost"),
        (facts(connected=False, down_for=90.0, walked=True), "link.refuses"),
        (facts(connected=False, down_for=90.0, walked=True, failed=failed("reach.refused")), "net.reach.refused"),
        (
            facts(connected=False, down_for=90.0, walked=True, failed=failed("clock.behind", Step.CLOCK)),
            "net.clock.behind",
        ),
        (facts(bills(), clock_offset=10800.0), "net.clock.behind"),
        (facts(bills(), clock_offset=-10800.0), "net.clock.ahead"),
        (facts(bills(state=S.FAULT, words="a note is stuck in the validator")), "device.jam.bill"),
        (facts(bills(state=S.ABSENT)), "device.absent"),
        (facts(bills(in_service=False)), "device.ordered"),
        (facts(bills(in_service=False, order="repair")), "device.ordered-why"),
        (facts(bills(circuit_open=True)), "device.failing"),
        (facts(bills(level=Level.NEAR_FULL)), "level.near-full"),
        (facts(bills(), in_doubt=1), "in-doubt"),
        (facts(bills(), disk_low=True), "disk-low"),
        (facts(bills(), routes_mistakes=("x",)), "routes-wrong"),
        (facts(bills(), loop_lag=3.0), "slow"),
    ],
)
def test_the_verdict(given: Facts, verdict: str) -> None:
    assert keys(given)[0] == verdict


def test_the_graver_comes_first_and_the_rest_follows() -> None:
    printer = DeviceFacts(
        name="printer", role="receipt printer", state=S.FAULT, words="the paper is out: put in a roll"
    )
    register = DeviceFacts(name="kkt", role="fiscal register", state=S.FAULT, words="no paper")
    given = facts(printer, register, bills(level=Level.NEAR_FULL), connected=False, down_for=60.0, clock_offset=7200.0)
    assert keys(given) == ["link.lost", "device.paper-out", "device.paper-out", "net.clock.behind", "level.near-full"]
    assert [advice.device for advice in advise(given)][1:3] == ["kkt", "printer"]


def test_a_small_remark_does_not_hide_that_all_is_well() -> None:
    assert keys(facts(bills(), changes_wait=("x",))) == ["well", "changes-wait"]


def test_a_short_drop_is_no_alarm() -> None:
    assert advise(facts(bills(), connected=False, down_for=5.0))[0].severity is Severity.INFO


def test_what_a_wrong_clock_stops_is_said_once() -> None:
    given = facts(
        connected=False, down_for=90.0, walked=True, failed=failed("clock.behind", Step.CLOCK), clock_offset=10800.0
    )  # fmt: skip
    assert keys(given) == ["net.clock.behind"]
    assert advise(given)[0].severity is Severity.BAD


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        (ccnet.STATE_WORDS[ccnet.State.CASSETTE_FULL], Cause.CASSETTE_FULL),
        (ccnet.STATE_WORDS[ccnet.State.CASSETTE_OUT], Cause.CASSETTE_OUT),
        (ccnet.STATE_WORDS[ccnet.State.VALIDATOR_JAMMED], Cause.JAM),
        (ccnet.STATE_WORDS[ccnet.State.CASSETTE_JAMMED], Cause.JAM),
        (ccnet.STATE_WORDS[ccnet.State.CHEATED], Cause.CHEATED),
        (ccnet.FAILURE_WORDS[ccnet.Failure.OPTIC_CHANNEL], Cause.DIRTY),
        (ccnet.FAILURE_WORDS[ccnet.Failure.MEMORY_STICK], Cause.BROKEN),
        (id003.WORDS[id003.Status.STACKER_FULL], Cause.CASSETTE_FULL),
        (id003.WORDS[id003.Status.STACKER_OPEN], Cause.CASSETTE_OUT),
        (id003.WORDS[id003.Status.JAM_IN_ACCEPTOR], Cause.JAM),
        (id003.WORDS[id003.Status.CHEATED], Cause.CHEATED),
        (escpos.WORDS[escpos.Trouble.PAPER_OUT], Cause.PAPER_OUT),
        (escpos.WORDS[escpos.Trouble.COVER_OPEN], Cause.COVER_OPEN),
        (escpos.WORDS[escpos.Trouble.CUTTER], Cause.CUTTER),
        (escpos.WORDS[escpos.Trouble.HEAD_HOT], Cause.HOT),
        (escpos.WORDS[escpos.Trouble.WAITING], Cause.FEED_BUTTON),
        (escpos.ABSENT_WORDS, Cause.NOT_CONNECTED),
        (atol.REMEDIES[atol.Code.NO_PAPER], Cause.PAPER_OUT),
        (atol.REMEDIES[atol.Code.COVER_OPENED], Cause.COVER_OPEN),
        (atol.REMEDIES[atol.Code.SHIFT_EXPIRED], Cause.SHIFT_OLD),
        (atol.REMEDIES[atol.Code.OFD_LATE], Cause.UNSENT),
        (atol.REMEDIES[atol.Code.FN_OVERFLOW], Cause.STORAGE),
        (atol.REMEDIES[atol.Code.NO_CONNECTION], Cause.NOT_CONNECTED),
        (atol.REMEDIES[atol.Code.NOT_AUTHORISED], Cause.SETTINGS),
        (shtrih.mode_words(shtrih.Mode.SHIFT_EXPIRED, 0), Cause.SHIFT_OLD),
        (shtrih.SUBMODE_WORDS[shtrih.Submode.NO_PAPER], Cause.PAPER_OUT),
        (shtrih.error_words(0x15), Cause.UNSENT),
        (shtrih.error_words(0x17), Cause.REGISTER_CLOCK),
        (cctalk.BILL_EVENTS[cctalk.BillEvent.STACKER_REMOVED], Cause.CASSETTE_OUT),
        (cctalk.BILL_EVENTS[cctalk.BillEvent.STACKER_FULL], Cause.CASSETTE_FULL),
        (cctalk.BILL_EVENTS[cctalk.BillEvent.JAM_SAFE], Cause.JAM),
        (cctalk.hopper_words(1 << 1), Cause.HOPPER_EMPTY),
        (cctalk.hopper_words(1 << 0), Cause.JAM),
        (cctalk.hopper_words(1 << 15), Cause.SETTINGS),
        ("something nobody has ever said", Cause.BROKEN),
    ],
)
def test_drivers_words_come_to_a_cause(words: str, cause: Cause) -> None:
    assert find_cause(words) is cause


def test_faults_of_ssp_come_to_a_cause() -> None:
    found = {kind.name: find_cause(kind.words) for kind in ssp.KINDS.values()}
    assert found[ssp.Code.SAFE_JAM] is found[ssp.Code.UNSAFE_JAM] is Cause.JAM
    assert found[ssp.Code.FULL] is Cause.CASSETTE_FULL
    assert found[ssp.Code.FRAUD] is Cause.CHEATED
    assert found[ssp.Code.CASHBOX_REMOVED] is Cause.CASSETTE_OUT
