"""DDPG in TensorFlow 2, exact to the byte: train, resume, verify, compare, draw."""

from ddpg import kernels

__version__ = "0.2.0"

kernels.pin()  # before anything imports NumPy
