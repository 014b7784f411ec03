#!/usr/bin/env bash
# Builds a program against the installed library in the three ways that users have:
# pkg-config, CMake's find_package, and as a meson subproject; and runs each.
# usage: run.sh SOURCE_ROOT
set -euo pipefail

root=$(cd "$1" && pwd)
program=$root/tests/consumer/project
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
prefix=$work/prefix

# What the caller's build was made with is not the users'.
unset CFLAGS LDFLAGS DESTDIR ASAN_OPTIONS UBSAN_OPTIONS LSAN_OPTIONS MESON_BUILD_ROOT MESON_SOURCE_ROOT
CC=${CC:-cc}

say() { printf 'consumer: %s\n' "$*"; }

install_library() {
  meson setup "$work/build" "$root" --prefix "$prefix" --buildtype release -Dtools=false -Dtests=false
  meson install -C "$work/build"
}

by_pkg_config() {
  PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name clattn.pc)")
  export PKG_CONFIG_PATH
  # shellcheck disable=SC2046 # flags are words
  "$CC" -std=c11 -Wall -Wextra -Wpedantic -Werror "$program/main.c" -o "$work/consumer" \
    $(pkg-config --static --cflags --libs clattn) -lm
  "$work/consumer"
}

by_cmake() {
  cmake -G Ninja -S "$program" -B "$work/cmake" -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_C_COMPILER="$CC"
  cmake --build "$work/cmake"
  "$work/cmake/consumer"
}

as_subproject() {
  mkdir -p "$work/project/subprojects"
  cp "$program/main.c" "$program/meson.build" "$work/project"
  ln -s "$root" "$work/project/subprojects/clattn"
  meson setup "$work/subproject" "$work/project" --wrap-mode forcefallback
  meson test -C "$work/subproject" --timeout-multiplier 10
}

step() {
  say "$1"
  if ! "$1" >"$work/log" 2>&1; then
    cat "$work/log"
    say "FAILED: $1"
    exit 1
  fi
}

step install_library
step by_pkg_config
if command -v cmake >/dev/null; then
  step by_cmake
else
  say "SKIPPED by_cmake: cmake is not installed"
fi
step as_subproject
