# Some programs do otherwise for root: p11-kit reads no configuration in root's home, Apache wants another user for its
# workers. So root is somebody else from here on, who owns the same files. Scripts source this first.
if [ "$(id -u)" = 0 ] && [ -z "${SOMEBODY-}" ]; then
    SOMEBODY=else exec unshare --user --map-user=1000 --map-group=1000 bash -euxo pipefail "$0"
fi
