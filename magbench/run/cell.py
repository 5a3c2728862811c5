"""A cell: load, fit, predict, score, and publish the result with one rename.

Files are written to a hidden folder next to the final one and renamed onto a name that must not exist, so a killed
process leaves nothing or a whole cell, and two processes can never publish the same cell twice.
"""

from __future__ import annotations

import json
import math
import os
import re
import resource
import shutil
import socket
import sys
import time
import traceback
import uuid
import warnings
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from magbench.data.digests import part_digests
from magbench.data.load import load_dataset
from magbench.data.mag import MAG
from magbench.errors import MagbenchError, MethodError, OutputError
from magbench.predictions.base import Prediction
from magbench.registry import Registry
from magbench.results.frame import file_hash
from magbench.results.record import (
    SCHEMA,
    CostPart,
    DatasetPart,
    ErrorPart,
    FilePart,
    MagbenchPart,
    MethodPart,
    PredictionsPart,
    Record,
    ScorePart,
    SelectionPart,
    SourcePart,
    Status,
    TaskPart,
)
from magbench.run.plan import Cell, key
from magbench.run.provenance import environment, git_state
from magbench.specs import canonical_hash
from magbench.tasks.base import AnyTask, make_task
from magbench.train.compose import compose
from magbench.train.device import device_of
from magbench.train.loop import Outcome, merged
from magbench.train.method import Method

TEMPORARY = ".tmp-"
_KINDS: dict[Status, str] = {"failed": "Crash", "timeout": "Timeout", "oom": "OutOfMemory"}


def run_cell(cell: Cell, code: MagbenchPart) -> Record:
    """Run one cell in this process and publish it; a failure of the method is a published record too.

    Raises:
        OutputError: the result cannot be written.
    """
    attempt = Attempt(cell, code)
    try:
        attempt.run()
    except OutputError:
        attempt.discard()
        raise
    except (Exception, SystemExit) as error:
        attempt.fail(error)
    return attempt.publish()


class Attempt:
    """One try at a cell: collects what its record needs while it runs."""

    def __init__(self, cell: Cell, code: MagbenchPart) -> None:
        self.cell, self.code = cell, code
        self.started = now()
        self.status: Status = "ok"
        self.error: ErrorPart | None = None
        self.warnings: list[str] = []
        self.scores: tuple[ScorePart, ...] = ()
        self.selection: SelectionPart | None = None
        self.predictions: PredictionsPart | None = None
        self.method: Method | None = None
        self.outcomes: list[Outcome] = []
        self.data: dict[str, str] | None = None
        self.seconds: dict[str, float] = {}
        self.threads = torch.get_num_threads()
        self.registry = registry = Registry.default(cell.method_paths)
        self.task = registry.task(cell.task)
        self.dataset = registry.dataset(self.task.dataset)
        self.composition = compose(cell.method, registry, registry.protocol(cell.protocol), self.task.family)
        self.folder = make_temporary(cell)

    def run(self) -> None:
        """Fit, answer, check, store, score; fills the attempt in that order."""
        task, seed = make_task(self.task), self.cell.seed
        mag = load_dataset(self.dataset, self.cell.features)
        self.data = part_digests(mag, self.registry.family(self.task.family).reads)
        self._refuse_another()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", UserWarning)
            drawn = task.draw(mag, seed)
            answers = [self._answer(task, view, asked, mag) for view, asked in task.fits(mag, seed, drawn)]
        self.warnings = sorted(
            {str(warning.message) for warning in caught if issubclass(warning.category, UserWarning)}
        )
        prediction = task.stored(answers, mag, seed, drawn)
        self.scores = tuple(ScorePart(**vars(score)) for score in task.score(prediction))
        self._write(prediction, merged(self.outcomes))

    def _refuse_another(self) -> None:
        """Refuse to run what is not what was planned: its result would stand under the key of something else."""
        protocol = self.registry.protocol(self.cell.protocol)
        if canonical_hash(key(self.task, self.composition, protocol, self.data or {})) != self.cell.key:
            raise MethodError(
                f"{self.cell.task} {self.cell.method}: code, data or settings are not those that the run was planned"
                " with: a file was edited meanwhile, or a worker of a cluster has others. Start the run again."
            )

    def _answer(self, task: AnyTask, view: Any, asked: Any, mag: MAG) -> Any:
        """Fit a fresh method to one view of the task, and ask it in another; its checked answer."""
        method = self.method = self.composition.build()
        self.outcomes.append(method.outcome)
        task.admit(method)
        self._timed("fit_s", lambda: method.fit(view, seed=self.cell.seed))
        self.outcomes[-1] = method.outcome
        answer = self._timed("predict_s", lambda: method.predict(asked))
        task.check(answer, asked)
        if len(self.outcomes) == 1:
            method.outcome.telemetry.update(task.telemetry(method, view, mag, self.cell.seed))
        return answer

    def fail(self, error: BaseException) -> None:
        """Turn the attempt into a failure record."""
        memory = isinstance(error, MemoryError | torch.OutOfMemoryError)
        self.status = "oom" if memory else "failed"
        self.error = ErrorPart(
            type=type(error).__name__,
            message=str(error) or type(error).__name__,
            user=isinstance(error, MagbenchError),
            traceback="".join(traceback.format_exception(error)),
        )
        self.scores, self.predictions, self.selection = (), None, None

    def discard(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def publish(self) -> Record:
        """Write the record and rename the folder into place."""
        try:
            record = make_record(self)
        except (TypeError, ValueError) as error:  # the method left something that no record can hold
            self.fail(error)
            self.method, self.outcomes = None, []
            record = make_record(self)
        try:
            (self.folder / "record.json").write_text(record.to_json(), encoding="utf-8")
            publish(self.folder, self.cell.folder)
        except OSError as error:
            self.discard()
            raise cannot_write(self.cell.folder, error) from error
        return record

    def _timed(self, name: str, work: Any) -> Any:
        start = time.perf_counter()
        result = work()
        self.seconds[name] = round(self.seconds.get(name, 0) + time.perf_counter() - start, 4)
        return result

    def _write(self, prediction: Prediction, outcome: Outcome) -> None:
        try:
            files = prediction.write(self.folder)
            if outcome.history:
                lines = [json.dumps(row) + "\n" for row in outcome.history]
                (self.folder / "history.jsonl").write_text("".join(lines), encoding="utf-8")
        except OSError as error:
            raise cannot_write(self.folder, error) from error
        parts = tuple(FilePart(path=name, sha256=file_hash(self.folder / name)) for name in files)
        self.predictions = PredictionsPart(kind=prediction.kind, files=parts, rows=prediction.rows)
        self.selection = SelectionPart(
            split="val",
            metric=outcome.metric,
            value=outcome.value,
            epoch=outcome.epoch,
            trials=outcome.trials,
            config=outcome.config,
        )


def make_record(attempt: Attempt) -> Record:
    """The record of an attempt in its present state."""
    task, dataset = attempt.task, attempt.dataset
    outcome = merged(attempt.outcomes) if attempt.outcomes else None
    device = _device(attempt.method)
    telemetry = {name: float(value) for name, value in outcome.telemetry.items()} if outcome else {}
    finite = {name: value for name, value in telemetry.items() if math.isfinite(value)}
    lost = [f"The telemetry {name} is {telemetry[name]} and left out." for name in telemetry if name not in finite]
    return Record(
        schema_=SCHEMA,
        run_id=attempt.cell.run_id,
        key=attempt.cell.key,
        task=TaskPart(
            id=task.id,
            version=task.version,
            hash=task.digest(),
            variant=task.variant,
            design=make_task(task).design,
        ),
        dataset=DatasetPart(
            id=dataset.name, version=dataset.version, features=attempt.cell.features, sha256=attempt.data
        ),
        method=_method_part(attempt, outcome.params if outcome else None),
        protocol=attempt.cell.protocol,
        seed=attempt.cell.seed,
        status=attempt.status,
        error=attempt.error,
        warnings=(*attempt.warnings, *lost),
        scores=attempt.scores,
        selection=attempt.selection,
        predictions=attempt.predictions,
        telemetry=finite,
        cost=CostPart(
            fit_s=attempt.seconds.get("fit_s"),
            predict_s=attempt.seconds.get("predict_s"),
            peak_rss=_peak_rss() if attempt.method else None,
            peak_cuda=torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None,
        ),
        env=environment(device) | {"threads": attempt.threads},
        started=attempt.started,
        finished=now(),
        magbench=attempt.code,
    )


def _device(method: Method | None) -> torch.device:
    """Where a method's network lies; the CPU for one that has none."""
    network = getattr(method, "network", None)
    return device_of(network) if isinstance(network, torch.nn.Module) else torch.device("cpu")


def publish_failure(
    cell: Cell, code: MagbenchPart, status: Status, message: str, started: str | None = None, threads: int = 1
) -> Record:
    """Publish the record of a cell whose process of ``threads`` ended without one (killed, out of memory, late)."""
    attempt = Attempt(cell, code)
    attempt.threads = threads
    attempt.started = started or attempt.started
    attempt.status = status
    attempt.error = ErrorPart(type=_KINDS[status], message=message, user=False)
    return attempt.publish()


def make_temporary(cell: Cell) -> Path:
    """A fresh hidden folder beside the cell's, named after the host and process that own it."""
    name = f"{TEMPORARY}{cell.seed}-{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
    folder = cell.folder.parent / name
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise cannot_write(folder, error) from error
    return folder


def publish(temporary: Path, final: Path) -> None:
    """Flush ``temporary`` to disk and rename it to ``final``; an older cell there is renamed away first."""
    for file in temporary.iterdir():
        with file.open("rb") as stream:
            os.fsync(stream.fileno())
    if final.exists():
        old = temporary.with_name(f"{TEMPORARY}old-{temporary.name.removeprefix(TEMPORARY)}")
        final.rename(old)
        temporary.rename(final)
        shutil.rmtree(old, ignore_errors=True)
    else:
        temporary.rename(final)


def remove_orphans(out: Path) -> None:
    """Delete the hidden folders of processes of this host that are no longer alive."""
    host = socket.gethostname()
    for folder in out.glob(f"**/{TEMPORARY}*"):
        owner = re.fullmatch(rf"{re.escape(TEMPORARY)}(old-)?\d+-{re.escape(host)}-(\d+)-\w+", folder.name)
        if owner is not None and not _alive(int(owner[2])):
            shutil.rmtree(folder, ignore_errors=True)


def cannot_write(path: Path, error: OSError) -> OutputError:
    return OutputError(
        f"{path} cannot be written: {error.strerror or error}. Finished cells are kept; free it and run again."
    )


def _method_part(attempt: Attempt, params: int | None) -> MethodPart:
    composition = attempt.composition
    commit, dirty = git_state(composition.entries[0].source.parent)
    return MethodPart(
        name=composition.name,
        config=composition.config,
        config_sha256=canonical_hash(composition.config),
        params=params,
        revisions=composition.revisions,
        source=SourcePart(sha256=composition.source_hash(), commit=commit, dirty=dirty),
        towers=getattr(attempt.method, "towers", None),
    )


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return not _is_zombie(pid)


def _is_zombie(pid: int) -> bool:
    """Whether a process has ended but stays listed: in many containers nothing reaps what lost its parent."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return False


def _peak_rss() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def now() -> str:
    """UTC as ISO 8601 with milliseconds: later is greater."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
