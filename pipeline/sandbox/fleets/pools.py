"""The operations on warm pools; how they fill and empty is `scaling`, how they are refreshed `engine`."""

from __future__ import annotations

from pipeline.sandbox.fleets.describing import described_member, find_group, find_settled
from pipeline.sandbox.fleets.scaling import terminate
from pipeline.sandbox.registry import Parameters, Request, invalid, operation, page, refusal

_GIVEN = {"MaxGroupPreparedCapacity", "MinSize", "PoolState", "InstanceReusePolicy"}


@operation("autoscaling", "PutWarmPool")
def put_warm_pool(request: Request, parameters: Parameters) -> object:
    """Give a group a warm pool, or change it; not while an instance refresh runs."""
    group = find_settled(request, parameters["AutoScalingGroupName"])
    given = {name: value for name, value in parameters.items() if name in _GIVEN}
    group.pool = {"MinSize": 0, "PoolState": "Stopped", **(group.pool or {}), **given}
    if group.pool.get("MaxGroupPreparedCapacity") == -1:
        del group.pool["MaxGroupPreparedCapacity"]
    return {}


@operation("autoscaling", "DescribeWarmPool")
def describe_warm_pool(request: Request, parameters: Parameters) -> object:
    """Tell of a group's warm pool and of the instances in it."""
    group = find_group(request, parameters["AutoScalingGroupName"])
    warm = [member for member in group.members if member.warm]
    shown, token = page(warm, parameters, size="MaxRecords", default=50, limit=50)
    return {
        "WarmPoolConfiguration": group.pool,
        "Instances": [described_member(member) for member in shown],
        "NextToken": token or None,
    }


@operation("autoscaling", "DeleteWarmPool")
def delete_warm_pool(request: Request, parameters: Parameters) -> object:
    """Delete a warm pool; one with instances only with ForceDelete, and without waiting for their hooks."""
    group = find_group(request, parameters["AutoScalingGroupName"])
    if group.pool is None:
        raise invalid(f"No warm pool found for the group {group.name}.")
    warm = [member for member in group.members if member.warm]
    if warm and not parameters.get("ForceDelete"):
        raise refusal("ResourceInUse", "You cannot delete a warm pool while there are instances in it.")
    group.pool["Status"] = "PendingDelete"
    for member in group.side(warm=True):
        terminate(request, group, member, "the warm pool was deleted.")
    for member in warm:
        member.waits = {}
    return {}
