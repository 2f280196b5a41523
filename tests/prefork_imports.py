"""What commands import, for the processes that are forked from one with these modules."""

import gc
import pkgutil
from importlib import import_module

import qlit.commands
import qlit.jobs
import qlit.reports

gc.disable()
for room in (qlit.commands, qlit.jobs, qlit.reports):
    for module in pkgutil.walk_packages(room.__path__, f"{room.__name__}."):
        import_module(module.name)
for name in ("matplotlib.pyplot", "mlflow.store.tracking.sqlalchemy_store", "sentence_transformers"):
    import_module(name)
gc.freeze()
gc.enable()
