"""``fwu_config.h``: what the owner of a device may choose, with the defaults of Python."""

from __future__ import annotations

from mcu_updater.core.boot import ATTEMPTS
from mcu_updater.core.session import Policy
from mcu_updater.quectel.at import MAX_LINE_SIZE, MAX_PAYLOAD_SIZE
from mcu_updater.quectel.link import DEFAULT_DIALECT, OVERTIME_S


def _ms(seconds: float) -> str:
    return f"{round(seconds * 1000)}u"


def header(component: str = "STM32") -> str:
    """Every choice may be made by ``-D`` too."""
    policy, dialect = Policy(), DEFAULT_DIALECT
    choices = (
        ("COMPONENT", f'"{component}"', "the name on the platform, 1 to 32 characters"),
        ("READ_SIZE", f"{policy.read_size}u", "bytes of one AT+QIOTOTARD"),
        ("LINE_MAX", "768u", f"of the module; longer ones are cut. In Python {MAX_LINE_SIZE}"),
        (
            "PAYLOAD_MAX",
            "FWU_READ_SIZE",
            f"an answer that claims more is none. In Python {MAX_PAYLOAD_SIZE}",
        ),
        ("EVENTS", "4u", "that wait; more are dropped. The module sends one every 5 s"),
        ("CONNECTION_EVENTS", "8u", "that wait while the module registers"),
        ("ATTEMPTS", f"{ATTEMPTS}u", "trial boots before the old image comes back"),
        ("PLAN_MS", _ms(policy.plan_s), "after asking: no plan means no event at all"),
        ("QUIET_MS", _ms(policy.quiet_s), "the module gives up by itself after 30 s"),
        ("VERDICT_MS", _ms(policy.verdict_s), "10705 or 10706 after a version was stated"),
        ("CORRECTIONS", f"{policy.corrections}u", "of a version that the module has misheard"),
        ("REQUESTS", f"{policy.requests}u", "plans asked for in one session"),
        ("PLAN_ONCE", f"{int(policy.plan_once)}", "believe a plan that was said once"),
        ("RESPONSE_MS", _ms(dialect.response_timeout_s), "AT manual: 300 ms at most"),
        ("RETRIES", f"{dialect.retries}u", "after a lost answer"),
        ("ERROR_RETRIES", f"{dialect.error_retries}u", "of a confirmation that got ERROR"),
        ("ERROR_RETRY_MS", _ms(dialect.error_retry_delay_s), "before it is said again"),
        ("SIGN_MS", _ms(dialect.sign_timeout_s), "10702 comes every 5 s while downloading"),
        ("READY_MS", _ms(dialect.ready_timeout_s), "for registering"),
        ("POLL_MS", _ms(dialect.poll_interval_s), "AT+QIOTSTATE? while registering"),
        ("OVERTIME_MS", _ms(OVERTIME_S), "a line that is never silent, past a deadline"),
        ("REGISTRATION_MODE", f"{dialect.registration_mode}", "1 by hand, 2 at every boot"),
    )
    lines = "\n".join(
        f"#ifndef FWU_{name}\n#define FWU_{name} {value} /* {text} */\n#endif"
        for name, value, text in choices
    )
    return (
        "/* What you may choose: here, or by -D. Times in milliseconds, sizes in bytes. */\n"
        f"#ifndef FWU_CONFIG_H\n#define FWU_CONFIG_H\n\n{lines}\n\n#endif\n"
    )
