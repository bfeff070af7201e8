"""Files: runs, and the atomic writing that everything uses."""

from .atomic import atomic_path, write_json
from .model_file import SHIPPED, model_kind, model_path, open_model
from .run_file import read_run, save_run

__all__ = ["SHIPPED", "atomic_path", "model_kind", "model_path", "open_model", "read_run", "save_run", "write_json"]
