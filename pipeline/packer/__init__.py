"""Rendering templates and running Packer: the one room that knows HCL and Packer's habits."""
