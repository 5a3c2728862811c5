"""What methods and regularisers measured, as tables show it: ``<owner>.<quantity>``, a mean over modalities, by name.

A record names a measurement ``<owner>.<quantity>`` or, of one modality, ``<owner>.<quantity>.<modality>``; what a
method measures of its states step by step is called ``step.<k>.<quantity>``, or ``step.<k>.<quantity>.<modality>``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from statistics import fmean

from magbench.method_string import split_host


def means(telemetry: Mapping[str, float], method: str) -> dict[str, float]:
    """The means over modalities, without the owner's name where one regulariser of ``method`` measured all of them."""
    found = {name: value for name, value in telemetry.items() if name.count(".") == 1}
    owners = {name.partition(".")[0] for name in found}
    alone = len(owners) == 1 and bool(split_host(method)[1])
    return {name.partition(".")[2] if alone else name: value for name, value in found.items()}


def steps(telemetry: Mapping[str, float]) -> dict[str, dict[int, float]]:
    """Quantity → step → value, averaged over modalities where it was measured for each."""
    found: dict[str, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for name, value in telemetry.items():
        parts = name.split(".")
        if parts[0] == "step" and len(parts) in (3, 4) and parts[1].isdecimal():
            found[parts[2]][int(parts[1])].append(value)
    return {quantity: {k: fmean(values) for k, values in by_step.items()} for quantity, by_step in found.items()}
