"""How fast the solver is: one synthetic problem, its peers, what the machine could do at best, and honest timing.

Every figure is a ratio of two CPU times taken in turns in one process on one thread, or a count. A *peer* is another
library that solves the same problem; a *ceiling* is what this machine reaches in one kind of work (multiply matrices,
read memory, exponentiate); the *floor* is the time that the solver's arithmetic would take at the ceilings. What the
command ``magbench perf`` needs lives here, and imports torch inside functions only, so that asv's environments need not
have it; what the asv benchmarks in ``tests/perf`` alone measure lies beside them, in ``tests/perf/measure``.
"""
