"""The registry that engines of the bed have as their mirror; `scripts/local-registry` does the work."""

from pathlib import Path

from .command import SCRIPTS, run
from .netns import Machine, Namespace
from .waiting import PATIENCE_S

IMAGES_TIMEOUT_S = 900  # the first run on a machine builds them


class Registry:
    """A registry process in a namespace, with its state in a folder. It serves the images of the machine's cache, and
    building them needs the machine's own network."""

    def __init__(self, state: Path, machine: Machine, namespace: Namespace, listen: str = "0.0.0.0:5000"):
        self.state = state
        self.machine = machine
        self.namespace = namespace
        self.listen = listen
        self._ensured: set[str] = set()

    def _script(self, action: str, *args: str, timeout_s: float = PATIENCE_S) -> str:
        script = [
            SCRIPTS / "local-registry",
            action,
            *args,
            "--state",
            self.state,
            "--listen",
            self.listen,
            "--netns",
            self.namespace.name,
        ]
        return run(*self.machine.command(*script), timeout_s=timeout_s)

    def up(self) -> None:
        self._script("up")

    def ensure(self, *names: str) -> None:
        """Builds images that are missing; names are folders of deploy/images or tests/support/images."""
        missing = [name for name in names if name not in self._ensured]
        if missing:
            self._script("images", *missing, timeout_s=IMAGES_TIMEOUT_S)
            self._ensured.update(missing)

    def down(self) -> None:
        self._script("down")

    @property
    def port(self) -> int:
        return int(self.listen.rpartition(":")[2])

    def mirror(self, address: str = "127.0.0.1") -> str:
        """The URL under which an engine that sees the registry at `address` uses it."""
        return f"http://{address}:{self.port}"
