"""Queues that answer at once: moto would wait for a message with everything else standing still."""

from __future__ import annotations

from pipeline.sandbox.registry import Parameters, Request, operation


@operation("sqs", "ReceiveMessage")
def receive_message(request: Request, parameters: Parameters) -> object:
    """Take what is there; a long poll is not waited for."""
    parameters["WaitTimeSeconds"] = 0
    return request.native()
