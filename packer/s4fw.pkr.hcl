# An Amazon Linux 2023 image (arm64) with S4 Firewall, enabled and tested.
#
#   make bundle MACHINE=aarch64
#   packer init packer && packer build -var bundle=dist/bundle-aarch64 packer
#
# The only thing fetched during the build are the distribution's packages, of the release that the
# source image is locked to; everything else comes from the bundle, checked by its digests.

variable "bundle" {
  type        = string
  description = "The folder that packer/bundle.py made."
}

variable "region" {
  type    = string
  default = "us-east-1"
}

variable "source_ami" {
  type        = string
  default     = ""
  description = "An exact image to start from, for the same result again; empty for the newest."
}

variable "subnet_id" {
  type        = string
  default     = ""
  description = "Where to build; empty for the default VPC."
}

variable "kms_key_id" {
  type        = string
  default     = ""
  description = "The key of the image's volume; empty for the account's default key."
}

variable "instance_type" {
  type        = string
  default     = "c7g.large"
  description = "Any c6g or c7g: what is compiled runs on both."
}

source "amazon-ebs" "al2023_arm64" {
  region        = var.region
  source_ami    = var.source_ami
  instance_type = var.instance_type
  subnet_id     = var.subnet_id
  ssh_username  = "ec2-user"
  ami_name      = "s4fw-al2023-arm64-{{timestamp}}"

  # A key for this build alone, gone at its end; distribution.sh removes its public half.
  temporary_key_pair_name   = "s4fw-build-{{timestamp}}"
  ssh_clear_authorized_keys = true

  source_ami_filter {
    owners      = ["amazon"]
    most_recent = true
    filters = {
      name                = "al2023-ami-2023.*-kernel-*-arm64"
      architecture        = "arm64"
      root-device-type    = "ebs"
      virtualization-type = "hvm"
    }
  }

  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }

  encrypt_boot = true
  kms_key_id   = var.kms_key_id
  launch_block_device_mappings {
    device_name           = "/dev/xvda"
    volume_size           = 12
    volume_type           = "gp3"
    iops                  = 3000
    throughput            = 125
    delete_on_termination = true
  }

  tags = {
    Name   = "s4fw"
    Source = "{{ .SourceAMI }}"
  }
}

build {
  sources = ["source.amazon-ebs.al2023_arm64"]

  provisioner "file" {
    source      = var.bundle
    destination = "/tmp/s4fw-bundle"
  }
  provisioner "shell" {
    script          = "${path.root}/distribution.sh"
    execute_command = "sudo sh {{ .Path }} before"
  }
  provisioner "shell" {
    inline = [
      "sudo sh /tmp/s4fw-bundle/install.sh /tmp/s4fw-bundle",
      "sudo sh /tmp/s4fw-bundle/smoke.sh",
      "sudo systemd-analyze verify s4fw.service s4fw-config.service s4fw-lifecycle.service",
      "sudo systemctl enable s4fw-config.service s4fw.service",
      # What was promised, looked at once more: a locked user, an enabled unit.
      "sudo passwd --status s4fw | grep -Eq '^s4fw (L|LK) '",
      "systemctl is-enabled --quiet s4fw.service",
    ]
  }
  # Last, because nobody gets in any more afterwards.
  provisioner "shell" {
    script          = "${path.root}/distribution.sh"
    execute_command = "sudo sh {{ .Path }} after"
  }
}
