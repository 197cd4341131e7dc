"""AWS through boto3: the ports of `pipeline.ports` for images, fleets, templates, channels, instances and checks."""
