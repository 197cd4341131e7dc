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
  communicator  = "ssh"
  ssh_username  = "admin"
  ssh_port      = var.rebake_port
  ssh_timeout   = "10m"
}

build {
  sources = ["source.amazon-ebs.image"]

  provisioner "shell" {
    script           = "scripts/packages-apt.sh"
    execute_command  = "chmod +x {{ .Path }}; $(test \"$(id -u)\" = 0 || echo sudo -n) sh -c '. {{ .EnvVarFile }} && exec {{ .Path }}'"
    use_env_var_file = true
    environment_vars = ["REBAKE_LIST=/var/tmp/rebake-packages-before"]
  }

  provisioner "shell" {
    script           = "scripts/patch-apt.sh"
    execute_command  = "chmod +x {{ .Path }}; $(test \"$(id -u)\" = 0 || echo sudo -n) sh -c '. {{ .EnvVarFile }} && exec {{ .Path }}'"
    use_env_var_file = true
    environment_vars = ["REBAKE_BASELINE=security"]
  }

  provisioner "shell" {
    script           = "provision/01-app.sh"
    execute_command  = "chmod +x {{ .Path }}; $(test \"$(id -u)\" = 0 || echo sudo -n) sh -c '. {{ .EnvVarFile }} && exec {{ .Path }}'"
    use_env_var_file = true
    environment_vars = [
      "app_version=${var.app_version}",
      "token=${var.token}",
    ]
  }

  provisioner "file" {
    source      = "provision/02-app.conf.tar"
    destination = "/tmp/rebake-unpack.tar"
  }

  provisioner "shell" {
    script           = "scripts/unpack.sh"
    execute_command  = "chmod +x {{ .Path }}; $(test \"$(id -u)\" = 0 || echo sudo -n) sh -c '. {{ .EnvVarFile }} && exec {{ .Path }}'"
    use_env_var_file = true
    environment_vars = ["REBAKE_ARCHIVE=/tmp/rebake-unpack.tar"]
  }

  provisioner "ansible" {
    playbook_file      = "provision/03-ansible/site.yml"
    user               = "admin"
    use_proxy          = false
    skip_version_check = true
    ansible_env_vars   = [
      "app_version=${var.app_version}",
      "token=${var.token}",
    ]
  }

  provisioner "shell" {
    script           = "scripts/packages-apt.sh"
    execute_command  = "chmod +x {{ .Path }}; $(test \"$(id -u)\" = 0 || echo sudo -n) sh -c '. {{ .EnvVarFile }} && exec {{ .Path }}'"
    use_env_var_file = true
    environment_vars = ["REBAKE_LIST=/var/tmp/rebake-packages-after"]
  }

  provisioner "file" {
    direction   = "download"
    source      = "/var/tmp/rebake-packages-before"
    destination = "packages-before"
  }

  provisioner "file" {
    direction   = "download"
    source      = "/var/tmp/rebake-packages-after"
    destination = "packages-after"
  }

  provisioner "shell" {
    script           = "scripts/clean.sh"
    execute_command  = "chmod +x {{ .Path }}; $(test \"$(id -u)\" = 0 || echo sudo -n) sh -c '. {{ .EnvVarFile }} && exec {{ .Path }}'"
    use_env_var_file = true
    environment_vars = []
  }

  post-processor "manifest" {
    output = var.rebake_manifest
  }
}
