#!/usr/bin/env bash
# Builds programs against the installed libraries in the three ways that users have:
# pkg-config, CMake's find_package, and as a meson subproject; and runs each.  The libraries are
# static, and shared; the prefix has a space in it; the language is C11, and C++17.
# usage: run.sh SOURCE_ROOT
set -euo pipefail

root=$(cd "$1" && pwd)
project=$root/tests/consumer/project
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# What the caller's build was made with is not the users'.
unset CFLAGS CXXFLAGS LDFLAGS DESTDIR ASAN_OPTIONS UBSAN_OPTIONS LSAN_OPTIONS MESON_BUILD_ROOT MESON_SOURCE_ROOT
CC=${CC:-cc}
CXX=${CXX:-c++}
strict=(-Wall -Wextra -Wpedantic -Werror)
mkdir "$work/programs"
cp "$project"/* "$root/examples/generate.c" "$work/programs"

say() { printf 'consumer: %s\n' "$*"; }

# $kind is static or shared, $prefix where that was installed.
install_libraries() {
  meson setup "$work/build $kind" "$root" --prefix "$prefix" --buildtype release \
    --default-library "$kind" -Dtools=false -Dtests=false
  meson install -C "$work/build $kind"
}

answers() { python3 "$root/examples/generate_test.py" "$@"; }

# with_flags PACKAGE COMMAND...: the command, and what pkg-config says of the package.
with_flags() {
  local package=$1 flags
  shift
  flags=$(pkg-config --cflags --libs "$package")
  eval 'set -- "$@"' "$flags" # pkg-config quotes what has spaces
  "$@"
}

# Nothing foreign is in the libraries, and shared ones say what they are.
names() {
  local suffix=a library found=()
  [ "$kind" = static ] || suffix=so
  for library in libclattn libclattn_models; do
    found+=("$(readlink -f "$(find "$prefix" -name "$library.$suffix")")")
  done
  python3 "$root/tests/header_test/symbols.py" "${found[@]}"
  if [ "$kind" = shared ]; then
    readelf -d "${found[0]}" | grep -F "[libclattn.so.0]"
    readelf -d "${found[1]}" | grep -F "[libclattn_models.so.0]"
  fi
}

by_pkg_config() {
  local programs=$work/programs out="$work/by_pkg_config $kind"
  PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name clattn_models.pc)")
  LD_LIBRARY_PATH=$(dirname "$PKG_CONFIG_PATH")
  export PKG_CONFIG_PATH LD_LIBRARY_PATH
  mkdir "$out"
  with_flags clattn "$CC" -std=c11 "${strict[@]}" "$programs/main.c" -o "$out/consumer" -lm
  with_flags clattn_models "$CC" -std=c11 "${strict[@]}" "$programs/generate.c" -o "$out/generate"
  "$out/consumer"
  answers "$out/generate"
}

# The same in C++.
by_pkg_config_as_cpp() {
  local out="$work/by_pkg_config $kind"
  PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name clattn_models.pc)")
  LD_LIBRARY_PATH=$(dirname "$PKG_CONFIG_PATH")
  export PKG_CONFIG_PATH LD_LIBRARY_PATH
  with_flags clattn_models "$CXX" -std=c++17 "${strict[@]}" -x c++ "$work/programs/generate.c" -x none \
    -o "$out/generate++"
  answers "$out/generate++"
}

by_cmake() {
  cmake -G Ninja -S "$work/programs" -B "$work/cmake $kind" -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_C_COMPILER="$CC"
  cmake --build "$work/cmake $kind"
  "$work/cmake $kind/consumer"
  answers "$work/cmake $kind/generate"
}

as_subproject() {
  mkdir -p "$work/programs/subprojects"
  ln -sfn "$root" "$work/programs/subprojects/clattn"
  meson setup "$work/subproject $kind" "$work/programs" --default-library "$kind" --wrap-mode forcefallback
  meson compile -C "$work/subproject $kind"
  meson test -C "$work/subproject $kind" --timeout-multiplier 10
  answers "$work/subproject $kind/generate"
}

step() {
  local status
  say "$1, $kind"
  set +e # where a command is asked whether it failed, bash would not stop within it
  (
    set -e
    "$1"
  ) >"$work/log" 2>&1
  status=$?
  set -e
  if [ $status -ne 0 ]; then
    cat "$work/log"
    say "FAILED: $1, $kind"
    exit 1
  fi
}

for kind in static shared; do
  prefix="$work/a $kind prefix"
  step install_libraries
  step names
  step by_pkg_config
  if command -v "$CXX" >/dev/null; then
    step by_pkg_config_as_cpp
  else
    say "SKIPPED by_pkg_config_as_cpp: no C++ compiler is installed"
  fi
  if command -v cmake >/dev/null; then
    step by_cmake
  else
    say "SKIPPED by_cmake: cmake is not installed"
  fi
done
kind=static
step as_subproject
