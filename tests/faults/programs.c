#include "programs.h"

#include <stdlib.h>
#include <string.h>

/* The linker's names of the calls themselves, which are neither counted nor made to fail. */
void *__real_malloc(size_t bytes);
void __real_free(void *block);
cl_int __real_clGetProgramInfo(cl_program program, cl_program_info what, size_t bytes, void *value,
                               size_t *written);
cl_int __real_clBuildProgram(cl_program program, cl_uint n, const cl_device_id *devices,
                             const char *options, void(CL_CALLBACK *notice)(cl_program, void *),
                             void *user);

/* Kept until the process ends, as a test is one. */
struct built {
    struct built *next;
    cl_program program, before;
    cl_context context;
    char *source, *options;
    size_t bytes; /* of the source */
};
static struct built *all_built;

/* NULL for a program made from a binary. */
static char *source_of(cl_program program, size_t *bytes)
{
    if (__real_clGetProgramInfo(program, CL_PROGRAM_SOURCE, 0, NULL, bytes) != CL_SUCCESS ||
        *bytes <= 1) {
        return NULL;
    }
    char *source = __real_malloc(*bytes);
    if (source) {
        __real_clGetProgramInfo(program, CL_PROGRAM_SOURCE, *bytes, source, NULL);
    }
    return source;
}

static cl_context context_of(cl_program program)
{
    cl_context context = NULL;
    __real_clGetProgramInfo(program, CL_PROGRAM_CONTEXT, sizeof context, &context, NULL);
    return context;
}

static struct built *find(cl_context context, const char *source, size_t bytes, const char *options)
{
    struct built *built = all_built;
    while (built && (built->context != context || built->bytes != bytes ||
                     memcmp(built->source, source, bytes) || strcmp(built->options, options))) {
        built = built->next;
    }
    return built;
}

/* Takes the source; without memory nothing is kept. */
static void keep(cl_program program, char *source, size_t bytes, const char *options)
{
    struct built *built = __real_malloc(sizeof *built);
    char *copy = __real_malloc(strlen(options) + 1);
    if (!built || !copy || clRetainProgram(program) != CL_SUCCESS) {
        __real_free(built);
        __real_free(copy);
        __real_free(source);
        return;
    }
    *built = (struct built){
        .next = all_built,
        .program = program,
        .before = program,
        .context = context_of(program),
        .source = source,
        .options = strcpy(copy, options),
        .bytes = bytes,
    };
    all_built = built;
}

cl_int programs_build(cl_program program, cl_uint n, const cl_device_id *devices,
                      const char *options, void(CL_CALLBACK *notice)(cl_program, void *),
                      void *user)
{
    size_t bytes = 0;
    char *source = source_of(program, &bytes);
    struct built *built = source ? find(context_of(program), source, bytes, options) : NULL;
    if (built) {
        built->before = program;
        __real_free(source);
        return CL_SUCCESS;
    }
    const cl_int code = __real_clBuildProgram(program, n, devices, options, notice, user);
    if (code == CL_SUCCESS && source) {
        keep(program, source, bytes, options);
    } else {
        __real_free(source);
    }
    return code;
}

cl_program programs_behind(cl_program program)
{
    for (const struct built *built = all_built; built; built = built->next) {
        if (built->before == program) {
            return built->program;
        }
    }
    return program;
}

cl_program programs_before(cl_program program)
{
    for (const struct built *built = all_built; built; built = built->next) {
        if (built->program == program && built->before) {
            return built->before;
        }
    }
    return program;
}

void programs_forget(cl_program program)
{
    for (struct built *built = all_built; built; built = built->next) {
        if (built->before == program) {
            built->before = NULL;
        }
    }
}
