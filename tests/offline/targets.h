/* The devices that offline compilers know, as their drivers would describe them. */
#ifndef OFFLINE_TARGETS_H
#define OFFLINE_TARGETS_H

#include "driver.h"

struct offline_target {
    const char *name; /* as compilers call it; NULL ends the table */
    struct offline_device device;
    clattn_device_facts probed; /* what a device has that only a program run on it can tell */
};

extern const struct offline_target offline_targets[];

#endif /* OFFLINE_TARGETS_H */
