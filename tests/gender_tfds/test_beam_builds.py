"""Every data set is the same, record by record, whether it is built here or by Beam's workers."""

import contextlib
import dataclasses

import apache_beam
import pytest
import tensorflow_datasets as tfds
from apache_beam.options.pipeline_options import PipelineOptions

from gender_tfds import reading
from gender_tfds.drawn_faces.drawn_faces_dataset_builder import Builder as DrawnFaces
from gender_tfds.face_folder.face_folder_dataset_builder import Builder as FaceFolder
from gender_tfds.fairface.fairface_dataset_builder import Builder as FairFace
from gender_tfds.utkface.utkface_dataset_builder import Builder as UTKFace
from tests.gender_tfds.builds import read, write_faces
from tests.job_service import job_service

DIRECT = ("--runner=DirectRunner", "--direct_num_workers=2")
PROCESSES, THREADS = ("--direct_running_mode=multi_processing",), ("--direct_running_mode=multi_threading",)


class FewDrawnFaces(DrawnFaces):
    NUM_FACES = 40


class OneChanged(FewDrawnFaces):
    @staticmethod
    def prepare(face):
        drawn = DrawnFaces.prepare(face)
        return dataclasses.replace(drawn, age=7) if face.filename.startswith("00003") else drawn


def _utkface(folder):
    return write_faces(folder, {f"{20 + n}_{n % 2}_{n % 5}_2017{n:013}.jpg.chip.jpg": n for n in range(24)})


def _fairface(folder):
    names = [f"train/{n}.jpg" for n in range(24)]
    write_faces(folder, {name: n for n, name in enumerate(names)})
    rows = [f"{name},20-29,{('Male', 'Female')[n % 2]},White,True" for n, name in enumerate(names)]
    (folder / "fairface_label_train.csv").write_text("\n".join(["file,age,gender,race,service_test", *rows]))
    return folder


def _face_folder(folder):
    return write_faces(folder, {f"{('male', 'female')[n % 2]}/{n}.jpg": n for n in range(24)})


def _built(builder_class, data_dir, manual_dir, options=()):
    builder = builder_class(data_dir=data_dir)
    beam = {"beam_options": PipelineOptions(list(options))} if options else {}
    builder.download_and_prepare(download_config=tfds.download.DownloadConfig(manual_dir=manual_dir, **beam))
    return reading.open_built(builder.name, str(data_dir))


def _check_alike(one, other):
    assert read(one) == read(other)
    parts = ("name", "splits", "metadata")
    assert [reading.fingerprint(one)[part] for part in parts] == [reading.fingerprint(other)[part] for part in parts]


@pytest.mark.parametrize(
    ("builder_class", "write"),
    [
        pytest.param(UTKFace, _utkface, marks=pytest.mark.slow),
        pytest.param(FairFace, _fairface, marks=pytest.mark.slow),
        pytest.param(FaceFolder, _face_folder, marks=pytest.mark.slow),
        pytest.param(FewDrawnFaces, None, marks=pytest.mark.slow),
    ],
)
def test_beam_with_two_processes_writes_the_same_records(builder_class, write, tmp_path):
    manual_dir = write(tmp_path / "pictures") if write else None
    here = _built(builder_class, tmp_path / "here", manual_dir)
    assert len(read(here)) >= 20
    _check_alike(_built(builder_class, tmp_path / "beam", manual_dir, (*DIRECT, *PROCESSES)), here)


def test_beam_with_two_threads_writes_the_same_records(tmp_path):
    """As with processes, each of which imports TensorFlow for most of a minute."""
    here = _built(FewDrawnFaces, tmp_path / "here", None)
    _check_alike(_built(FewDrawnFaces, tmp_path / "beam", None, (*DIRECT, *THREADS)), here)


def test_a_record_that_differs_is_noticed(tmp_path):
    here, changed = (_built(one, tmp_path / one.__name__, None) for one in (FewDrawnFaces, OneChanged))
    with pytest.raises(AssertionError):
        _check_alike(here, changed)


@pytest.mark.slow
def test_the_portable_runner_writes_the_same_records(tmp_path):
    here = _built(FewDrawnFaces, tmp_path / "here", None)
    with job_service() as address:
        options = ("--runner=PortableRunner", f"--job_endpoint={address}", "--environment_type=LOOPBACK")
        _check_alike(_built(FewDrawnFaces, tmp_path / "beam", None, options), here)


def test_beam_takes_no_more_faces_than_asked_for(tmp_path, monkeypatch):
    taken = []

    def take(faces):
        taken.append(len(faces))
        raise RuntimeError

    monkeypatch.setattr(apache_beam, "Create", take)
    for limit in (2, None):
        beam = tfds.download.DownloadConfig(beam_options=PipelineOptions(list(DIRECT)), max_examples_per_split=limit)
        with pytest.raises(RuntimeError), contextlib.redirect_stdout(None):
            FewDrawnFaces(data_dir=tmp_path).download_and_prepare(download_config=beam)
    assert taken[0] == 2 < taken[1]


def test_without_beams_options_beam_makes_nothing(tmp_path, monkeypatch):
    def refuse(*arguments):
        raise RuntimeError

    monkeypatch.setattr(apache_beam, "Create", refuse)
    _built(FewDrawnFaces, tmp_path / "here", None)
    with pytest.raises(RuntimeError), contextlib.redirect_stdout(None):
        _built(FewDrawnFaces, tmp_path / "beam", None, DIRECT)
