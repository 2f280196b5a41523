"""Trained models in use: label sentences, serve a model over HTTP, package it for MLflow and the Hugging Face hub."""

__all__ = [
    "limits",
    "loading",
    "mlflow_model",
    "onnx_file",
    "predictor",
    "pretrained",
    "server",
]
