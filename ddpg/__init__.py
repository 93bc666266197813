"""DDPG in TensorFlow 2, exact to the byte: train, resume, verify, compare, draw."""

__version__ = "0.1.0"
