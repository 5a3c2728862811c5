"""Specifications: the benchmark's content as frozen data, read from TOML and validated once.

* :class:`DatasetSpec`: which data, which version, what is expected of it.
* :class:`FamilySpec`: a kind of question: its task class, objective, split rules, kind of prediction, variants.
* :class:`TaskSpec`: a family's question asked of one data set: label, split, variant, metrics.
* :class:`Protocol`: seeds and training constants shared by every method.
* :class:`MethodSpec`: where a method or regulariser lives and what it is.

What is run of all this is named by suites (:mod:`magbench.suites`).

The ``digest`` of a task and of a protocol is the sha256 of what changes a result, as canonical JSON; it enters the key
of each result. Titles, summaries, citations and metrics stand outside.
"""

from magbench.specs.base import Spec as Spec
from magbench.specs.base import Target as Target
from magbench.specs.base import canonical_hash as canonical_hash
from magbench.specs.base import load as load
from magbench.specs.base import read_toml as read_toml
from magbench.specs.dataset import Columns as Columns
from magbench.specs.dataset import DatasetSpec as DatasetSpec
from magbench.specs.dataset import FeatureFile as FeatureFile
from magbench.specs.dataset import Mirror as Mirror
from magbench.specs.method import MethodForm as MethodForm
from magbench.specs.method import MethodSpec as MethodSpec
from magbench.specs.protocol import Protocol as Protocol
from magbench.specs.protocol import Sampling as Sampling
from magbench.specs.protocol import Training as Training
from magbench.specs.task import FamilySpec as FamilySpec
from magbench.specs.task import SplitRule as SplitRule
from magbench.specs.task import TaskSpec as TaskSpec
from magbench.specs.task import VariantOption as VariantOption
