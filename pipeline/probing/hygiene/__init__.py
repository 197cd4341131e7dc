"""The built-in suite: what must hold for every image, whatever it serves."""
