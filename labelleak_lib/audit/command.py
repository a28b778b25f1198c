"""`labelleak audit`: a model file, its verdict."""

import math
import re
import shlex
import sys
from argparse import Namespace
from collections.abc import Sequence

from labelleak_lib.audit.report import AuditReport
from labelleak_lib.audit.run import audit
from labelleak_lib.audit.targets import OUTPUTS
from labelleak_lib.command import Parser, lengths, numbers, one_sentence
from labelleak_lib.criteria.calibrated import LEVEL
from labelleak_lib.files import as_path, require_writable
from labelleak_lib.space import InputSpace

NO_VERDICT = 3
"""Exit status of an audit that could say nothing, for a script that must not take silence for an answer."""


def parser() -> Parser:
    """Return the parser of the verb's options."""
    made = Parser(
        prog="labelleak audit", description="Say which classes a model behaves as if it had hardly ever seen."
    )
    made.add_argument("model", help="safetensors, state dict, TorchScript, torch.export (.pt2) or ONNX file")
    made.add_argument("--factory", help="module:function that builds the network of a state dict")
    made.add_argument("--shape", type=lengths, help="shape of one input: 3,32,32 of images, 20 of vectors")
    made.add_argument("--range", type=numbers, default=[0.0, 1.0], dest="box", help="smallest and largest value [0,1]")
    made.add_argument("--mean", type=numbers, help="of the normalisation between that range and the model")
    made.add_argument("--std", type=numbers, help="of the normalisation")
    made.add_argument("--outputs", choices=OUTPUTS, default="auto", help="what the model answers [auto]")
    made.add_argument("--classes", type=int, help="their number, where the model answers labels alone")
    made.add_argument("--labels-only", action="store_true", help="read the most probable class alone")
    made.add_argument("--budget", type=int, help="inputs that the model is asked about, at most")
    made.add_argument("--samples", type=as_path, help="folder of class folders, or .npz with inputs and labels")
    made.add_argument("--references", type=as_path, help="folder of never-unlearned models of the same recipe")
    made.add_argument("--head", help="name of the last layer, where it is not found by itself")
    made.add_argument("--original", help="the model before unlearning: with --forgotten, say what leaks")
    made.add_argument("--forgotten", type=lengths, help="the truth beside --original, as in 3,8")
    made.add_argument("--batch-size", type=int, default=512, help="inputs that the model gets at a time [512]")
    made.add_argument("--level", type=float, default=LEVEL, help=f"level at which a class is named [{LEVEL}]")
    made.add_argument("--seed", type=int, default=0, help="draws the inputs [0]")
    made.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps [auto]")
    made.add_argument("--out", type=as_path, help="folder for report.json and report.html; none: nothing is written")
    made.add_argument(
        "--fail-on-leak", action="store_true", help="exit status 1 if a class is named, 3 without verdict"
    )
    return made


@one_sentence
def main(arguments: Sequence[str] | None = None) -> int:
    """Audit a model file, print the report and return the exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = parser().parse_args(_joined(given))
    if options.out is not None:
        require_writable(options.out)
    report = _audited(options)
    report.reproduce["call"] = f"labelleak audit {shlex.join(given)}"
    if options.out is not None:
        report.to_json(options.out / "report.json")
        report.to_html(options.out / "report.html")
    print(report)
    if not options.fail_on_leak:
        return 0
    return NO_VERDICT if math.isnan(report.p_value) else int(bool(report.forgotten))


def _joined(arguments: Sequence[str]) -> list[str]:
    """Return `--range -1,1` as `--range=-1,1`: a list that begins with a minus is else taken for an option.

    >>> _joined(["model.pt", "--range", "-1,1", "--seed", "3"])
    ['model.pt', '--range=-1,1', '--seed', '3']
    """
    joined: list[str] = []
    for argument in arguments:
        follows = bool(joined) and joined[-1].startswith("--") and "=" not in joined[-1]
        if follows and re.fullmatch(r"-[\d.][-+\d.e,]*", argument):
            joined[-1] += f"={argument}"
        else:
            joined.append(argument)
    return joined


def _audited(options: Namespace) -> AuditReport:
    space = None
    if len(options.box) != 2:
        raise ValueError(f"--range is {options.box}; it must be two numbers, as in 0,1")
    if options.shape is None and options.box != [0.0, 1.0]:
        raise ValueError(f"--shape is not given beside --range {options.box}; it must be, as in 3,32,32")
    if options.shape is not None:
        space = InputSpace(options.shape, *options.box)
    return audit(
        options.model, space, samples=options.samples, references=options.references, labels_only=options.labels_only,
        budget=options.budget, level=options.level, seed=options.seed, classes=options.classes, outputs=options.outputs,
        mean=options.mean, std=options.std, factory=options.factory, device=options.device,
        batch_size=options.batch_size, head=options.head, original=options.original, forgotten=options.forgotten,
    )  # fmt: skip
