#!/bin/sh
# What Amazon Linux 2023 has to bring, and what it has to leave; run as root on the build machine.
#
#   distribution.sh before    packages, from the release the image is locked to
#   distribution.sh after     no compiler, no keys, no traces of the build
set -eu

packages="python3.11 gcc python3.11-devel"
build_only="gcc python3.11-devel"

case "${1:-}" in
    before)
        # The repositories of AL2023 are versioned: the same image version brings the same packages.
        # shellcheck disable=SC2086
        dnf install --assumeyes --quiet --setopt=install_weak_deps=False $packages
        ;;
    after)
        # shellcheck disable=SC2086
        dnf remove --assumeyes --quiet $build_only
        dnf clean all --quiet
        # Everything that lets anybody in, or tells one machine from another, is made anew at boot.
        rm -f /etc/ssh/ssh_host_*
        find / -xdev -path /proc -prune -o -name authorized_keys -type f -exec rm -f {} +
        truncate -s 0 /etc/machine-id
        rm -rf /var/lib/cloud/instances /var/lib/cloud/instance /var/log/cloud-init*.log /tmp/s4fw-bundle*
        rm -rf /root/.cache /root/.bash_history /home/ec2-user/.bash_history
        # Nobody logs in: the firewall is looked at by its admin listener, CloudWatch, and SSM.
        systemctl disable sshd.service
        passwd --lock root >/dev/null
        if find / -xdev \( -name authorized_keys -o -name 'ssh_host_*_key' \) -type f | grep -q .; then
            echo "distribution.sh: a key is left" >&2
            exit 1
        fi
        if command -v gcc >/dev/null; then echo "distribution.sh: gcc is left" >&2; exit 1; fi
        ;;
    *)
        echo "usage: distribution.sh before|after" >&2
        exit 2
        ;;
esac
