"""Running `clattn check` until the first case that fails."""

import os
import re
import subprocess
import threading
from dataclasses import dataclass

SECONDS = 300  # that a command may take

# A failing case prints what is wrong, and behind it the command that repeats it.
FAILED = re.compile(r"^FAILED (\S+.*?): (.*)")
REPEAT = re.compile(r'^  clattn check --op \S+ --case "(.*)" --kernel ')
SANITIZER = re.compile(r"^SUMMARY: |runtime error: ")


@dataclass
class Outcome:
    kind: str  # passed, failed, nothing (no case ran), broken (it did not compile), ended (too late)
    why: str = ""
    case: str = ""


def environment_of(driver, kernels):
    """Only this driver is found, and kernels come from there."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CLATTN_")}
    environment["OCL_ICD_VENDORS"] = driver
    if kernels:
        environment["CLATTN_KERNEL_DIR"] = str(kernels)
    return environment


def read_until_failure(process):
    """What it says of the first case that fails; then it is ended."""
    why, lines = "", []
    for line in process.stderr:
        lines.append(line)
        failed, repeat = FAILED.match(line), REPEAT.match(line)
        if failed:
            why = failed[2]
        elif repeat and why:
            return Outcome("broken" if "did not compile" in why else "failed", why, repeat[1]), lines
    return None, lines


def check(clattn, options, environment, seconds=SECONDS):
    process = subprocess.Popen([clattn, "check", *options], env=environment, text=True, errors="replace",
                               stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    late = threading.Event()

    def end():
        late.set()
        process.kill()

    timer = threading.Timer(seconds, end)
    timer.start()
    try:
        outcome, lines = read_until_failure(process)
        if outcome:
            process.kill()
        process.wait()
    finally:
        timer.cancel()
        process.stderr.close()
    if outcome:
        return outcome
    if late.is_set():
        return Outcome("ended", f"still at work after {seconds} s")
    if process.returncode == 0:
        return Outcome("passed")
    if lines and "no case ran" in lines[-1]:
        return Outcome("nothing")
    summary = [line for line in lines if SANITIZER.search(line)] or lines[-1:]
    return Outcome("failed", f"exit status {process.returncode}: {''.join(summary[-1:]).strip()}")
