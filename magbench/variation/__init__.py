"""Variation: what can be taken away from a data set or done to it, of any task family.

A *corruption* (:class:`magbench.corruption.Corruption`) takes away or spoils a share; a *control* takes away one thing
whole, so that what is left of a score can be seen. :mod:`~magbench.variation.corrupt` and
:mod:`~magbench.variation.controls` make another MAG, :mod:`~magbench.variation.training` acts on the training labels
and pairs. Nothing is edited in place. Draws are raw bits (:mod:`magbench.graph.splits`), and the same seed draws a
smaller rate as a part of a larger one (``docs/variants.md``).
"""
