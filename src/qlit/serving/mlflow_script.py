"""Code that MLflow runs to load a packaged model. It is copied into the package, so that no object is pickled."""

from mlflow.models import set_model

from qlit.serving.mlflow_model import SentenceModel

set_model(SentenceModel())
