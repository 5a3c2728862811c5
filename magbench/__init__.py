"""magbench: a benchmark and evaluation suite for learning on multimodal attributed graphs (MAGs).

A MAG is a graph whose nodes carry text and a picture. Method authors import from :mod:`magbench.api`;
everything else may move between minor versions.
"""

__version__ = "0.1.0"

ENGINE = 1
"""Raised whenever shared code changes a prediction; part of every result's key (see docs/reproducibility.md)."""
