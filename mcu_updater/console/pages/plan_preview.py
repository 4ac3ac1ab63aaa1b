"""Who would be offered a plan, and why not the others; and what its activation would lead to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mcu_updater.cloud.center.model import Mode, UpgradePlan
from mcu_updater.cloud.center.preview import Answer, Offer, Preview, preview
from mcu_updater.cloud.center.rules import Why
from mcu_updater.cloud.center.store import Store
from mcu_updater.console.pages.view import View, hours, targets
from mcu_updater.report.center import moment

_WORDS: dict[Answer, str] = {
    Offer.OFFERED: "would be offered it",
    Offer.LATER: "after another plan, which comes first for them",
    Why.USER: "would be offered it once their user has confirmed",
}
_GOOD: tuple[Answer, ...] = (Offer.OFFERED, Why.USER)
_NAMED = 3  # of unknown devices


def of(seen: View, store: Store, plan: UpgradePlan) -> dict[str, Any]:
    """Values of preview.html."""
    found = preview(seen.center, store, plan, seen.now_s)
    others = found.counts.get(Why.PRODUCT, 0)
    total = found.devices - others
    shown = {
        "when": _when(found, seen),
        "total": total,
        "others": others,
        "offered": _offered(found),
        "product": plan.product,
        "nobody": f"The center knows no device of {plan.product} yet. Who comes later is "
        "judged when it comes.",
        "rows": [_row(found, one) for one in _in_order(found)],
        "notes": [*_notes(plan), *_unknown(plan, seen, store)],
    }
    return {"preview": shown, "preview_why": ""}


def _offered(found: Preview) -> int:
    return sum(found.counts.get(one, 0) for one in _GOOD)


def _in_order(found: Preview) -> list[Answer]:
    """Who gets it first, then the reasons of the others; not those of other products."""
    shown = [one for one in found.counts if one is not Why.PRODUCT]
    return sorted(shown, key=lambda one: one not in _GOOD)


def _row(found: Preview, one: Answer) -> dict[str, Any]:
    return {
        "key": one.name.lower(),
        "words": _WORDS.get(one, one.value),
        "count": found.counts[one],
        "first": found.first[one],
    }


def _when(found: Preview, seen: View) -> str:
    if found.at_s > seen.now_s:
        return f"When it begins, {moment(found.at_s)} UTC, if nothing else changes until then:"
    return "If it were active now, and a device asked:"


def _unknown(plan: UpgradePlan, seen: View, store: Store) -> Iterator[str]:
    """Names on the lists that are perhaps misspelt."""
    if not plan.whitelist and not plan.blacklist:
        return
    known = {device.id for device in seen.center.devices} | set(store.devices())
    for words, names in (("White", plan.whitelist), ("Black", plan.blacklist)):
        unknown = [name for name in names if name not in known]
        if unknown:
            more = f" and {len(unknown) - _NAMED} more" if len(unknown) > _NAMED else ""
            yield f"{words} list, unknown to the center: {', '.join(unknown[:_NAMED])}{more}."


def _notes(plan: UpgradePlan) -> list[str]:
    """What the count does not say."""
    if plan.mode is Mode.SILENT and not plan.push:
        return ["It is not pushed: each is offered it when it asks."]
    if plan.push_hours is not None:
        return [f"It is pushed {hours(plan)}; a device that asks is answered at any hour."]
    return []


def will_happen(seen: View, plan: UpgradePlan, shown: dict[str, Any]) -> list[str]:
    """Sentences of the activation page."""
    offered = shown["offered"]
    what = " and ".join(f"{component} {target}" for component, target in targets(seen.center, plan))
    one = offered == 1
    will = [
        f"{offered or 'None'} of {shown['total']} devices of {plan.product} will be offered {what}"
        + ("." if offered else ", as things are.")
    ]
    if plan.begin_s > seen.now_s:
        will.append(f"Not before {moment(plan.begin_s)} UTC.")
    if plan.mode is Mode.CONFIRMED:
        will.append(f"{'It waits' if one else 'They wait'} for the user, who must confirm first.")
    elif plan.push:
        will.append(f"It is pushed {hours(plan)}, about every 10 minutes.")
    else:
        will.append("It is not pushed: a device gets it when it asks.")
    again = plan.strategy.retries
    will.append(
        f"A device that fails is offered it {again} more time{'' if again == 1 else 's'}; "
        "after a confirm nobody can call an upgrade off."
    )
    return will
