/* An OpenCL driver for a device that is not here.  It computes nothing: buffers hold zeros, every
 * kernel is a success, and each one launched is reported with the program it is of.  So the library
 * itself tells what it would compile on such a device. */
#ifndef OFFLINE_DRIVER_H
#define OFFLINE_DRIVER_H

#include <clattn/context.h>

/* What the device answers when it is asked. */
struct offline_device {
    const char *name, *vendor, *platform, *extensions;
    cl_uint vendor_id, compute_units;
    size_t max_work_group;
    cl_ulong local_bytes;
    const cl_device_info *more; /* pairs: what, and its cl_uint; until 0 */
};

/* Of a kernel the first time it is launched. */
typedef void offline_launch(const char *source, const char *options, const char *function,
                            const size_t local[3]);

/* The one device there is from now on. */
void offline_pretend(const struct offline_device *device, offline_launch *launch);

#endif /* OFFLINE_DRIVER_H */
