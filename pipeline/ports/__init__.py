"""What the inner rooms need from outside, as protocols of two to seven methods.

Every method may raise the errors of `pipeline.errors`; none lets a vendor's exception through. Methods that
change something say so in their first word; all others only read.
"""
