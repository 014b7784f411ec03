# What the lanes share.  A lane is an executable in ci/lanes whose second line says in one comment
# what it proves.  It ends with the line "N passed, N failed, N skipped", exits non-zero if
# something failed, and works alone: what it needs, it makes or waits for.
# shellcheck shell=bash
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

made=build/ci # everything the lanes make; a second run finds it there
mkdir -p "$made/logs"

# Nothing of the caller's may choose the device.
unset CLATTN_DEVICE CLATTN_KERNEL_DIR OCL_ICD_FILENAMES

# Compiled programs: by the hash of their source, options, device and driver, so that a second run
# compiles what changed.  CLATTN_CI_CACHE=DIR keeps them outside of the checkout.
XDG_CACHE_HOME=${CLATTN_CI_CACHE:-$PWD/$made/cache}
export XDG_CACHE_HOME

# The long tier: every case on every device, more random ones (ci/test --full).
full=${CLATTN_FULL:-}

# Random cases begin here: another place every day, the same one again with CLATTN_SEED.
seed=${CLATTN_SEED:-$(date +%Y%m%d)}

passed=0 failed=0 skipped=0

# Adds up every closing line of a log: "12 passed, 0 failed, 3 skipped", or without the last part.
count() {
  local p f s
  read -r p f s < <(sed -nE 's/^([0-9]+) passed, ([0-9]+) failed(, ([0-9]+) skipped)?$/\1 \2 \4/p' "$1" |
    awk '{ p += $1; f += $2; s += $3 } END { print p + 0, f + 0, s + 0 }')
  passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
  counted=$((p + f + s))
}

# Runs a program that closes with such a line and counts it.  One that ends badly without having
# counted a failure is itself the failure.
counting() {
  local log status=0 before=$failed began=$SECONDS
  log=$(mktemp)
  printf '$ %s\n' "$*"
  "$@" 2>&1 | tee "$log" || status=$?
  printf '(%d s)\n' $((SECONDS - began))
  count "$log"
  rm -f "$log"
  if [ "$counted" = 0 ] || { [ "$status" != 0 ] && [ "$failed" = "$before" ]; }; then
    printf 'FAILED (exit status %d): %s\n' "$status" "$*"
    failed=$((failed + 1))
  fi
}

# Counts one command as one case.
one_case() {
  printf '$ %s\n' "$*"
  if "$@"; then
    passed=$((passed + 1))
  else
    printf 'FAILED: %s\n' "$*"
    failed=$((failed + 1))
  fi
}

finish() {
  printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
  [ "$failed" = 0 ]
  exit
}

# The lane cannot run here.
skip() {
  printf 'SKIPPED: %s\n' "$*"
  skipped=1
  finish
}

need_tool() { command -v "$1" >/dev/null || skip "$1 is not installed (ci/setup test)"; }

# Runs a command silently; if it fails, shows what it said.
quietly() {
  local log=$1
  shift
  "$@" >"$log" 2>&1 || { cat "$log"; return 1; }
}

# build NAME [meson setup options] [-- TARGET...]: $made/NAME, all of it or these targets, built once
# however many lanes ask.
build() {
  local name=$1 options=()
  shift
  while [ $# -gt 0 ] && [ "$1" != -- ]; do
    options+=("$1")
    shift
  done
  shift $(($# > 0))
  (
    flock 9
    if [ ! -f "$made/$name/build.ninja" ]; then
      quietly "$made/logs/$name-setup.txt" meson setup "$made/$name" -Dwerror=true "${options[@]}"
    fi
    quietly "$made/logs/$name-build.txt" ninja -C "$made/$name" "$@"
  ) 9>"$made/$name.lock"
}

# The build that most lanes test.
clattn=$made/gcc/tools/clattn
need_clattn() { build gcc; }

# What host code under ASan and UBSan is run with.
sanitizer_options() {
  need_tool clang
  # The leak checker mistakes what precedes a driver's thread-local memory for its size.  A bare machine
  # has no symbolizer, which would look at drivers' leaks at every test's end: addr2line does as well.
  export ASAN_OPTIONS=strict_string_checks=1:detect_stack_use_after_return=1:intercept_tls_get_addr=0:symbolize=0
  export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
  export LSAN_OPTIONS=suppressions=$PWD/ci/leaks-of-drivers.txt:print_suppressions=0
}

# A build of clang's with them: $made/sanitize.
need_sanitized() {
  sanitizer_options
  export CC=clang
  build sanitize --buildtype=debugoptimized -Db_sanitize=address,undefined -Db_lundef=false
}

# venv NAME REQUIREMENTS: $made/NAME, a Python environment with exactly what the file lists.
# One package at a time, so that a missing network is told by the name of what could not be had.
venv() {
  local name=$1 wanted=$2 package
  (
    flock 9
    cmp -s "$wanted" "$made/$name/installed.txt" && exit
    [ -x "$made/$name/bin/pip" ] || python3 -m venv "$made/$name"
    while read -r package; do
      quietly "$made/logs/$name-pip.txt" "$made/$name/bin/pip" install --quiet \
        --disable-pip-version-check --no-deps "$package" ||
        { echo "could not fetch the Python package $package; is the network there?"; exit 1; }
    done < <(grep -v '^#' "$wanted")
    cp "$wanted" "$made/$name/installed.txt"
  ) 9>"$made/$name.lock"
}

# unpacked PACKAGE: $made/PACKAGE, the files of a Debian package that cannot be installed beside others.
unpacked() {
  local package=$1 log=$PWD/$made/logs/$1.txt
  (
    flock 9
    [ ! -d "$made/$package" ] || exit 0
    rm -rf "$made/$package.new"
    mkdir "$made/$package.new"
    cd "$made/$package.new"
    quietly "$log" apt-get -o APT::Sandbox::User=root download "$package" ||
      { echo "could not fetch the package $package; is the network there?"; exit 1; }
    dpkg-deb -x ./*.deb .
    mv "../$package.new" "../$package"
  ) 9>"$made/$package.lock"
}

# ---- Devices: each leaves only its own to be found ------------------------------------------

vendors=/etc/OpenCL/vendors # where Debian registers drivers

use_driver() {
  [ -f "$vendors/$1" ] || skip "$2 is not installed (ci/setup test)"
  export OCL_ICD_VENDORS=$vendors/$1
}

use_pocl() {
  use_driver pocl.icd pocl-opencl-icd
  export POCL_CACHE_DIR=$XDG_CACHE_HOME/pocl
  mkdir -p "$POCL_CACHE_DIR"
}

# For lanes that test host code: kernels that PoCL does not optimise take it a third of the time.
# They are kept apart from those of other lanes.
use_pocl_unoptimised() {
  export XDG_CACHE_HOME=$XDG_CACHE_HOME/unoptimised POCL_EXTRA_BUILD_FLAGS=-cl-opt-disable
  use_pocl
}

use_rusticl() {
  use_driver rusticl.icd mesa-opencl-icd
  export RUSTICL_ENABLE=llvmpipe
}

# Debian's loader takes the library itself for a folder of drivers, and the library finds its own.
use_intel() {
  [ "$(uname -m)" = x86_64 ] || skip "Intel's runtime is for x86-64"
  venv intel ci/intel-opencl.txt || { failed=1; finish; }
  export OCL_ICD_VENDORS=$PWD/$made/intel/lib/libintelocl.so
  keep=(--cache-dir "$XDG_CACHE_HOME/programs")
}

# ---- Cases ------------------------------------------------------------------------------------

jobs=${CLATTN_JOBS:-$(nproc)}
export MESON_TESTTHREADS=$jobs

# kernels_for cpus|gpus: names of the registry, a line each; without those that no device here has or
# that are made of others.
kernels_for() {
  grep -rhoE '\.name = "[a-z]+/[a-z0-9_]+"' src/ops | cut -d'"' -f2 | sort -u |
    grep -vE 'matrix|emulated|clblast|composite|classic/attention' | if [ "$1" = cpus ]; then grep wide; else grep -v wide; fi
}

# Engines whose instructions kernels can emulate, a line each.
emulated_engines() { sed -n 's/^ *EMULATED("\(.*\)",.*/\1/p' src/ops/attention/variants.c; }

# small_cases KEYS [OP]: the smoke and ci cases (of an operation) with at most so many keys or
# columns, and at most $work multiply-adds of attention, one a line, for devices that are slow.
work=1000000
small_cases() {
  cat tests/cases/smoke.txt tests/cases/ci.txt | awk -v keys="$1" -v op="${2:-}" -v work="$work" '
    !/^[a-z]/ || (op != "" && $1 != op) { next }
    { delete number
      for (i = 1; i < NF; i++) number[$i] = $(i + 1)
      dim = number["--head-dim"]; values = number["--value-dim"] ? number["--value-dim"] : dim
      batch = number["--batch"] ? number["--batch"] : 1; queries = number["--nq"] ? number["--nq"] : 20
      if (number["--nk"] <= keys && number["--columns"] <= keys && number["--nk"] * (dim + values) <= keys * 300 &&
          batch * number["--heads"] * queries * number["--nk"] * (dim + values) <= work) print }'
}

# turn N: of the lines that it reads every Nth, others each day; in the long tier all.
turn() { awk -v n="${full:+1}" -v short="$1" -v day="$seed" '{ if (!n) n = short } NR % n == day % n'; }

# A number of the short tier, and of the long one.
tiers() { if [ "$full" ]; then echo "$2"; else echo "$1"; fi; }

# `clattn check` with options; programs are kept where the driver does not keep them itself.
check() { counting "$clattn" check "${keep[@]}" "$@"; }
keep=()

# Kernels whose cases have every pair of options: `check --coverage` fails where one is lost.
covered='^(attention|attribution|block)/'

# A list with commas of the lines that it reads.
comma() { paste -s -d ,; }
