# What the scripts beside this one share. It is sourced, never run.
#
# A script is a list of checks:
#
#   check NAME COMMAND…   prints a heading and runs the command; where it fails, so does the script
#   skip NAME WHY         notes that a check cannot run on this machine
#
# and ends with a summary of them. Scripts that call other scripts share one summary.
#
# SKIPPED means that something could not be installed, never that a check went wrong. Where
# everything can be installed, CI_NO_SKIP=1 turns a skip into a failure.
#
# Uses nothing that bash 3.2 lacks, which is what macOS has.

set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Where backtraces are asked for, the audit takes one of everything that happens, which is slow.
export RUST_BACKTRACE=0

# Builds that would fight over one target directory each get a directory in here.
ci_target=${CARGO_TARGET_DIR:-target}
case $ci_target in
/*) ;;
*) ci_target=$PWD/$ci_target ;;
esac
ci_target=$ci_target/ci

# A directory for whatever a script needs until it ends.
scratch=$(mktemp -d)

# The check that is running, for the summary.
current=

# Only the script that a person called prints the summary.
summary_is_ours=
if [[ -z ${CI_SUMMARY:-} ]]; then
    summary_is_ours=yes
    export CI_SUMMARY=$scratch/summary
    : >"$CI_SUMMARY"
fi

finish() {
    local status=$?
    if [[ $status -ne 0 ]] && ! grep -q '^FAILED' "$CI_SUMMARY"; then
        echo "FAILED:  ${current:-$0, outside its checks}" >>"$CI_SUMMARY"
    fi
    if [[ -n $summary_is_ours ]]; then
        printf '\n=== Summary\n\n'
        cat "$CI_SUMMARY"
        printf '\n%s passed, %s skipped, %s failed, %s s\n' \
            "$(grep -c '^passed' "$CI_SUMMARY")" "$(grep -c '^SKIPPED' "$CI_SUMMARY")" \
            "$(grep -c '^FAILED' "$CI_SUMMARY")" "$SECONDS"
    fi
    rm -rf "$scratch"
    exit "$status"
}
trap finish EXIT

# check NAME COMMAND…: in a subshell, which shows each command and keeps variables to itself.
check() {
    current=$1
    shift
    printf '\n=== %s\n\n' "$current"
    local start=$SECONDS
    (
        PS4='$ '
        set -x
        "$@"
    )
    echo "passed:  $current ($((SECONDS - start)) s)" >>"$CI_SUMMARY"
    current=
}

# skip NAME WHY
skip() {
    printf '\nSKIPPED: %s: %s\n' "$1" "$2"
    if [[ -n ${CI_NO_SKIP:-} ]]; then
        current="$1, skipped under CI_NO_SKIP: $2"
        return 1
    fi
    echo "SKIPPED: $1: $2" >>"$CI_SUMMARY"
}

# Why the last installation failed.
why=

# install WHAT COMMAND…: runs a command that installs something. Answers whether it could.
install() {
    local what=$1 log=$scratch/install.log
    shift
    echo "installing $what: $*"
    if "$@" >"$log" 2>&1; then
        return 0
    fi
    cat "$log"
    why="$what cannot be installed: $(grep -m 1 -E '^(error|E:)|not found' "$log" || tail -n 1 "$log")"
    return 1
}

# The functions below are asked in conditions, where `set -e` does not reach: each is one command
# or a chain of them.

# have_toolchain NAME
have_toolchain() {
    rustup run "$1" rustc --version >/dev/null 2>&1 ||
        install "Rust $1" rustup toolchain install "$1" --profile minimal --no-self-update
}

# have_component NAME COMMAND…: the command shows whether it is there.
have_component() {
    local component=$1
    shift
    "$@" >/dev/null 2>&1 || install "$component" rustup component add "$component"
}

# have_target TRIPLE
have_target() {
    [[ -d $(rustc --print sysroot)/lib/rustlib/$1/lib ]] ||
        install "the target $1" rustup target add "$1"
}

# have_std_source: with it nightly Rust compiles the standard library itself, as `-Zbuild-std`.
have_std_source() {
    have_toolchain nightly && {
        [[ -d $(rustup run nightly rustc --print sysroot)/lib/rustlib/src/rust/library ]] ||
            install "the standard library's source" \
                rustup component add rust-src --toolchain nightly
    }
}

# have_package COMMAND PACKAGE…: by Debian's package manager. The command shows whether they are
# there.
have_package() {
    local command=$1
    shift
    command -v "$command" >/dev/null || install "$*" apt_install "$@"
}

apt_install() {
    local as_root=
    [[ $(id -u) -eq 0 ]] || as_root="sudo -n"
    $as_root apt-get update &&
        $as_root env DEBIAN_FRONTEND=noninteractive \
            apt-get install -y --no-install-recommends "$@"
}

# The names in Cargo.toml's [features]. Elsewhere in the metadata `features` is a list, not a map.
features() {
    cargo metadata --no-deps --format-version 1 |
        sed -n 's/.*"features":{\([^}]*\)}.*/\1/p' | grep -o '"[^"]*":\[' | tr -d '":['
}

# The triple of this machine.
host_triple() {
    rustc -vV | sed -n 's/^host: //p'
}
