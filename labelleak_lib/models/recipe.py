"""How a network is trained: the hyperparameters of one run."""

from dataclasses import dataclass

from labelleak_lib.checks import require_choice, require_int, require_number


@dataclass(frozen=True)
class Recipe:
    """Hyperparameters of one training run by stochastic gradient descent with Nesterov momentum.

    Parameters
    ----------
    epochs, batch_size : int
        Passes over the data, samples a step.
    min_steps : int
        On small data, passes are added until there are at least so many steps.
    lr, momentum, weight_decay : float
        As in `torch.optim.SGD`; `lr` is the peak of the schedule.
    schedule : {"one_cycle", "constant"}
        One-cycle anneals to zero (Smith and Topin, 2019); constant keeps `lr`.
    clip_norm : float
        Largest gradient norm a step may use.
    """

    epochs: int = 8
    batch_size: int = 128
    lr: float = 0.05
    momentum: float = 0.9
    weight_decay: float = 5e-4
    schedule: str = "one_cycle"
    clip_norm: float = 5.0
    min_steps: int = 0

    def __post_init__(self) -> None:
        require_int("epochs", self.epochs, low=1)
        require_int("batch_size", self.batch_size, low=1)
        require_number("lr", self.lr, above=0)
        require_number("momentum", self.momentum, low=0, high=0.999)
        require_number("weight_decay", self.weight_decay, low=0)
        require_choice("schedule", self.schedule, ("one_cycle", "constant"))
        require_number("clip_norm", self.clip_norm, above=0)
        require_int("min_steps", self.min_steps, low=0)

    def epochs_for(self, steps_an_epoch: int) -> int:
        """Return the passes over data that give `steps_an_epoch` steps each."""
        return max(self.epochs, -(-self.min_steps // steps_an_epoch))
