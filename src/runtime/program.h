/* Programs: built once, kept in memory, their binaries kept on disk. */
#ifndef CLATTN_PROGRAM_H
#define CLATTN_PROGRAM_H

#include "registry/context.h"

/* A kernel of the program that file and options give.  It comes from memory, else
 * from the disk cache, else from the compiler.  The caller releases *out, and calls
 * clattn__kernel_ready after its first launch. */
clattn_status clattn__kernel_create(clattn_context *context, const char *file, const char *name,
                                    const char *options, cl_kernel *out);

/* Says that a kernel was launched once.  Before that, drivers such as PoCL have no
 * machine code, and a binary stored would lack it. */
void clattn__kernel_ready(clattn_context *context, cl_kernel kernel);

/* How the kernel's program came to be; for clattn_context_warm. */
void clattn__kernel_build(clattn_context *context, cl_kernel kernel, clattn_build *out);

/* SHA-256 of all that a program's binary, and what it computes, depends on: source, options,
 * device, and the versions of driver, platform and library. */
void clattn__program_key(const clattn_context *context, const char *source, const char *options,
                         char key[65]);

/* Releases all, and stores the binaries of what was compiled anew. */
void clattn__programs_free(clattn_context *context);

#endif /* CLATTN_PROGRAM_H */
