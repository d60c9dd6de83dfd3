"""Estimators around models; nothing else of gpunet imports scikit-learn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, TransformerMixin
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

from gpunet.models import Model, clone_model


class ModelEstimator(BaseEstimator):
    """What all three share: a model that is made, or cloned, and trained by `fit`.

    Args:
        model: a compiled model, of which `fit` trains a clone with new weights, or a function that makes one: it is
            called with `X=` and `y=`, as they go into `fit`, and with `model_kwargs`.
        warm_start: train the given model itself, or the one that the function made first, further at each `fit`.
        model_kwargs: arguments of the function.
        fit_kwargs: arguments of `Model.fit`, to which those of this `fit` are added.

    Attributes:
        model_: the trained model.
        history_: what its `fit` returned.
    """

    def __init__(
        self,
        model: Any,
        warm_start: bool = False,
        model_kwargs: dict[str, Any] | None = None,
        fit_kwargs: dict[str, Any] | None = None,
    ):
        self.model = model
        self.warm_start = warm_start
        self.model_kwargs = model_kwargs
        self.fit_kwargs = fit_kwargs

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.non_deterministic = True
        return tags

    def __sklearn_clone__(self) -> Any:
        """The same estimator before any `fit`; `fit` clones the model."""
        return type(self)(**self.get_params(deep=False))

    def fit(self, X: Any, y: Any, **kwargs: Any) -> Any:
        """Train the model on samples `X` of shape (samples, features) and targets (samples,) or (samples, outputs).

        Raises:
            ValueError: for targets of the wrong kind.
            RuntimeError: if the model is not compiled with a loss and an optimizer.
        """
        X, y = validate_data(self, X, y, multi_output=True)
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        y = self._as_target(y)
        model = self._model_for(X, y)
        if not model.compiled or not getattr(model, "loss", None) or not model.optimizer:
            raise RuntimeError("Given model needs to be compiled, and have a loss and an optimizer.")
        self.history_ = model.fit(X, y, **{**(self.fit_kwargs or {}), **kwargs})
        self.model_ = model
        return self

    def _model_for(self, X: np.ndarray, y: np.ndarray) -> Any:
        if not isinstance(self.model, Model):
            fitted = self.warm_start and hasattr(self, "model_")
            make: Callable[..., Any] = self.model
            return self.model_ if fitted else make(X=X, y=y, **(self.model_kwargs or {}))
        return self.model if self.warm_start else clone_model(self.model)

    def _outputs(self, X: Any) -> np.ndarray:
        """The model's outputs for samples like those of `fit`."""
        check_is_fitted(self)
        return np.asarray(self.model_.predict(validate_data(self, X, reset=False)))

    def predict(self, X: Any) -> np.ndarray:
        """The predictions for some samples, in the form of the targets of `fit`."""
        return self._from_outputs(self._outputs(X))

    def _as_target(self, y: np.ndarray) -> np.ndarray:
        """Targets as the model takes them: (samples, outputs)."""
        kind = type_of_target(y)
        if kind == "unknown":
            raise ValueError(f"Unknown label type for data: {y!r}")
        self._is_flat = y.ndim == 1
        return y.reshape(-1, 1) if self._is_flat else y

    def _from_outputs(self, outputs: np.ndarray) -> np.ndarray:
        return np.squeeze(outputs, axis=1) if self._is_flat and outputs.ndim == 2 else outputs


class SKLearnClassifier(ClassifierMixin, ModelEstimator):
    """A classifier: its model has one output per class, and is trained on one-hot rows.

    `classes_` lists the classes. See `ModelEstimator` for the arguments.

    Example:
        >>> def make(X, y, units):
        ...     layers = [gpunet.layers.Dense(units, "relu"), gpunet.layers.Dense(y.shape[1], "softmax")]
        ...     model = gpunet.Sequential([gpunet.Input(X.shape[1:]), *layers])
        ...     model.compile("adam", "categorical_crossentropy")
        ...     return model
        >>> SKLearnClassifier(make, model_kwargs={"units": 16}).fit(X, y, epochs=5, verbose=0).score(X, y)
    """

    def decision_function(self, X: Any) -> np.ndarray:
        """The model's outputs."""
        return self._outputs(X)

    def _as_target(self, y: np.ndarray) -> np.ndarray:
        super()._as_target(y)
        kind = type_of_target(y)
        if kind not in ("binary", "multiclass"):
            raise ValueError(f"Only binary and multiclass target types are supported. Target type: {kind}")
        self.classes_, places = np.unique(y, return_inverse=True)
        if len(self.classes_) == 1:
            raise ValueError("Classifier can't train when only one class is present.")
        return np.eye(len(self.classes_), dtype="float32")[places.reshape(-1)]

    def _from_outputs(self, outputs: np.ndarray) -> np.ndarray:
        return self.classes_[outputs.argmax(axis=-1)]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.poor_score = True
        return tags


class SKLearnRegressor(RegressorMixin, ModelEstimator):
    """A regressor; see `ModelEstimator` for the arguments."""

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.regressor_tags.poor_score = True
        return tags


class SKLearnTransformer(TransformerMixin, ModelEstimator):
    """A step of a pipeline that gives the model's outputs; see `ModelEstimator` for the arguments."""

    def transform(self, X: Any) -> np.ndarray:
        """The model's outputs for some samples."""
        return self._outputs(X)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []
        return tags
