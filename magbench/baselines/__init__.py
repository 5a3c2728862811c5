"""The shipped methods, importable as ``magbench.baselines.<name>`` from a wheel and from a checkout alike."""

from magbench import paths

__path__ = [str(paths.content("baselines"))]
