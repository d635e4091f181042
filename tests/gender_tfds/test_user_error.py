"""user_error: a sentence that steers no terminal, also from a program run by absl."""

from gender_tfds import user_error
from gender_tfds.user_error import UserError


def test_a_strangers_text_in_a_sentence_breaks_no_line_and_steers_no_terminal():
    told = str(UserError("a\nb\x1b[2J\x00\u2028\u202ec é 顔\u3000.jpg"))
    assert told == "a\\nb\\x1b[2J\\x00\\u2028\\u202ec é 顔\u3000.jpg"


def test_explaining_twice_installs_one_handler(monkeypatch):
    # that the handler does its work, `tfds build` shows in test_utkface.py
    handlers = []
    monkeypatch.setattr(user_error.app, "EXCEPTION_HANDLERS", handlers)
    for _ in range(2):
        user_error.explain_user_errors()
    assert len(handlers) == 1
    assert handlers[0].wants(UserError("mine"))
    assert not handlers[0].wants(ValueError("ours"))
