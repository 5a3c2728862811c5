"""Pages made of results: pure functions of what they are given, no training, no network.

``cells`` says what a page is given, ``view`` turns it into the rows a template prints, ``charts`` into coordinates,
``report`` writes the page of one run.
"""
