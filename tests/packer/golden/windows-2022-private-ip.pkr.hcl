variable "rebake_source_image" {
  type = string
}
variable "rebake_image_name" {
  type = string
}
variable "rebake_region" {
  type = string
}
variable "rebake_endpoint" {
  type    = string
  default = ""
}
variable "rebake_build_name" {
  type = string
}
variable "rebake_instance_type" {
  type = string
}
variable "rebake_instance_profile" {
  type    = string
  default = ""
}
variable "rebake_subnet" {
  type    = string
  default = ""
}
variable "rebake_port" {
  type = number
}
variable "rebake_source_cidrs" {
  type    = list(string)
  default = []
}
variable "rebake_root_device" {
  type = string
}
variable "rebake_tags" {
  type = map(string)
}
variable "rebake_run_tags" {
  type = map(string)
}
variable "rebake_manifest" {
  type = string
}
variable "app_version" {
  type = string
}
variable "token" {
  sensitive = true
  type = string
}

source "amazon-ebs" "image" {
  region                  = var.rebake_region
  custom_endpoint_ec2     = var.rebake_endpoint
  skip_region_validation  = var.rebake_endpoint != ""
  skip_metadata_api_check = var.rebake_endpoint != ""
  max_retries             = 8

  source_ami           = var.rebake_source_image
  instance_type        = var.rebake_instance_type
  subnet_id            = var.rebake_subnet
  iam_instance_profile = var.rebake_instance_profile
  shutdown_behavior    = "terminate"

  launch_block_device_mappings {
    device_name           = var.rebake_root_device
    volume_type           = "gp3"
    iops                  = 3000
    throughput            = 125
    encrypted             = true
    delete_on_termination = true
  }

  #@1.7 metadata_options {
  #@1.7   http_endpoint               = "enabled"
  #@1.7   http_tokens                 = "required"
  #@1.7   http_put_response_hop_limit = 1
  #@1.7 }

  ami_name        = var.rebake_image_name
  tags            = var.rebake_tags
  snapshot_tags   = var.rebake_tags
  run_tags        = var.rebake_run_tags
  run_volume_tags = var.rebake_run_tags

  temporary_key_pair_name = var.rebake_build_name

  temporary_security_group_source_cidrs = var.rebake_source_cidrs

  ssh_interface = "private_ip"
  communicator   = "winrm"
  winrm_username = "Administrator"
  winrm_port     = 5986
  winrm_use_ssl  = true
  winrm_insecure = true
  winrm_timeout  = "20m"
  user_data_file = "scripts/winrm.ps1"
}

build {
  sources = ["source.amazon-ebs.image"]

  provisioner "powershell" {
    script            = "scripts/patch.ps1"
    elevated_user     = "SYSTEM"
    elevated_password = ""
    environment_vars  = ["REBAKE_BASELINE=security"]
  }

  provisioner "windows-restart" {
    restart_timeout = "30m"
  }

  provisioner "powershell" {
    script           = "provision/01-app.sh"
    environment_vars = [
      "app_version=${var.app_version}",
      "token=${var.token}",
    ]
  }

  provisioner "file" {
    source      = "provision/02-app.conf.tar"
    destination = "C:/Windows/Temp/rebake-unpack.tar"
  }

  provisioner "powershell" {
    script = "scripts/unpack.ps1"
  }

  provisioner "ansible" {
    playbook_file      = "provision/03-ansible/site.yml"
    user               = "Administrator"
    use_proxy          = false
    skip_version_check = true
    extra_arguments    = ["--extra-vars", "ansible_winrm_server_cert_validation=ignore"]
    ansible_env_vars   = [
      "app_version=${var.app_version}",
      "token=${var.token}",
    ]
  }

  provisioner "powershell" {
    script = "scripts/clean.ps1"
  }

  post-processor "manifest" {
    output = var.rebake_manifest
  }
}
