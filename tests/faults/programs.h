/* Programs that are built once.  A scenario is repeated hundreds of times, and compilers took most
 * of that: a program whose source and options were built before is made anew, as it was, but what
 * was built then stands behind it. */
#ifndef PROGRAMS_H
#define PROGRAMS_H

#include <clattn/base.h>

/* As clBuildProgram. */
cl_int programs_build(cl_program program, cl_uint n, const cl_device_id *devices,
                      const char *options, void(CL_CALLBACK *notice)(cl_program, void *),
                      void *user);

/* The built program that stands behind this one; itself if none does. */
cl_program programs_behind(cl_program program);

/* The one whose user this built program stands behind; itself if there is none. */
cl_program programs_before(cl_program built);

/* To be called before a program is released: another may get its address. */
void programs_forget(cl_program program);

#endif /* PROGRAMS_H */
