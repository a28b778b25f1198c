"""Black-box inversion: all classes' searches at once, beside libraries that run one search after the other."""

import random

import numpy as np
import pygad
import pytest
import torch
from deap import algorithms, base, creator, tools
from evotorch import Problem
from evotorch.algorithms import GeneticAlgorithm
from evotorch.operators import GaussianMutation, OnePointCrossOver
from torch import nn
from torchvision.models import resnet18

from labelleak_lib.attacks.genetic_inversion import GeneticInversion
from labelleak_lib.attacks.random_inputs import RandomInputs
from labelleak_lib.models import classifier
from labelleak_lib.models.access import BlackBox
from labelleak_lib.models.classifier import ModelSpec

POPULATION, GENERATIONS, ELITES, GENES = 100, 200, 5, 784
QUERIES_A_CLASS = POPULATION + (GENERATIONS - 1) * (POPULATION - ELITES)
QUERIES = 10 * QUERIES_A_CLASS
SUBJECT, RESNET = "black-box inversion, LeNet", "black-box inversion, ResNet18"


def search(model, generations=GENERATIONS, **options):
    attack = GeneticInversion(POPULATION, generations, ELITES)
    return attack.evidence(BlackBox.of(model, **options), generator=torch.Generator().manual_seed(0))


class Fitness:
    """Probability of one retained class, with the queries counted."""

    def __init__(self, model, aim):
        self.model, self.aim, self.queries = model.eval(), aim, 0

    @torch.no_grad()
    def __call__(self, genes):
        genes = torch.as_tensor(genes, dtype=torch.float32).view(-1, 1, 28, 28)
        self.queries += len(genes)
        return torch.softmax(self.model(genes), 1)[:, self.aim]


@pytest.fixture
def fitness(target, retained):
    return Fitness(target, retained[0])


def run_pygad(fitness, batch):
    def one(_, genes, index):
        return float(fitness(genes))

    def many(_, genes, indices):
        return fitness(genes).numpy()

    search = pygad.GA(
        num_generations=GENERATIONS - 1, sol_per_pop=POPULATION, num_genes=GENES, num_parents_mating=POPULATION,
        fitness_func=many if batch else one, fitness_batch_size=batch, keep_elitism=ELITES, init_range_low=0,
        init_range_high=1, gene_space={"low": 0, "high": 1}, parent_selection_type="rws",
        crossover_type="single_point", mutation_num_genes=1, random_seed=0, suppress_warnings=True,
    )  # fmt: skip
    search.run()
    return float(search.best_solutions_fitness[-1])


def run_evotorch(fitness):
    problem = Problem("max", fitness, solution_length=GENES, bounds=(0, 1), vectorized=True, seed=0)
    operators = [
        OnePointCrossOver(problem, tournament_size=4),
        GaussianMutation(problem, stdev=0.5, mutation_probability=1 / GENES),
    ]
    search = GeneticAlgorithm(problem, operators=operators, popsize=POPULATION, re_evaluate=False)
    while fitness.queries < QUERIES_A_CLASS:
        search.step()
    return float(search.status["best_eval"])


def run_deap(fitness):
    random.seed(0)
    if not hasattr(creator, "Image"):
        creator.create("Probability", base.Fitness, weights=(1.0,))
        creator.create("Image", list, fitness=creator.Probability)

    def mutate(image):
        tools.mutGaussian(image, mu=0, sigma=0.5, indpb=1 / GENES)
        image[:] = [min(max(gene, 0.0), 1.0) for gene in image]
        return (image,)

    box = base.Toolbox()
    box.register("individual", tools.initRepeat, creator.Image, random.random, n=GENES)
    box.register("mate", tools.cxOnePoint)
    box.register("mutate", mutate)
    box.register("select", tools.selTournament, tournsize=4)
    box.register("evaluate", lambda image: (float(fitness(image)),))
    population = tools.initRepeat(list, box.individual, POPULATION)
    generations = -(-(QUERIES_A_CLASS - POPULATION) // POPULATION)
    population, _ = algorithms.eaSimple(population, box, cxpb=1, mutpb=1, ngen=generations, verbose=False)
    return max(image.fitness.values[0] for image in population)


PEERS = {
    "PyGAD, batched fitness": (lambda f: run_pygad(f, POPULATION), 6),
    "PyGAD, one at a time": (lambda f: run_pygad(f, None), 20),
    "EvoTorch": (run_evotorch, 4),
    "DEAP": (run_deap, 20),
}


@pytest.mark.parametrize("name", PEERS)
def test_peer(enter, benchmark, fitness, name):
    run, goal = PEERS[name]
    enter(
        lambda: run(fitness), subject=SUBJECT, name=name, role="peer", target=goal, rounds=1,
        quality=lambda best: f"probability {best:.3f} of class {fitness.aim}",
    )  # fmt: skip
    benchmark.extra_info |= {"scale": QUERIES / fitness.queries, "scaled_from": f"{fitness.queries} queries"}


def test_ours(enter, target, retained):
    found = enter(
        lambda: search(target), subject=SUBJECT, name="this library", role="ours", rounds=2,
        quality=lambda found: f"probability {found.history[-1, retained[0]]:.3f} of class {retained[0]}",
        note=f"10 classes, population {POPULATION}, {GENERATIONS} generations",
    )  # fmt: skip
    assert found.queries == QUERIES


def test_the_time_to_find_every_retained_class(enter, benchmark, target, retained):
    least = search(target).history[:, retained].min(1)
    needed = int(np.argmax(least >= 0.99)) + 1
    enter(
        lambda: search(target, needed), subject=SUBJECT, name="until every retained class is at 0.99", role="aside",
        rounds=2, quality=lambda found: f"least {found.history[-1, retained].min():.3f}, {found.queries} queries",
    )  # fmt: skip
    assert least.max() >= 0.99


def test_the_control_without_a_search(enter, target):
    control = RandomInputs()
    enter(
        lambda: control.evidence(BlackBox.of(target), generator=torch.Generator().manual_seed(0)), subject=SUBJECT,
        name="control: random inputs, no search", role="aside", quality=lambda found: f"{found.queries} queries",
    )  # fmt: skip


def eager_lenet():
    convolutions = [nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU()]
    linear = [nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)]
    return nn.Sequential(*convolutions, nn.MaxPool2d(2), nn.Flatten(), *linear)


def forward(model, shape, batches):
    """Pass one population after the other, as a search of one class does."""
    x = torch.rand((POPULATION, *shape))
    with torch.no_grad():
        for _ in range(batches):
            model(x)


def test_passes_alone(enter, target):
    x, batches = torch.rand((10 * POPULATION, 1, 28, 28)), 20

    def passes():
        for _ in range(batches):
            classifier.predict_proba(target, x)

    enter(
        passes, subject=SUBJECT, name="its passes alone", role="bare", scale=QUERIES / (len(x) * batches),
        scaled_from=f"{len(x) * batches} images",
    )  # fmt: skip


def test_eager_lenet(enter):
    model, batches = eager_lenet().eval(), 200
    enter(
        lambda: forward(model, (1, 28, 28), batches), subject=SUBJECT, name="eager forward passes alone",
        role="bare", target=0.4, scale=QUERIES / (POPULATION * batches), scaled_from=f"{POPULATION * batches} images",
    )  # fmt: skip


def test_ours_on_resnet18(enter):
    model = classifier.build(ModelSpec("resnet18", 10, 3), seed=0).eval()
    enter(
        lambda: search(model, generations=3), subject=RESNET, name="this library", role="ours",
        note=f"10 classes, population {POPULATION}, 3 generations, untrained network",
    )  # fmt: skip


RESNET_IMAGES = 10 * (POPULATION + 2 * (POPULATION - ELITES))
"""Queries of three generations for ten classes."""


def test_passes_of_resnet18_alone(enter):
    model, x = classifier.build(ModelSpec("resnet18", 10, 3), seed=0).eval(), torch.rand((RESNET_IMAGES, 3, 32, 32))

    def passes():
        for images in x.split(10 * POPULATION):
            classifier.predict_proba(model, images)

    enter(passes, subject=RESNET, name="its passes alone", role="bare")


def test_eager_resnet18(enter):
    model = resnet18(num_classes=10).eval()
    enter(
        lambda: forward(model, (3, 32, 32), RESNET_IMAGES // POPULATION), subject=RESNET, role="bare", target=0.3,
        name="eager forward passes alone",
    )  # fmt: skip
