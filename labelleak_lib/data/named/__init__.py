"""The data sets known by name, one file each (MNIST and Fashion-MNIST share theirs)."""
