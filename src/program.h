/* Programs: built once, kept in memory, their binaries kept on disk. */
#ifndef CLATTN_PROGRAM_H
#define CLATTN_PROGRAM_H

#include "context_internal.h"

/* A kernel of the program that file and options give.  It comes from memory, else
 * from the disk cache, else from the compiler.  The caller releases *out, and calls
 * clattn__kernel_ready after its first launch. */
clattn_status clattn__kernel_create(clattn_context *context, const char *file, const char *name,
                                    const char *options, cl_kernel *out);

/* Stores the binary of a kernel's program if it was compiled anew.  After a first
 * launch, because drivers such as PoCL compile at that moment and a binary stored
 * earlier would lack the machine code. */
void clattn__kernel_ready(clattn_context *context, cl_kernel kernel);

/* How the kernel's program came to be; for clattn_context_warm. */
void clattn__kernel_build(clattn_context *context, cl_kernel kernel, clattn_build *out);

void clattn__programs_free(struct clattn__program *list);

#endif /* CLATTN_PROGRAM_H */
