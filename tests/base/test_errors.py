import copy
import pickle
import re

import pytest

import mlsp
from mlsp.base import errors
from mlsp.base.errors import MissingExtraError, MlspError, SettingsError, unknown_name

_ERRORS = [kind for kind in vars(errors).values() if isinstance(kind, type)]
_ERRORS = [kind for kind in _ERRORS if issubclass(kind, MlspError)]


def test_settings_errors_are_value_errors() -> None:
    with pytest.raises(ValueError, match="^no$"):
        raise SettingsError("no")
    assert issubclass(SettingsError, MlspError)


def test_missing_extra_names_the_command_that_works_in_a_checkout() -> None:
    error = MissingExtraError("Reading RAW photos", "raw")
    assert isinstance(error, ImportError)
    assert str(error) == (
        "Reading RAW photos needs an extra: pip install '.[raw]' in the folder of mlsp's source"
    )


@pytest.mark.parametrize("kind", _ERRORS)
def test_each_error_can_be_pickled_and_copied(kind: type[MlspError]) -> None:
    error = kind("Training", "train") if kind is MissingExtraError else kind("it is damaged")
    error.add_note("on another machine")
    pickled = pickle.loads(pickle.dumps(error))  # noqa: S301 - its own
    for again in (pickled, copy.copy(error), copy.deepcopy(error)):
        assert type(again) is kind
        assert str(again) == str(error)
        assert vars(again) == vars(error)
        assert again.args == error.args


def test_each_error_is_public_and_in_the_drawn_tree() -> None:
    assert errors.__doc__ is not None
    drawn = re.findall(r"^    (.*?)(\w+Error)\b", errors.__doc__, re.MULTILINE)
    assert [name for _, name in drawn] == [kind.__name__ for kind in _ERRORS]
    above = {0: MlspError}
    for indent, name in drawn:
        kind = getattr(errors, name)
        assert len(indent) == 0 or kind.__bases__[0] is above[len(indent) - 4]
        above[len(indent)] = kind
        assert getattr(mlsp, name) is kind
        assert name in mlsp.__all__


@pytest.mark.parametrize(
    ("name", "known", "message"),
    [
        ("x", [], "unknown head 'x': Known: none"),
        (
            "beuty",
            ["quality", "beauty"],
            "unknown head 'beuty': did you mean 'beauty'? Known: 'beauty', 'quality'",
        ),
    ],
)
def test_unknown_name(name: str, known: list[str], message: str) -> None:
    assert unknown_name("head", name, known) == message
