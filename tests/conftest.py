"""One thread for every test, so that sums are added in one order whatever the machine."""

import torch

torch.set_num_threads(1)
