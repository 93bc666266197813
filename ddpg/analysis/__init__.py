"""Reading, comparing and drawing finished runs. Knows files, not agents; never needs TensorFlow."""
