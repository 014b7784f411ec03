/* Programs: built once, kept in memory, their binaries kept on disk. */
#ifndef CLATTN_PROGRAM_H
#define CLATTN_PROGRAM_H

#include "device.h"

struct clattn__program;

/* All programs of a device.  Thread-safe. */
struct clattn__programs {
    const struct clattn__device *device;
    const char *cache_dir;  /* NULL = memory only */
    const char *kernel_dir; /* NULL = embedded */
    clattn__mutex lock;     /* of the list, and of building */
    struct clattn__program *first;
};

/* None yet.  The directories are not copied. */
void clattn__programs_open(struct clattn__programs *programs, const struct clattn__device *device,
                           const char *cache_dir, const char *kernel_dir);

/* Releases all, and stores the binaries of what was compiled anew. */
void clattn__programs_close(struct clattn__programs *programs);

/* A kernel of the program that file and options give.  It comes from memory, else
 * from the disk cache, else from the compiler.  The caller releases *out, and calls
 * clattn__kernel_ready after its first launch. */
clattn_status clattn__kernel_create(struct clattn__programs *programs, const char *file,
                                    const char *name, const char *options, cl_kernel *out);

/* Says that a kernel was launched once.  Before that, drivers such as PoCL have no
 * machine code, and a binary stored would lack it. */
void clattn__kernel_ready(struct clattn__programs *programs, cl_kernel kernel);

/* How the kernel's program came to be; for clattn_context_warm. */
void clattn__kernel_build(struct clattn__programs *programs, cl_kernel kernel, clattn_build *out);

/* SHA-256 of all that a program's binary, and what it computes, depends on: source, options,
 * device, and the versions of driver, platform and library. */
void clattn__program_key(const clattn_device_facts *facts, const char *source, const char *options,
                         char key[65]);

#endif /* CLATTN_PROGRAM_H */
