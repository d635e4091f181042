"""The console command that measures artefacts: its flags, and nothing that takes long to import."""

import dataclasses
import logging
from typing import TYPE_CHECKING

from export.output_path import checked_output
from export.packaged import MODEL_KINDS
from gender_tfds.command_line import Command
from gender_tfds.field_flags import setting
from gender_tfds.terminal import without_native_noise
from gender_tfds.user_error import UserError

if TYPE_CHECKING:
    from export.benchmark import Pictures

log = logging.getLogger(__name__)

DRAWN_FACES = 256


@dataclasses.dataclass(frozen=True, kw_only=True)
class BenchmarkPolicy:
    """What to measure, on what, and where the table goes."""

    artefacts: tuple[str, ...] = setting(dataclasses.MISSING, f"each {MODEL_KINDS}", positional=True)
    reference: str | None = setting(None, "the model whose answers the others should give, such as a run's .keras file")
    dataset: str | None = setting(
        None, "built data set whose faces are scored, for accuracy too; faces drawn by code if left out"
    )
    data_dir: str | None = setting(None, "where `tfds build` put it; TFDS' default if left out")
    split: str = setting("test", "of the data set")
    max_faces: int = setting(5000, "faces of the split that are scored at most", lower=1)
    threads: int = setting(
        0, "that a .tflite and an .onnx work in, beside one; 0 is one for each processor", lower=0, upper=1024
    )
    batch_size: int = setting(32, "pictures at once where throughput is measured", lower=1, upper=1024)
    rounds: int = setting(3, "fresh processes for each artefact; the table has medians and extremes", lower=1)
    seconds: float = setting(1.0, "that each process measures latency for, and throughput", lower=0.01)
    output: str | None = setting(None, "a .csv file for the table")
    plot: str | None = setting(None, "a .png file for a picture of it")


def _benchmark(policy: BenchmarkPolicy) -> None:
    for name in ("data_dir", "split"):
        if not policy.dataset and getattr(policy, name) != getattr(BenchmarkPolicy, name):
            raise UserError(f"--{name}={getattr(policy, name)} is of a data set: give --dataset")
    outputs = {
        name: checked_output(name, getattr(policy, name), suffix)
        for name, suffix in (("output", ".csv"), ("plot", ".png"))
        if getattr(policy, name)
    }
    from export import benchmark_table
    from export.benchmark import benchmark
    from gender_tfds.atomic_files import atomic_path

    pictures = labelled_pictures(policy)
    try:
        table = benchmark(
            policy.artefacts,
            pictures,
            reference=policy.reference,
            threads=policy.threads or None,
            batch_size=policy.batch_size,
            rounds=policy.rounds,
            seconds=policy.seconds,
        )
    except UserError as error:
        raise UserError(str(error).removeprefix("--model=")) from error
    print(benchmark_table.as_text(table, policy.batch_size))
    log.info(
        "On %s. Each number is the median of %d fresh processes (lowest–highest). Load: from a process' first import to"
        " the first answer; MB: the largest resident set until then.%s",
        *(pictures.what, policy.rounds),
        f" Times as fast: than {policy.reference}, a picture at a time." if policy.reference else "",
    )
    if "output" in outputs:
        with atomic_path(outputs["output"]) as partial:
            table.to_csv(partial, index=False)
    if "plot" in outputs:
        title = f"{pictures.what}; each bar the median of {policy.rounds} processes, from lowest to highest"
        benchmark_table.plot(table, outputs["plot"], title, policy.batch_size)


def labelled_pictures(policy: BenchmarkPolicy) -> "Pictures":
    """Returns the faces of the data set with their labels, or, without one, faces drawn by code."""
    import numpy as np

    from export.benchmark import Pictures

    if not policy.dataset:
        from gender_tfds.drawn_faces.picture import encode_face

        count = min(DRAWN_FACES, policy.max_faces)
        return Pictures([encode_face(index) for index in range(count)], f"{count} faces drawn by code")
    with without_native_noise():
        import tensorflow as tf  # noqa: F401
    from gender_tfds import reading

    builder = reading.open_built(policy.dataset, policy.data_dir)
    reading.check_split(builder, policy.split)
    examples = list(reading.read_encoded(builder, policy.split).take(policy.max_faces).as_numpy_iterator())
    labels = np.array([int(example["label"]) for example in examples])
    what = f"{len(examples):,} faces of {builder.info.full_name}, {policy.split}"
    return Pictures([example["image"] for example in examples], what, labels)


BENCHMARK = Command(
    name="gender-benchmark",
    summary="measure artefacts, each in fresh processes: size, loading, memory, speed, accuracy, agreement",
    example="gender-benchmark artefacts/*.tflite artefacts/saved_model --reference=cnn_gender_classifier.keras",
    settings=(BenchmarkPolicy,),
    main=_benchmark,
)
benchmark = BENCHMARK.run
