"""Instances over time: their state in EC2 follows the machine behind them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from pipeline.sandbox.ec2.launch import complete, launch, machine_spec
from pipeline.sandbox.machines import MachineState
from pipeline.sandbox.registry import Parameters, Request, operation, refusal, refuse_dry_run
from pipeline.sandbox.state import Scope, State

_STATES = {
    MachineState.BOOTING: (0, "pending"),
    MachineState.RUNNING: (16, "running"),
    MachineState.IMPAIRED: (16, "running"),
    MachineState.STOPPED: (80, "stopped"),
}
_SHUTTING_DOWN = (32, "shutting-down")
_TERMINATED = (48, "terminated")
_STOPPING = (64, "stopping")
_FAILED = "Server.InternalError"
_RESTING = frozenset({"running", "stopped"})
_CHECKS = {"pending": "initializing", "running": "ok"}
_SHOWN_FOR = timedelta(hours=1)


def follow_machines(state: State) -> None:
    """Let every instance's state follow its machine; a machine that failed is an instance that never ran."""
    for instance_id, (account, region) in list(state.live.items()):
        scope = state.scope(account, region)
        instance = scope.instance(instance_id)
        machine = state.machines.state(instance_id)
        if machine in _STATES:
            if instance.state == "stopping" and machine is not MachineState.STOPPED:
                continue
            # An instance whose root volume is replaced boots anew, and runs in EC2's eyes.
            rebooting = machine is MachineState.BOOTING and instance.state == "running"
            if instance.state != "shutting-down" and not rebooting:
                _set(instance, _STATES[machine])
            continue
        if machine is MachineState.FAILED and instance.state != "shutting-down":
            _end(scope, instance, _FAILED, f"{_FAILED}: Internal error on launch")
        _set(instance, _TERMINATED)
        state.live.pop(instance_id)
        state.ended[instance_id] = state.clock.now(), account, region


def changing(state: State) -> bool:
    """Tell whether any instance is on its way from one state to another."""
    return any(state.instances[instance_id].state not in _RESTING for instance_id in state.live)


def forget_ended(state: State) -> None:
    """Let instances vanish that ended long enough ago; they are the first that ended."""
    for instance_id, (ended, account, region) in list(state.ended.items()):
        if state.clock.now() - ended < _SHOWN_FOR:
            return
        backend = state.scope(account, region).ec2
        for reservation in list(backend.reservations.values()):
            reservation.instances = [item for item in reservation.instances if item.id != instance_id]
            if not reservation.instances:
                del backend.reservations[reservation.id]
        backend.tags.pop(instance_id, None)
        del state.ended[instance_id], state.instances[instance_id], state.born[instance_id]


def find(scope: Scope, instance_id: str) -> Any:
    """Find an instance.

    Raises:
        ServiceException: it does not exist.
    """
    return scope.ec2.get_instance(instance_id)


def condition(scope: Scope, instance_id: str) -> str:
    """Tell an instance's state in EC2's words: terminated, too, when it has vanished."""
    instance = scope.state.instances.get(instance_id)
    return str(instance.state) if instance else "terminated"


def terminate(scope: Scope, instance_id: str) -> None:
    """Terminate an instance, whoever asks for it; one that is shutting down already is left to that."""
    if instance_id not in scope.state.live:
        return
    instance = scope.instance(instance_id)
    if instance.state == "shutting-down":
        return
    instance.terminate()
    scope.elbv2.notify_terminate_instances([instance_id])
    scope.state.machines.terminate(instance_id)
    _set(instance, _SHUTTING_DOWN)


def stop(scope: Scope, instance_id: str) -> None:
    """Begin to stop an instance; the machine goes down in its own time."""
    instance = scope.instance(instance_id)
    instance.stop()
    scope.state.machines.stop(instance_id)
    _set(instance, _STOPPING)


def start(scope: Scope, instance_id: str) -> None:
    """Start a stopped instance again, from the same disk."""
    instance = scope.instance(instance_id)
    instance.start()
    scope.state.machines.boot(machine_spec(scope, instance))
    _set(instance, _STATES[MachineState.BOOTING])


def _end(scope: Scope, instance: Any, code: str, message: str) -> None:
    terminate(scope, instance.id)
    instance.state_reason.code, instance.state_reason.message = code, message


def _set(instance: Any, state: tuple[int, str]) -> None:
    instance._state.code, instance._state.name = state  # noqa: SLF001 - moto keeps the state of its own calls only


def _change(instance: Any, before: tuple[int, str]) -> dict[str, Any]:
    return {
        "InstanceId": instance.id,
        "CurrentState": {"Code": instance.state_code, "Name": instance.state},
        "PreviousState": {"Code": before[0], "Name": before[1]},
    }


@operation("ec2", "DescribeInstanceStatus")
def describe_instance_status(request: Request, parameters: Parameters) -> object:  # noqa: ARG001 - moto reads them
    """Tell of status checks what the machines let them find."""
    result: Any = request.native()
    return {"InstanceStatuses": [_checked(request.state, instance) for instance in result["InstanceStatuses"]]}


def _checked(state: State, instance: Any) -> dict[str, Any]:
    machine = state.machines.state(instance.id)
    failed = instance.state_reason.code == _FAILED
    found = "impaired" if failed or machine is MachineState.IMPAIRED else _CHECKS.get(instance.state, "not-applicable")
    detail = {"impaired": "failed", "ok": "passed"}.get(found, found)
    checks = {"Status": found, "Details": [{"Name": "reachability", "Status": detail}]}
    return {
        "InstanceId": instance.id,
        "AvailabilityZone": instance.availability_zone,
        "InstanceState": {"Code": instance.state_code, "Name": instance.state},
        "InstanceStatus": checks,
        "SystemStatus": checks,
    }


@operation("ec2", "RunInstances")
def run_instances(request: Request, parameters: Parameters) -> object:
    """Launch as many instances as may be asked for at most."""
    least, most = int(parameters.get("MinCount") or 1), int(parameters.get("MaxCount") or 1)
    if least > most:
        raise refusal("InvalidParameterValue", f"Max count ({most}) must be at least min count ({least})")
    wanted = complete(request, parameters)
    refuse_dry_run(parameters)
    return launch(request, wanted, most)


@operation("ec2", "TerminateInstances")
def terminate_instances(request: Request, parameters: Parameters) -> object:
    """Terminate instances; those of a group are replaced by it."""
    instances = [find(request, id_) for id_ in parameters.get("InstanceIds") or []]
    for instance in instances:
        if instance.disable_api_termination:
            text = f"The instance '{instance.id}' may not be terminated. Modify its 'disableApiTermination' attribute."
            raise refusal("OperationNotPermitted", text)
    refuse_dry_run(parameters)
    changes = []
    for instance in instances:
        before = (instance.state_code, instance.state)
        terminate(request, instance.id)
        changes.append(_change(instance, before))
    return {"TerminatingInstances": changes}


@operation("ec2", "StopInstances")
def stop_instances(request: Request, parameters: Parameters) -> object:
    """Stop instances; the machine goes down in its own time."""
    instances = [find(request, id_) for id_ in parameters.get("InstanceIds") or []]
    _refuse_ended(instances)
    refuse_dry_run(parameters)
    changes = []
    for instance in instances:
        before = (instance.state_code, instance.state)
        stop(request, instance.id)
        changes.append(_change(instance, before))
    return {"StoppingInstances": changes}


@operation("ec2", "StartInstances")
def start_instances(request: Request, parameters: Parameters) -> object:
    """Start stopped instances again, from the same disk."""
    instances = [find(request, id_) for id_ in parameters.get("InstanceIds") or []]
    _refuse_ended(instances)
    refuse_dry_run(parameters)
    changes = []
    for instance in instances:
        before = (instance.state_code, instance.state)
        start(request, instance.id)
        changes.append(_change(instance, before))
    return {"StartingInstances": changes}


def _refuse_ended(instances: list[Any]) -> None:
    for instance in instances:
        if instance.state in {"shutting-down", "terminated"}:
            text = f"The instance '{instance.id}' is not in a state from which it can be started or stopped."
            raise refusal("IncorrectInstanceState", text)
