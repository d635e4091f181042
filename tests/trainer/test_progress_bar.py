"""The bar counts images and shows loss, accuracy and speed on a terminal; elsewhere there is a line an epoch."""

import io
import logging

import pytest

from trainer.progress_bar import ProgressBar


class _Terminal(io.StringIO):
    def isatty(self):
        return True


def _show(stream, monkeypatch):
    monkeypatch.setattr("sys.stderr", stream)
    bar = ProgressBar(faces=50, batch_size=20, epochs=2)
    bar.on_epoch_begin(0)
    for batch in range(3):
        bar.on_train_batch_end(batch, {"loss": 0.5, "accuracy": 0.75})
    counted = bar.bar.n
    bar.bar.refresh()
    bar.on_epoch_end(0, {"loss": 0.5, "val_loss": 0.25})
    bar.on_train_end()
    return counted, stream.getvalue()


def test_a_terminal_shows_a_bar(monkeypatch):
    counted, shown = _show(_Terminal(), monkeypatch)
    assert counted == 50  # the last batch is not whole
    for part in ("Epoch 1/2", "50/50", "images/s", "loss=0.5000", "accuracy=0.7500"):
        assert part in shown


def test_no_terminal_shows_no_bar_but_a_line_an_epoch(monkeypatch, caplog):
    with caplog.at_level(logging.INFO, "trainer"):
        _, shown = _show(io.StringIO(), monkeypatch)
    assert shown == ""
    assert caplog.messages == ["Epoch 1/2  loss 0.5000  val_loss 0.2500"]


@pytest.mark.parametrize("hook", ["on_train_end"])
def test_an_end_without_a_beginning_is_no_error(hook):
    getattr(ProgressBar(1, 1, 1), hook)()
