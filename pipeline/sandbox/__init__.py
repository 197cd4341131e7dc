"""A cloud on this machine: AWS's API by moto, with everything behind it as real as the machine allows.

Tier A answers the API only, tier B puts a process behind every instance and a real load balancer before them,
tier C makes each instance a Debian userland that Packer builds in over SSH.
"""
