"""Observe, decide, act; until there is nothing to do. There is no recovery code.

An ``Updater`` lives from one start of the MCU to the next. It keeps nothing in RAM but what the
module has said since that start; the journals are read again before every step. So an upgrade
that was cut goes on by the ordinary start.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from contextlib import suppress
from dataclasses import replace

from mcu_updater.core.admission import ADMIT_ALL, Admission
from mcu_updater.core.bank import Bank
from mcu_updater.core.decide import Module, Observed, Step, decide, judge
from mcu_updater.core.download import Download
from mcu_updater.core.errors import (
    ImageRejected,
    InternalError,
    ModuleRefused,
    Remedy,
    VerificationFailed,
)
from mcu_updater.core.events import (
    Decided,
    Event,
    JournalWritten,
    ModuleTold,
    Problem,
    Resumed,
    SelfTested,
)
from mcu_updater.core.image_version import NO_FLOOR, SecurityVersion, highest
from mcu_updater.core.journal import (
    IN_PROGRESS,
    JournalState,
    Phase,
    Reason,
    Record,
    Snapshot,
)
from mcu_updater.core.journals import JournalSession
from mcu_updater.core.module_state import ModuleTracker
from mcu_updater.core.ota import OtaModule, PlanOffered
from mcu_updater.core.session import Policy, Result, SessionOutcome, result_of
from mcu_updater.core.trust import Trust

NO_KEY = "this device has confirmed a signed image, and is given no key to check one by"

FLASH_ONLY = frozenset({Step.SELF_TEST, Step.RENEW_ACTIVE, Step.RENEW_INACTIVE, Step.LEAVE})
"""Steps that must not wait for a module that may not be there."""


class Updater:
    """The application side of the updater, running from *active*; *inactive* is free to write.

    *self_test* is the hook that a trial image runs before it is confirmed; *admission* may refuse
    plans and packages that fit this device otherwise; *trust* says who may sign images, None that
    they need not be signed.
    """

    def __init__(
        self,
        active: Bank,
        inactive: Bank,
        module: OtaModule,
        policy: Policy,
        self_test: Callable[[], bool],
        admission: Admission = ADMIT_ALL,
        trust: Trust | None = None,
    ) -> None:
        self._trust = trust
        self._active = active
        self._inactive = inactive
        self._link = module
        self._policy = policy
        self._self_test = self_test
        self._admission = admission
        self._journals = JournalSession()
        self._heard = ModuleTracker(
            module,
            lambda: self._journals.read(inactive).snapshot,
            policy.component,
            policy.module_components,
            plan_once=policy.plan_once,
        )
        self._download = Download(
            inactive,
            active,
            module,
            self._heard,
            self._journals,
            policy.read_size,
            policy.base,
            policy.part,
            admission,
            trust,
        )
        self._read = (
            JournalState(),
            JournalState(),
        )  # of the active and the inactive slot, for this step
        self._connected = False
        self._asked = 0
        self._asked_again = 0
        self._result: Result | None = None
        self._act: dict[Step, Callable[[], Iterator[Event]]] = {
            Step.SELF_TEST: self._do_self_test,
            Step.RENEW_ACTIVE: self._do_renew_active,
            Step.RENEW_INACTIVE: self._do_renew_inactive,
            Step.LEAVE: self._do_leave,
            Step.REPORT: self._do_report,
            Step.END_UPGRADE: self._do_end_upgrade,
            Step.ASK: self._do_ask,
            Step.ASK_AGAIN: self._do_ask_again,
            Step.AWAIT: self._do_await,
            Step.ANSWER: self._do_answer,
            Step.PROBE: self._do_probe,
            Step.NOTE_PACKAGE: self._download.note_package,
            Step.START_OVER: self._download.start_over,
            Step.LOAD: self._download.load,
            Step.NEXT_PIECE: self._download.next_piece,
            Step.ANNOUNCE: self._do_announce,
            Step.SWITCH: self._do_switch,
            Step.FINISH: self._do_finish,
        }

    def run(self) -> Iterator[Event]:
        """Yield what happens; afterwards ``result`` says how it ended.

        Raises LinkError and PortError when the module cannot be reached, and VerificationFailed
        when a trailer does not take the journal. Whatever happens, the active slot is untouched.
        """
        while self._result is None:
            observed = self._observe()
            step = decide(observed)
            yield Decided(step.name, observed.active.name, observed.inactive.name, observed.module)
            if step not in FLASH_ONLY and not self._connected:
                self._link.connect()
                self._connected = True
            yield from self._act[step]()

    def memory(self) -> Hashable:
        """All in RAM that decides what comes next.

        Meant for the moments at which ``run`` yields Decided, or Progress of a sector. Two runs
        that are equal in this, and in flash, running bank, module, policy and self-test, go on
        alike, event for event and operation for operation.
        """
        return (
            self._connected,
            self._asked,
            self._asked_again,
            self._link.memory(),
            self._heard.memory(),
            self._journals.memory(),
            self._download.memory(),
        )

    @property
    def result(self) -> Result:
        if self._result is None:
            raise InternalError("the session has not ended")
        return self._result

    # --- observe

    def _observe(self) -> Observed:
        """Look at both journals: what this step is decided and done by."""
        self._read = self._journals.read(self._active), self._journals.read(self._inactive)
        active, inactive = self._read
        return Observed(
            active.phase,
            inactive.phase,
            self._journals.is_renewed(self._active, active),
            self._journals.is_renewed(self._inactive, inactive),
            self._heard.module,
        )

    # --- the trial, and what a reset may have left

    def _do_self_test(self) -> Iterator[Event]:
        reading, _ = self._read
        passed = self._self_test()
        yield SelfTested(passed)
        if reading.snapshot is None:
            raise InternalError("a trial without a journal")
        if passed:
            # one header says both: there is no moment between confirmation and rollback floor
            floor = reading.snapshot.floor.raised(reading.snapshot.security_version)
            confirmed = replace(reading.snapshot, phase=Phase.CONFIRMED, floor=floor)
            yield from self._journals.write(self._active, confirmed, "the trial passed")
            return
        failed = replace(reading.snapshot, phase=Phase.FAILED, reason=Reason.SELF_TEST)
        yield from self._journals.write(self._active, failed, "the self-test failed")
        self._result = Result(SessionOutcome.RESET)

    def _do_renew_active(self) -> Iterator[Event]:
        yield from self._renew(self._active, self._read[0])

    def _do_leave(self) -> Iterator[Event]:
        yield from ()
        self._result = Result(SessionOutcome.RESET)

    def _do_renew_inactive(self) -> Iterator[Event]:
        _, reading = self._read
        if reading.phase is Phase.TRIAL:  # and yet the other bank runs
            reading = replace(reading, switched=False, failed=reading.attempts > 0)
        if self._trust is not None and reading.phase is Phase.VERIFIED:
            reading = _if_signed(reading)
        yield from self._renew(self._inactive, reading)
        if reading.phase is Phase.LOADING:
            start = self._journals.current(self._inactive).piece_start
            yield Resumed(self._inactive.name, reading.sectors_done, start)

    def _renew(self, bank: Bank, reading: JournalState) -> Iterator[Event]:
        snapshot = reading.current()
        if snapshot is None:
            raise InternalError("nothing to renew")
        yield from self._journals.write(bank, snapshot, "renewed after a reset")

    # --- versions and plans

    def _version(self) -> str:
        return self._read[0].version

    def _do_report(self) -> Iterator[Event]:
        """State the running version, and hear whether that was the verdict of an upgrade."""
        yield from self._state_version(self._version())
        yield from self._heard.hear(self._policy.verdict_s, Module.IDLE)
        if self._heard.module is Module.BUSY:
            self._heard.module = Module.IDLE  # a last word of the download that this ended
        failed = self._read[1].phase is Phase.FAILED
        if self._download.error and self._heard.module is Module.IDLE:
            self._heard.module = Module.FAILED
        elif not failed and self._heard.module is Module.FAILED:
            self._heard.module = Module.IDLE  # an upgrade that the journal knows nothing of

    def _state_version(self, version: str) -> Iterator[Event]:
        """Until the module has it as it was said: a bit may be lost on the way there, too.

        Said again it is no verdict any more, for the first one ended the upgrade.
        """
        component = self._policy.component
        for _ in range(1 + self._policy.corrections):
            self._link.report_version(component, version)
            yield ModuleTold(f"{component} runs version {version}")
            known = self._link.known_versions()
            if not known or known.get(component) == version:
                return
            yield Problem(f"the module has understood another version: {known.get(component)}")

    def _do_end_upgrade(self) -> Iterator[Event]:
        yield Problem("this upgrade cannot go on here; it is ended, and a new one asked for")
        yield from self._do_report()

    def _do_ask(self) -> Iterator[Event]:
        self._asked, self._asked_again = self._asked + 1, 0
        if self._asked > self._policy.requests:
            self._result = self._judge_end(Module.FAILED, self._read[1])
            return
        try:
            self._link.connect()  # it may have lost power, or its network
            self._link.request_plan()
        except ModuleRefused as refusal:
            self._result = Result(SessionOutcome.LOST, refusal)
            return
        yield ModuleTold("is there a plan? with SHA-256")
        self._heard.module = Module.ASKED

    def _do_ask_again(self) -> Iterator[Event]:
        """Have the plan said once more. Two that differ are one that was misheard, or a new one."""
        self._asked_again += 1
        if self._asked_again > self._policy.requests:
            self._result = Result(SessionOutcome.LOST, _not_said_twice(self._heard.plan))
            return
        try:
            self._link.request_plan()
        except ModuleRefused as refusal:
            yield Problem(refusal.message)
            self._heard.module = Module.IDLE  # it has lost power or network: from the start
            return
        yield ModuleTold("say the plan again")
        timeout_s = min(self._policy.plan_s, self._policy.quiet_s)
        yield from self._heard.hear(timeout_s, Module.OFFERED_ONCE)

    def _do_answer(self) -> Iterator[Event]:
        plan, self._asked_again = self._heard.plan, 0
        if plan is None:
            raise InternalError("no plan to answer")
        if plan.component in self._policy.module_components:
            yield from self._answer_for_module(plan)
            return
        why = judge(plan, self._policy.component, self._version())
        if why is None:
            judgement = self._admission.judge_plan(plan)
            yield from map(Problem, judgement.unchecked)
            why = judgement.refusal or self._judge_trust(plan)
        if why is not None:
            yield from self._refuse(why)
            return
        yield from self._note_plan(plan)
        self._heard.module = Module.ACCEPTED
        yield ModuleTold("the plan is confirmed")
        try:
            self._link.confirm()
        except ModuleRefused:
            # it may have taken it, and both answers were lost: no version may be stated now
            yield Problem("the module does not take the confirmation; asking for the plan anew")
            self._heard.module = Module.QUIET

    def _refuse(self, why: str) -> Iterator[Event]:
        yield ModuleTold(f"the plan is refused: {why}")
        with suppress(ModuleRefused):  # the plan is gone already
            self._link.refuse()
        remedies = [Remedy.KEY] if why == NO_KEY else []
        error = ImageRejected(
            "the plan was refused", found=why, then="Nothing was changed", remedies=remedies
        )
        self._result = Result(SessionOutcome.REFUSED, error)

    def _answer_for_module(self, plan: PlanOffered) -> Iterator[Event]:
        """Of its own firmware alone: it downloads, checks and installs without us, and reboots.

        Nothing is journaled: no reset of ours can disturb it.
        """
        judgement = self._admission.judge_module_plan(plan)
        yield from map(Problem, judgement.unchecked)
        if judgement.refusal is not None:
            yield from self._refuse(judgement.refusal)
            return
        yield ModuleTold(f"the module may upgrade {plan.component} to {plan.target_version}")
        with suppress(ModuleRefused):  # it may have taken it; else it is offered again
            self._link.confirm()
        self._result = Result(SessionOutcome.MODULE)

    def _floor(self) -> SecurityVersion:
        """The highest security version that was ever confirmed on this device."""
        known = (reading.snapshot for reading in self._read)
        return highest(snapshot.floor for snapshot in known if snapshot is not None)

    def _judge_trust(self, plan: PlanOffered) -> str | None:
        if self._trust is not None:
            return self._trust.judge_plan(plan.target_version, self._floor())
        if self._floor() != NO_FLOOR:
            return NO_KEY
        return None

    def _note_plan(self, plan: PlanOffered) -> Iterator[Event]:
        """Journal the plan before it is confirmed: from then on no version may be reported."""
        old = self._read[1].current()
        if old and old.phase in IN_PROGRESS and old.version == plan.target_version:
            return
        generation = self._read[0].generation + 1
        planned = Snapshot(
            Phase.PLANNED, generation, plan.component, plan.target_version, floor=self._floor()
        )
        yield from self._journals.write(self._inactive, planned, f"version {plan.target_version}")

    def _do_finish(self) -> Iterator[Event]:
        module, inactive = self._heard.module, self._read[1]
        unheard = module is Module.NO_PLAN and inactive.phase in IN_PROGRESS
        if unheard and not self._is_known():
            yield from self._do_report()
        self._result = self._judge_end(module, inactive)

    def _is_known(self) -> bool:
        """Whether the module knows the running version: then it is not stated without need.

        A module that was asked for a plan and says nothing may still wait for the URL of one. There
        it compares a version with the target of the upgrade before, which may be what runs.
        """
        return self._link.known_versions().get(self._policy.component) == self._version()

    def _judge_end(self, module: Module, inactive: JournalState) -> Result:
        if self._download.error is not None:
            return Result(SessionOutcome.REJECTED, self._download.error)
        if module is Module.SUCCEEDED:
            return Result(SessionOutcome.UPDATED)
        if module is Module.NO_PLAN:
            error = ModuleRefused("the module offers no upgrade")
            return Result(SessionOutcome.NO_PLAN, error)
        if inactive.phase is Phase.FAILED and inactive.snapshot is not None:
            return result_of(inactive.current() or inactive.snapshot)
        error = ModuleRefused("the module gave the upgrade up (10706)")
        return Result(SessionOutcome.LOST, error)

    def _do_await(self) -> Iterator[Event]:
        asked = self._heard.module is Module.ASKED
        timeout_s = self._policy.plan_s if asked else self._policy.quiet_s
        yield from self._heard.hear(timeout_s, Module.NO_PLAN if asked else Module.QUIET)

    def _do_probe(self) -> Iterator[Event]:
        yield from self._heard.probe(self._journals.current(self._inactive))
        if self._heard.module is Module.UNKNOWN:
            yield from self._heard.hear(self._policy.quiet_s, Module.QUIET)

    # --- the switch

    def _do_announce(self) -> Iterator[Event]:
        try:
            self._link.announce_update()
        except ModuleRefused:
            yield Problem("the module is not ready for the update; waiting for its next event")
            self._heard.module = Module.BUSY
            return
        yield ModuleTold("the MCU updates itself now")
        yield from self._heard.hear(self._policy.verdict_s, Module.UPDATING)

    def _do_switch(self) -> Iterator[Event]:
        try:
            self._journals.record(self._inactive, Record.SWITCHED)
        except OSError as error:
            raise VerificationFailed(
                "the trailer does not take the switch",
                where=f"bank {self._inactive.name}",
                found=str(error),
                then="The old image runs on; the next start tries again with a new journal",
            ) from error
        yield JournalWritten(self._inactive.name, Phase.TRIAL.name, "the commit point")
        self._result = Result(SessionOutcome.RESET)


def _not_said_twice(plan: PlanOffered | None) -> ModuleRefused:
    return ModuleRefused(
        "the module did not repeat the plan identically",
        where="event 10700",
        expected="two that are alike, one for each AT+QIOTOTAREQ",
        found="none" if plan is None else f"one to version {plan.target_version!r}",
        then="Nothing was changed. Check the line; a platform that never repeats a plan has to be "
        "believed at once",
        remedies=[Remedy.BELIEVE_ONE_PLAN],
    )


def _if_signed(reading: JournalState) -> JournalState:
    """*reading* of a verified image; FAILED where its signature was never verified."""
    snapshot = reading.snapshot
    if snapshot is None or snapshot.security_version is not None:
        return reading
    untrusted = replace(snapshot, phase=Phase.FAILED, reason=Reason.UNTRUSTED)
    return replace(reading, snapshot=untrusted)
