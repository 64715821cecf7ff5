"""scikit-learn before 1.9 has no callbacks: fits do without."""

import importlib
import sys

import pytest

import robustreg.estimators._callbacks


def test_callbacks_are_ignored_with_a_warning(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.callback", None)  # as if it were not there
    spec = importlib.util.find_spec("robustreg.estimators._callbacks")
    old = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(old)
    assert old.with_callbacks is not robustreg.estimators._callbacks.with_callbacks

    class Model(old.CallbackSupportMixin):
        @old.with_callbacks
        def fit(self, total):
            """Count to the total."""
            progress = old.Progress(self, None, None, None, dict)
            told = [progress.tell(x) for x in range(total)]
            progress.end()
            return told

    model = Model()
    with pytest.warns(UserWarning, match="need scikit-learn 1.9"):
        assert model.set_callbacks(print) is model
    assert model.fit(3) == [False] * 3
    assert Model.fit.__doc__ == "Count to the total."
