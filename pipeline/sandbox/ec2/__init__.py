"""EC2 where moto answers otherwise than AWS: images, launch templates, launches and instance states."""
