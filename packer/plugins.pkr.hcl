# Packer 1.7 and newer fetch the Amazon builder by this (`packer init`).  Older ones have it built in
# and do not know the block, so it stands in a file of its own.
packer {
  required_version = ">= 1.9.0"
  required_plugins {
    amazon = {
      source  = "github.com/hashicorp/amazon"
      version = "~> 1.3"
    }
  }
}
