"""Commands from dataclasses: a field is a flag; presets by name; one sentence and an exit status for every mistake."""

import dataclasses
import pathlib
import shlex
import signal
import sys
import textwrap
import types
import typing
from collections.abc import Callable, Sequence
from typing import Any

from absl import flags

from gender_tfds.disk_faults import disk_fault
from gender_tfds.field_flags import define_flag, describe_flag, indented
from gender_tfds.terminal import show_log
from gender_tfds.user_error import USER_ERROR, UserError

# exit statuses beside USER_ERROR, which is 2; 128 + signal number when interrupted
DONE, FAULT, SOME_ERRORS = 0, 1, 3


@dataclasses.dataclass(frozen=True)
class Command:
    """A console command.

    Attributes:
      name: as typed, `gender-train`.
      summary: what it does, one sentence.
      example: a command line that works.
      settings: dataclasses whose fields, made by `setting`, are the flags.
      main: takes an instance of each class in `settings`; returns an exit status or None for 0.
      presets: folder of flag files for `--preset=NAME`.
      resumable: takes the same; whether `--resume`, where there is such a flag, goes on after an interruption.
    """

    name: str
    summary: str
    example: str
    settings: Sequence[type]
    main: Callable[..., int | None]
    presets: pathlib.Path | None = None
    resumable: Callable[..., bool] = lambda *settings: True

    def run(self, argv: Sequence[str] | None = None) -> int:
        """Parses flags, runs `main`, and returns the exit status; prints a user's mistake as one sentence.

        Args:
          argv: the flags, `sys.argv[1:]` if None.
        """
        argv = list(sys.argv[1:] if argv is None else argv)
        show_log()
        previous = signal.signal(signal.SIGTERM, _terminate)
        settings = None
        try:
            if {"--help", "-h", "-help"} & set(argv):
                print(self.help())
                return DONE
            if "--version" in argv:
                from importlib.metadata import version

                print(f"{self.name} {version('gender-classifier')}")
                return DONE
            settings = self.parse(argv)
            return self.main(*settings) or DONE
        except UserError as error:
            print(f"{self.name}: {error}", file=sys.stderr)
            return USER_ERROR
        except KeyboardInterrupt as interrupt:
            number = signal.SIGTERM if isinstance(interrupt, _Terminated) else signal.SIGINT
            print(f"{self.name}: interrupted; to go on: {self._go_on(argv, settings)}", file=sys.stderr)
            return 128 + number
        except Exception as error:
            if not (told := disk_fault(error)):
                raise
            print(f"{self.name}: {UserError(told)}", file=sys.stderr)
            return USER_ERROR
        finally:
            signal.signal(signal.SIGTERM, previous)

    def parse(self, argv: Sequence[str]) -> list[Any]:
        """Returns an instance of each class in `settings`.

        Raises:
          UserError: an unknown flag, a value outside its range, a required flag left out, an argument that is no flag.
        """
        values = self._define()
        argv = [_with_underscores(argument) for argument in argv]
        try:
            rest = values([self.name, *self._preset(argv)])[1:]
            if rest and not self._positional():
                raise UserError(f"{rest[0]!r} is not a flag; every setting is given as --name=value")
            for field in self._positional():
                if field.default is dataclasses.MISSING and not rest:
                    raise UserError(f"{field.name.upper()} is required: {field.metadata['help']}")
            for field in self._flags():
                if field.default is dataclasses.MISSING and values[field.name].value in (None, ""):
                    raise UserError(f"--{field.name} is required: {field.metadata['help']}")
            names = {field.name for field in self._fields()}
            if {"resume", "overwrite"} <= names and values.resume and values.overwrite:
                raise UserError("--resume and --overwrite exclude each other; give one of them")
            return [
                kind(
                    **{
                        field.name: tuple(rest) if field.metadata["positional"] else _plain(values[field.name].value)
                        for field in dataclasses.fields(kind)
                    }
                )
                for kind in self.settings
            ]
        except (flags.Error, OSError, UnicodeError) as error:
            message = " ".join(str(error).split()).rstrip(". ?")
            message = message.replace("Unknown command line flag", "unknown flag")
            message = message.replace("invalid literal for int() with base 10:", "not a whole number:")
            raise UserError(f"{message}; {self.name} --help lists what is allowed") from error

    def help(self) -> str:
        """Returns the text of `--help`: summary, example, and each flag with its default."""
        lines = [*textwrap.wrap(f"{self.name}: {self.summary}", 106), "", "Example:", f"  {self.example}", ""]
        for field in self._positional():
            lines += ["Arguments:", *indented(f"{field.name.upper()} ...", field.metadata["help"]), ""]
        lines.append("Flags:")
        if self.presets:
            where = f"a packaged flag file ({_names(self.presets)}), or from a path"
            lines += indented("--preset=NAME", f"settings from {where}; a line of such a file may be a --preset, too")
        for field in self._flags():
            lines += describe_flag(field)
        lines += [
            *indented("--help, --version", "print this, or the version, and exit"),
            "",
            "Exit status: 0 done, 1 a fault of the program, 2 a user's mistake, 3 done but for some rows or",
            "artefacts, each with its reason, 130 or 143 interrupted.",
        ]
        return "\n".join(lines)

    def _fields(self) -> list[dataclasses.Field]:
        return [field for kind in self.settings for field in dataclasses.fields(kind)]

    def _positional(self) -> list[dataclasses.Field]:
        return [field for field in self._fields() if field.metadata["positional"]]

    def _flags(self) -> list[dataclasses.Field]:
        return [field for field in self._fields() if not field.metadata["positional"]]

    def _define(self) -> flags.FlagValues:
        """Defines the flags in a registry of their own: no flag of TensorFlow or TFDS is in it."""
        values = flags.FlagValues()
        values.set_gnu_getopt(True)  # flags after the arguments too
        for kind in self.settings:
            types_of = typing.get_type_hints(kind)
            for field in dataclasses.fields(kind):
                if field.metadata["positional"]:
                    continue
                define_flag(values, field, types_of[field.name])
        return values

    def _preset(self, argv: Sequence[str], within: Sequence[pathlib.Path] = ()) -> list[str]:
        """Replaces `--preset=NAME` by the lines of its file, first, so that the other flags win over them.

        A line of a preset's file may be such a flag, too: the file is then what differs from another preset.

        Args:
          argv: flags.
          within: the preset whose lines they are, and those that took it, outermost first.
        """
        if not self.presets:
            return list(argv)
        rest: list[str] = []
        lines: list[str] = []
        arguments = iter(argv)
        for argument in arguments:
            name, equals, value = argument.partition("=")
            if name != "--preset":
                rest.append(argument)
                continue
            value = value if equals else next(arguments, "")
            path = _preset_file(self.presets, value)
            if path in within:
                raise UserError(f"--preset={value} in {within[-1]} takes a preset into itself; name another")
            own = flags.FlagValues().read_flags_from_files([f"--flagfile={path}"])
            lines += self._preset(list(map(_with_underscores, own)), (*within, path))
        return lines + rest

    def _go_on(self, argv: Sequence[str], settings: Sequence[Any] | None) -> str:
        """Returns the command to give next; `settings` is None if it was interrupted before they were known."""
        resumes = any(field.name == "resume" for field in self._fields())
        if settings is None or not resumes or not self.resumable(*settings):
            return f"{self.name} {shlex.join(argv)}".rstrip()
        kept = [argument for argument in argv if argument.partition("=")[0] not in ("--resume", "--overwrite")]
        return f"{self.name} {shlex.join([*kept, '--resume'])}"


class _Terminated(KeyboardInterrupt):
    """SIGTERM, which ends a command the way Ctrl-C does."""


def _terminate(number: int, frame: types.FrameType | None) -> None:
    raise _Terminated


def _names(presets: pathlib.Path) -> str:
    return ", ".join(sorted(path.stem for path in presets.glob("*.flags")))


def _preset_file(presets: pathlib.Path, value: str) -> pathlib.Path:
    for path in (presets / f"{value}.flags", pathlib.Path(_plain(value))):
        if path.is_file():
            return path.resolve()
    raise UserError(f"--preset={value} is neither a packaged preset ({_names(presets)}) nor a file")


def _plain(value: Any) -> Any:
    """Returns a flag's value as its field has it; `~/` begins a path, which no shell expands behind a `=`."""
    if isinstance(value, list):
        return tuple(map(_plain, value))
    return str(pathlib.Path(value).expanduser()) if isinstance(value, str) and value.startswith("~/") else value


def _with_underscores(argument: str) -> str:
    if not argument.startswith("--"):
        return argument
    name, equals, value = argument.partition("=")
    return "--" + name[2:].replace("-", "_") + equals + value
