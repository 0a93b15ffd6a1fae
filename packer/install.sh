#!/bin/sh
# Installs S4 Firewall from a bundle (packer/bundle.py), without a network.  Run as root:
#
#   install.sh BUNDLE
#
# It needs Python 3.11 with venv and headers, and gcc: what a distribution has to bring
# (distribution.sh does so on Amazon Linux).  Everything of ours goes into /opt/s4fw; running it again
# replaces that in one step, so a running firewall goes on with the old one until it is restarted.
set -eu

bundle=${1:?usage: install.sh BUNDLE}
bundle=$(cd "$bundle" && pwd)
prefix=/opt/s4fw
python=${PYTHON:-python3.11}

# A machine without an init (a container, a folder) has users and files, but no units to enable.
has_systemd() { [ -d /run/systemd/system ]; }

for file in requirements.lock build.lock source.tar.gz s4fw.service s4fw.sysusers; do
    [ -f "$bundle/$file" ] || { echo "install.sh: $bundle has no $file" >&2; exit 1; }
done
command -v "$python" >/dev/null || { echo "install.sh: missing $python" >&2; exit 1; }

# -- a user without password, shell or home --------------------------------------------------------
if ! getent passwd s4fw >/dev/null; then
    groupadd --system s4fw
    useradd --system --gid s4fw --no-create-home --home-dir /var/lib/s4fw \
        --shell /usr/sbin/nologin --comment "S4 Firewall" s4fw
fi
usermod --lock s4fw

# -- the program, beside the old one ---------------------------------------------------------------
release="$prefix-$(date -u +%Y%m%d%H%M%S)"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$python" -m venv "$release"
"$python" -m venv "$work/build"
install_locked() { # VENV LOCK: only what the lock names, only with its digest
    "$1/bin/python" -m pip install --quiet --disable-pip-version-check --no-cache-dir --no-index \
        --no-deps --find-links "$bundle/wheels" --require-hashes --requirement "$2"
}
install_locked "$release" "$bundle/requirements.lock"
install_locked "$work/build" "$bundle/requirements.lock"
install_locked "$work/build" "$bundle/build.lock"

# Compiled here, for this kind of processor.  Neoverse N1 is c6g; what runs there runs on c7g as well,
# and both have atomic instructions (LSE), which the compiler then uses instead of asking each time.
case "$(uname -m)" in
    aarch64) CFLAGS="-O2 -mcpu=neoverse-n1" ;;
    *) CFLAGS="-O2" ;;
esac
export CFLAGS
mkdir "$work/source"
tar -xzf "$bundle/source.tar.gz" -C "$work/source"
(
    cd "$work/source"
    PATH="$work/build/bin:$PATH" S4FW_COMPILE="${S4FW_COMPILE:-1}" "$work/build/bin/python" -m pip \
        wheel --quiet --disable-pip-version-check --no-index --no-deps --no-build-isolation \
        --wheel-dir "$work" .
)
"$release/bin/python" -m pip install --quiet --disable-pip-version-check --no-cache-dir --no-index \
    --no-deps "$work"/s4fw-*.whl

mkdir -p "$release/libexec"
for file in fetch_config.py watch_lifecycle.py mount-state; do
    install -m 0755 "$bundle/$file" "$release/libexec/$file"
done
# The firewall cannot write here, so what Python would cache is written now.
"$release/bin/python" -m compileall -q "$release/lib" >/dev/null || true
"$release/bin/python" -m pip --disable-pip-version-check uninstall --quiet --yes setuptools wheel \
    2>/dev/null || true

# Scripts name the folder they were made in: they are made for the name that is a link to it.
grep -rlIF "$release" "$release/bin" | xargs -r sed -i "s#$release#$prefix#g"
chmod -R go-w "$release"

# -- switch ----------------------------------------------------------------------------------------
old=$(readlink "$prefix" || true)
ln -sfn "$release" "$prefix.new"
mv -T "$prefix.new" "$prefix"
if [ -n "$old" ] && [ "$old" != "$release" ]; then
    # The last one stays, to go back to; those before it go.
    for path in "$prefix"-[0-9]*; do
        [ "$path" = "$release" ] || [ "$path" = "$old" ] || rm -rf "$path"
    done
fi

# -- configuration and units -----------------------------------------------------------------------
install -d -m 0750 -o root -g s4fw /etc/s4fw
if [ ! -e /etc/s4fw/s4fw.yaml ]; then
    "$prefix/bin/s4fw" init "$work" >/dev/null
    install -m 0640 -o root -g s4fw "$work/s4fw.yaml" /etc/s4fw/s4fw.yaml
fi
install -d /etc/systemd/system /usr/lib/sysusers.d
install -m 0644 "$bundle"/s4fw*.service /etc/systemd/system/
install -m 0644 "$bundle/s4fw.sysusers" /usr/lib/sysusers.d/s4fw.conf
if has_systemd; then
    systemctl daemon-reload
fi
ln -sf ../s4fw.service /etc/systemd/system/multi-user.target.wants/s4fw.service 2>/dev/null || {
    mkdir -p /etc/systemd/system/multi-user.target.wants
    ln -sf ../s4fw.service /etc/systemd/system/multi-user.target.wants/s4fw.service
}
echo "installed $("$prefix/bin/s4fw" --version) in $prefix"
