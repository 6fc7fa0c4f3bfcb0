# To be sourced: installs Debian packages that are missing. Quick when all are there.

install_packages() {
    local missing=() package
    for package in "$@"; do
        if ! dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed'; then
            missing+=("$package")
        fi
    done
    if [ ${#missing[@]} -eq 0 ]; then
        return
    fi
    echo "installing: ${missing[*]}"
    local sudo=()
    if [ "$(id -u)" -ne 0 ]; then
        sudo=(sudo)
    fi
    # Without --no-install-recommends this would install several times as much.
    local install=("${sudo[@]}" env DEBIAN_FRONTEND=noninteractive
        apt-get install -y -q --no-install-recommends "${missing[@]}")
    local log
    log=$(mktemp)
    if ! { "${sudo[@]}" apt-get update -q && "${install[@]}"; } >"$log" 2>&1; then
        cat "$log" >&2
        echo "could not install: ${missing[*]}" >&2
        exit 1
    fi
    rm -f "$log"
}

# Without dpkg-dev Meson does not know Debian's folder for libraries, and takes lib64, where no program looks.
build_packages=(g++ meson ninja-build pkg-config dpkg-dev luajit zlib1g-dev)

# install_node: installs Node (Debian's, if there is none), and koffi, with which it calls C, in build/node.
install_node() {
    if [ -e build/node/node_modules/koffi ] && command -v node >/dev/null; then
        return
    fi
    local missing=()
    command -v node >/dev/null || missing+=(nodejs)
    command -v npm >/dev/null || missing+=(npm)
    install_packages "${missing[@]}"
    mkdir -p build/node
    timeout 300 npm install --prefix build/node --ignore-scripts --no-audit --no-fund koffi@3.3.4 \
        >build/node/log 2>&1
}
windows_packages=(wine wine64 g++-mingw-w64-x86-64-posix googletest make)
