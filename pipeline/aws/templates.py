"""Launch templates, through EC2."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pipeline.aws.failures import translated
from pipeline.aws.session import Clients
from pipeline.errors import NotFound
from pipeline.model.fleets import TemplateVersion
from pipeline.model.ids import ImageId, SnapshotId, TemplateId

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import (
        LaunchTemplateBlockDeviceMappingRequestTypeDef,
        LaunchTemplateVersionTypeDef,
        RequestLaunchTemplateDataTypeDef,
        ResponseLaunchTemplateDataTypeDef,
    )

# The largest page of DescribeLaunchTemplateVersions and of DescribeLaunchTemplates.
_PAGE = 200


class Ec2Templates:
    """The port `Templates`. ``resolve:ssm:`` images are reported as they are written, not resolved."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def version(self, template: TemplateId, version: str) -> TemplateVersion:
        return _version(described_version(self._clients, template, version))

    @translated("ec2")
    def aliases(self) -> Mapping[TemplateId, Mapping[str, int]]:
        # Without ids: one of a template that was just deleted would fail the whole call.
        pages = self._clients.ec2.get_paginator("describe_launch_templates").paginate(
            PaginationConfig={"PageSize": _PAGE}
        )
        return {
            TemplateId(entry["LaunchTemplateId"]): {
                "$Latest": entry["LatestVersionNumber"],
                "$Default": entry["DefaultVersionNumber"],
            }
            for page in pages
            for entry in page["LaunchTemplates"]
        }

    @translated("ec2")
    def versions(self, template: TemplateId) -> tuple[TemplateVersion, ...]:
        pages = self._clients.ec2.get_paginator("describe_launch_template_versions").paginate(
            LaunchTemplateId=template, PaginationConfig={"PageSize": _PAGE}
        )
        found = [_version(entry) for page in pages for entry in page["LaunchTemplateVersions"]]
        return tuple(sorted(found, key=lambda version: version.number, reverse=True))

    @translated("ec2")
    def create_version(
        self, source: TemplateVersion, *, image: ImageId, description: str, token: str
    ) -> TemplateVersion:
        """Create a version from ``source`` with another image, stating its mapped snapshots again.

        CreateLaunchTemplateVersion inherits everything from its source version except the snapshots of the block
        device mappings: these it drops unless they are stated again. A list that is stated replaces the inherited
        list, so all mappings are stated as soon as one carries a snapshot. On the image's root device the
        snapshot is left out: it would boot the old root under the new image's name. Its size, type and
        encryption stay.

        The same token answers the same version.

        Raises:
            NotFound: the source version or the image does not exist.
        """
        data: RequestLaunchTemplateDataTypeDef = {"ImageId": image}
        if source.mapped_snapshots:
            data["BlockDeviceMappings"] = self._restated(source, image)
        answer = self._clients.ec2.create_launch_template_version(
            LaunchTemplateId=source.id,
            SourceVersion=str(source.number),
            VersionDescription=description,
            LaunchTemplateData=data,
            ClientToken=token,
        )
        return _version(answer["LaunchTemplateVersion"])

    def _restated(
        self, source: TemplateVersion, image: ImageId
    ) -> list[LaunchTemplateBlockDeviceMappingRequestTypeDef]:
        written = described_version(self._clients, source.id, str(source.number))["LaunchTemplateData"]
        root = self._root_device(image)
        stated: list[LaunchTemplateBlockDeviceMappingRequestTypeDef] = []
        for mapping in written.get("BlockDeviceMappings", []):
            again: LaunchTemplateBlockDeviceMappingRequestTypeDef = {**mapping}
            if mapping.get("DeviceName") == root and "Ebs" in mapping:
                ebs = mapping["Ebs"].copy()
                ebs.pop("SnapshotId", None)
                again["Ebs"] = ebs
            # A mapping that said nothing but the snapshot would be empty now, which AWS refuses.
            if again.get("Ebs") != {}:
                stated.append(again)
        return stated

    def _root_device(self, image: ImageId) -> str:
        answer = self._clients.ec2.describe_images(ImageIds=[image])
        if not answer["Images"]:
            raise NotFound(f"The image {image} does not exist.", hint="bake it again")
        return answer["Images"][0].get("RootDeviceName", "")


@translated("ec2")
def described_version(clients: Clients, template: TemplateId, version: str) -> LaunchTemplateVersionTypeDef:
    """Describe one launch template version in AWS's own shape.

    Raises:
        NotFound: the template or the version does not exist.
    """
    answer = clients.ec2.describe_launch_template_versions(LaunchTemplateId=template, Versions=[version])
    if not answer["LaunchTemplateVersions"]:
        raise NotFound(
            f"The launch template {template} has no version {version}.",
            hint="`aws ec2 describe-launch-template-versions` lists them",
        )
    return answer["LaunchTemplateVersions"][0]


def _version(entry: LaunchTemplateVersionTypeDef) -> TemplateVersion:
    data = entry["LaunchTemplateData"]
    profile = data.get("IamInstanceProfile", {})
    return TemplateVersion(
        id=TemplateId(entry["LaunchTemplateId"]),
        number=entry["VersionNumber"],
        image=data.get("ImageId", ""),
        description=entry.get("VersionDescription", ""),
        default=entry.get("DefaultVersion", False),
        created=entry.get("CreateTime"),
        instance_type=data.get("InstanceType", ""),
        instance_profile=profile.get("Name") or profile.get("Arn", ""),
        user_data=data.get("UserData", ""),
        mapped_snapshots=_mapped_snapshots(data),
    )


def _mapped_snapshots(data: ResponseLaunchTemplateDataTypeDef) -> dict[str, SnapshotId]:
    mapped = {}
    for mapping in data.get("BlockDeviceMappings", []):
        snapshot = mapping.get("Ebs", {}).get("SnapshotId")
        if snapshot:
            mapped[mapping.get("DeviceName", "")] = SnapshotId(snapshot)
    return mapped
