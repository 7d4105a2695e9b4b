import pytest

from mlsp.base.errors import MissingExtraError, MlspError, SettingsError, unknown_name


def test_settings_errors_are_value_errors() -> None:
    with pytest.raises(ValueError, match="^no$"):
        raise SettingsError("no")
    assert issubclass(SettingsError, MlspError)


def test_missing_extra_names_the_command() -> None:
    error = MissingExtraError("Reading RAW photos", "raw")
    assert isinstance(error, ImportError)
    assert str(error) == "Reading RAW photos needs an extra: pip install 'mlsp[raw]'"


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
