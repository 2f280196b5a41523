"""Lightning's plugin that writes and reads checkpoints by the functions of `files`."""

from pathlib import Path
from typing import Any, final

from lightning.pytorch.plugins.io import TorchCheckpointIO

from qlit.training.checkpoints.files import load_intact, write_checkpoint


@final
class AtomicCheckpointIO(TorchCheckpointIO):
    """Write a checkpoint next to its target and rename it, so that a kill leaves the previous checkpoint intact.

    Lightning writes to the system's temporary folder. If that is on another file system, the last step is a copy, and a
    kill during the copy leaves half a checkpoint.

    If the disk is full, the write is retried for up to three minutes, so that a training of hours does not end.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:  # noqa: ARG002
        write_checkpoint(checkpoint, Path(path))

    def load_checkpoint(self, path: Any, map_location: Any = "cpu", weights_only: bool | None = None) -> dict[str, Any]:  # noqa: ARG002
        """Load a local, undamaged file. Lightning's method would also download URLs and unpickle their content."""
        if not Path(path).is_file():
            raise FileNotFoundError(f"There is no checkpoint {path}; check the path.")
        loaded: dict[str, Any] = load_intact(Path(path), map_location=map_location)
        return loaded
