from __future__ import annotations

import logging

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from world import World

from pipeline.sandbox.clock import ManualClock
from pipeline.sandbox.cloud import Cloud
from pipeline.sandbox.machines import CommandOutput
from pipeline.sandbox.virtual import VirtualMachines


class Broken(VirtualMachines):
    """Machines that can be neither stopped nor asked."""

    def stop(self, instance: str) -> None:
        """Fail."""
        raise RuntimeError(f"{instance} has no switch")


def unanswered(script: str) -> CommandOutput:
    """Fail."""
    raise RuntimeError(f"nobody runs {script}")


def test_what_breaks_is_an_internal_error_with_its_trace_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """Over HTTP a fault of the sandbox itself is each service's own internal error, never a page of HTML."""
    clock = ManualClock()
    machines = Broken(clock)
    machines.answer = unanswered
    cloud = Cloud(clock=clock, machines=machines)
    with cloud.serve() as endpoint, caplog.at_level(logging.ERROR):
        world = World(cloud, endpoint=endpoint)
        made = world.ec2.run_instances(ImageId=world.base(), InstanceType="t3.small", MinCount=1, MaxCount=1)
        id_ = made["Instances"][0]["InstanceId"]
        world.wait(20)
        session = boto3.Session("sandbox", "sandbox", region_name="us-east-1")
        once = Config(retries={"max_attempts": 0})
        with pytest.raises(ClientError) as error:
            session.client("ec2", endpoint_url=endpoint, config=once).stop_instances(InstanceIds=[id_])
        assert error.value.response["Error"]["Code"] == "InternalError"
        assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500
        with pytest.raises(ClientError) as error:
            session.client("ssm", endpoint_url=endpoint, config=once).send_command(
                InstanceIds=[id_], DocumentName="AWS-RunShellScript", Parameters={"commands": ["id"]}
            )
        assert error.value.response["Error"]["Code"] == "InternalServerError"
    assert f"{id_} has no switch" in caplog.text
    assert "nobody runs id" in caplog.text


def test_in_process_what_breaks_is_seen_where_it_is() -> None:
    """In a test's own process the exception itself comes out."""
    clock = ManualClock()
    cloud = Cloud(clock=clock, machines=Broken(clock))
    with cloud.in_process():
        world = World(cloud)
        made = world.ec2.run_instances(ImageId=world.base(), InstanceType="t3.small", MinCount=1, MaxCount=1)
        with pytest.raises(RuntimeError, match="has no switch"):
            world.ec2.stop_instances(InstanceIds=[made["Instances"][0]["InstanceId"]])
