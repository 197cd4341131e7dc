from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError
from world import World

ONE: Any = {"InstanceType": "t3.small", "MinCount": 1, "MaxCount": 1}


def refused(error: pytest.ExceptionInfo[ClientError]) -> str:
    """Read the code of a refusal."""
    return error.value.response["Error"]["Code"]


def test_imds_v2_is_kept_and_followed(world: World) -> None:
    """An image that asks for IMDSv2 says so, and its instances require tokens unless the launch says otherwise."""
    image = world.image("one")
    assert "ImdsSupport" not in world.ec2.describe_images(ImageIds=[image])["Images"][0]
    world.ec2.modify_image_attribute(ImageId=image, ImdsSupport={"Value": "v2.0"})
    assert world.ec2.describe_images(ImageIds=[image])["Images"][0]["ImdsSupport"] == "v2.0"
    options = world.ec2.run_instances(ImageId=image, **ONE)["Instances"][0]["MetadataOptions"]
    assert (options["HttpTokens"], options["HttpPutResponseHopLimit"]) == ("required", 2)
    open_ = world.ec2.run_instances(ImageId=image, MetadataOptions={"HttpTokens": "optional"}, **ONE)["Instances"][0]
    assert open_["MetadataOptions"]["HttpTokens"] == "optional"
    with pytest.raises(ClientError) as error:
        world.ec2.modify_image_attribute(ImageId=image, ImdsSupport={"Value": "v1.0"})
    assert refused(error) == "InvalidParameterValue"


def test_descriptions_and_launch_permissions_change(world: World) -> None:
    """A description is rewritten; an image can be shared with an account; nobody changes another's image."""
    image = world.image("one")
    world.ec2.modify_image_attribute(ImageId=image, Description={"Value": "mine"})
    world.ec2.modify_image_attribute(ImageId=image, LaunchPermission={"Add": [{"UserId": "210987654321"}]})
    assert world.ec2.describe_images(ImageIds=[image])["Images"][0]["Description"] == "mine"
    shared = world.ec2.describe_image_attribute(ImageId=image, Attribute="launchPermission")
    assert shared["LaunchPermissions"] == [{"UserId": "210987654321"}]
    with pytest.raises(ClientError) as error:
        world.ec2.modify_image_attribute(ImageId=world.base(), ImdsSupport={"Value": "v2.0"})
    assert refused(error) == "AuthFailure"
