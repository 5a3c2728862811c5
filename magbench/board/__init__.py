"""Pages made of tables: pure functions of what they are given; no statistic, no training, no network.

``magbench.tables`` has the numbers. Here ``page`` is the engine of every page, ``charts`` and its like turn numbers
into coordinates, ``view`` puts both together for a template, and ``report`` writes the page of one run.
"""
