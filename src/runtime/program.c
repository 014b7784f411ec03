#include "program.h"

#include "sha256.h"
#include "source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The first OpenCL error text carries this much of a build log; the log callback gets all. */
enum { LOG_BYTES_IN_ERROR = 3000, PATH_BYTES = 4096 };

struct clattn__program {
    struct clattn__program *next;
    char key[65]; /* SHA-256 of everything its binary depends on */
    cl_program cl;
    double started_ms;
    double compile_ms; /* what compiling took, now or when the cache file was written */
    double load_ms;
    bool from_cache;
    bool ready; /* launched once, so that its binary is whole */
};

void clattn__program_key(const clattn_device_facts *facts, const char *source, const char *options,
                         char key[65])
{
    char version[16];
    snprintf(version, sizeof version, "%d", CLATTN_VERSION);
    const char *parts[] = {source, options, facts->name, facts->driver, facts->platform_version,
                           version};
    clattn__sha256 hash;
    clattn__sha256_init(&hash);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        clattn__sha256_add(&hash, parts[i], strlen(parts[i]) + 1);
    }
    clattn__sha256_hex(&hash, key);
}

/* ---- Disk ---------------------------------------------------------------- */

/* A cache file is this header, one line of text padded with spaces, and the binary. */
enum { HEADER_BYTES = 192 };
#define HEADER_FORMAT "clattn program 1 %64s %64s %20zu %12.1f\n"

static bool cache_path(const struct clattn__programs *programs, const char *key, const char *suffix,
                       char path[PATH_BYTES])
{
    return programs->cache_dir && (size_t)snprintf(path, PATH_BYTES, "%s/%s%s", programs->cache_dir,
                                                   key, suffix) < PATH_BYTES;
}

static void checksum(const void *data, size_t bytes, char hex[65])
{
    clattn__sha256 hash;
    clattn__sha256_init(&hash);
    clattn__sha256_add(&hash, data, bytes);
    clattn__sha256_hex(&hash, hex);
}

/* The binary in the file, or NULL if there is none or it is damaged in any way. */
static unsigned char *read_binary(const char *path, const char *key, size_t *bytes,
                                  double *compile_ms)
{
    FILE *file = fopen(path, "rb");
    if (!file) {
        return NULL;
    }
    char header[HEADER_BYTES + 1] = "", file_key[65] = "", sum[65] = "", real_sum[65];
    unsigned char *binary = NULL;
    if (fread(header, 1, HEADER_BYTES, file) == HEADER_BYTES &&
        sscanf(header, "clattn program 1 %64s %64s %zu %lf", file_key, sum, bytes, compile_ms) ==
            4 &&
        !strcmp(file_key, key) && fseek(file, 0, SEEK_END) == 0 &&
        ftell(file) == (long)(HEADER_BYTES + *bytes) && fseek(file, HEADER_BYTES, SEEK_SET) == 0) {
        binary = malloc(*bytes + 1);
    }
    if (binary) {
        const bool whole = fread(binary, 1, *bytes, file) == *bytes;
        checksum(binary, *bytes, real_sum);
        if (!whole || strcmp(sum, real_sum)) {
            free(binary);
            binary = NULL;
        }
    }
    fclose(file);
    return binary;
}

static bool write_binary(const char *path, const char *key, const unsigned char *binary,
                         size_t bytes, double compile_ms)
{
    char header[HEADER_BYTES + 1], sum[65];
    checksum(binary, bytes, sum);
    const int length = snprintf(header, sizeof header, HEADER_FORMAT, key, sum, bytes, compile_ms);
    if (length < 0 || length > HEADER_BYTES) {
        return false;
    }
    memset(header + length, ' ', (size_t)(HEADER_BYTES - length));
    FILE *file = fopen(path, "wb");
    if (!file) {
        return false;
    }
    const bool written = fwrite(header, 1, HEADER_BYTES, file) == HEADER_BYTES &&
                         fwrite(binary, 1, bytes, file) == bytes;
    return (fclose(file) == 0) && written;
}

/* The program's binary for the context's device; NULL if the driver has none. */
static unsigned char *get_binary(const struct clattn__programs *programs, cl_program program,
                                 size_t *bytes)
{
    cl_uint count = 0;
    if (clGetProgramInfo(program, CL_PROGRAM_NUM_DEVICES, sizeof count, &count, NULL) !=
            CL_SUCCESS ||
        count == 0) {
        return NULL;
    }
    unsigned char *binary = NULL;
    cl_device_id *devices = calloc(count, sizeof *devices);
    size_t *sizes = calloc(count, sizeof *sizes);
    unsigned char **binaries = calloc(count, sizeof *binaries);
    if (!devices || !sizes || !binaries ||
        clGetProgramInfo(program, CL_PROGRAM_DEVICES, count * sizeof *devices, devices, NULL) ||
        clGetProgramInfo(program, CL_PROGRAM_BINARY_SIZES, count * sizeof *sizes, sizes, NULL)) {
        goto done;
    }
    for (cl_uint i = 0; i < count; i++) {
        if (devices[i] == programs->device->id && sizes[i] > 0) {
            binaries[i] = binary = malloc(sizes[i]); /* NULL elsewhere: not asked for */
            *bytes = sizes[i];
        }
    }
    if (binary &&
        clGetProgramInfo(program, CL_PROGRAM_BINARIES, count * sizeof *binaries, binaries, NULL)) {
        free(binary);
        binary = NULL;
    }
done:
    free(devices);
    free(sizes);
    free(binaries);
    return binary;
}

/* Written beside and renamed, so that no reader ever sees half a file. */
static void store(const struct clattn__programs *programs, const struct clattn__program *program)
{
    char path[PATH_BYTES], suffix[64], beside[PATH_BYTES];
    snprintf(suffix, sizeof suffix, ".%lu.%p", clattn__process_id(), (const void *)program);
    if (!cache_path(programs, program->key, ".bin", path) ||
        !cache_path(programs, program->key, suffix, beside)) {
        return;
    }
    size_t bytes = 0;
    unsigned char *binary = get_binary(programs, program->cl, &bytes);
    const bool stored = binary && clattn__make_directories(programs->cache_dir) &&
                        write_binary(beside, program->key, binary, bytes, program->compile_ms) &&
                        clattn__replace_file(beside, path);
    if (!stored) {
        remove(beside);
        clattn__log(programs->device,
                    "cache: could not write '%s'; the kernel will be compiled again", path);
    }
    free(binary);
}

/* ---- Building ------------------------------------------------------------ */

static clattn_status build_failure(const struct clattn__programs *programs, cl_program program,
                                   const char *file, const char *options, cl_int code)
{
    size_t bytes = 0;
    clGetProgramBuildInfo(program, programs->device->id, CL_PROGRAM_BUILD_LOG, 0, NULL, &bytes);
    char *log = calloc(1, bytes + 1);
    if (log && bytes) {
        clGetProgramBuildInfo(program, programs->device->id, CL_PROGRAM_BUILD_LOG, bytes, log,
                              NULL);
    }
    clattn__log(programs->device, "%s did not compile (%s) with %s\n%s", file,
                clattn__opencl_name(code), options, log ? log : "");
    const clattn_status status = clattn__fail(CLATTN_ERR_BUILD, "%s did not compile (%s): %.*s",
                                              file, clattn__opencl_name(code), LOG_BYTES_IN_ERROR,
                                              log && log[0] ? log : "no build log");
    free(log);
    return status;
}

static bool load_cached(const struct clattn__programs *programs, const char *options,
                        struct clattn__program *program)
{
    char path[PATH_BYTES];
    if (!cache_path(programs, program->key, ".bin", path)) {
        return false;
    }
    size_t bytes = 0;
    unsigned char *binary = read_binary(path, program->key, &bytes, &program->compile_ms);
    if (!binary) {
        return false;
    }
    cl_int code, binary_code = CL_SUCCESS;
    const unsigned char *const_binary = binary;
    cl_program cl = clCreateProgramWithBinary(programs->device->cl, 1, &programs->device->id,
                                              &bytes, &const_binary, &binary_code, &code);
    free(binary);
    if (code == CL_SUCCESS && binary_code == CL_SUCCESS &&
        clBuildProgram(cl, 1, &programs->device->id, options, NULL, NULL) == CL_SUCCESS) {
        program->cl = cl;
        return true;
    }
    if (code == CL_SUCCESS) {
        clReleaseProgram(cl);
    }
    clattn__log(programs->device, "cache: the driver refused '%s'; compiling anew", path);
    return false;
}

static clattn_status compile(const struct clattn__programs *programs, const char *file,
                             const char *source, const char *options,
                             struct clattn__program *program)
{
    cl_int code;
    cl_program cl = clCreateProgramWithSource(programs->device->cl, 1, &source, NULL, &code);
    TRY(clattn__opencl(code, "clCreateProgramWithSource"));
    code = clBuildProgram(cl, 1, &programs->device->id, options, NULL, NULL);
    if (code != CL_SUCCESS) {
        const clattn_status status = build_failure(programs, cl, file, options, code);
        clReleaseProgram(cl);
        return status;
    }
    program->cl = cl;
    return CLATTN_OK;
}

/* In memory, else on disk, else compiled; the context is locked. */
static clattn_status find_or_build(struct clattn__programs *programs, const char *file,
                                   const char *source, const char *options,
                                   struct clattn__program **out)
{
    char key[65];
    clattn__program_key(&programs->device->facts, source, options, key);
    for (struct clattn__program *p = programs->first; p; p = p->next) {
        if (!strcmp(p->key, key)) {
            *out = p;
            return CLATTN_OK;
        }
    }
    struct clattn__program *program = calloc(1, sizeof *program);
    if (!program) {
        return clattn__out_of_memory();
    }
    strcpy(program->key, key);
    program->started_ms = clattn__now_ms();
    program->from_cache = load_cached(programs, options, program);
    if (!program->from_cache) {
        const clattn_status status = compile(programs, file, source, options, program);
        if (status != CLATTN_OK) {
            free(program);
            return status;
        }
    }
    program->load_ms = clattn__now_ms() - program->started_ms;
    program->next = programs->first;
    programs->first = program;
    *out = program;
    return CLATTN_OK;
}

clattn_status clattn__kernel_create(struct clattn__programs *programs, const char *file,
                                    const char *name, const char *options, cl_kernel *out)
{
    char *source;
    TRY(clattn__source(programs->kernel_dir, file, &source));
    struct clattn__program *program = NULL;
    clattn__lock(&programs->lock);
    clattn_status status = find_or_build(programs, file, source, options, &program);
    if (status == CLATTN_OK) {
        cl_int code;
        cl_kernel kernel = clCreateKernel(program->cl, name, &code);
        status = clattn__opencl(code, "clCreateKernel");
        if (status == CLATTN_OK) {
            *out = kernel;
        }
    }
    clattn__unlock(&programs->lock);
    free(source);
    return status;
}

static struct clattn__program *program_of(const struct clattn__programs *programs, cl_kernel kernel)
{
    cl_program cl = NULL;
    clGetKernelInfo(kernel, CL_KERNEL_PROGRAM, sizeof cl, &cl, NULL);
    struct clattn__program *p = programs->first;
    while (p && p->cl != cl) {
        p = p->next;
    }
    return p;
}

void clattn__kernel_ready(struct clattn__programs *programs, cl_kernel kernel)
{
    clattn__lock(&programs->lock);
    struct clattn__program *program = program_of(programs, kernel);
    if (program && !program->ready) {
        program->ready = true;
        program->load_ms = clattn__now_ms() - program->started_ms;
        if (!program->from_cache) {
            program->compile_ms = program->load_ms;
        }
    }
    clattn__unlock(&programs->lock);
}

static uint64_t kernel_number(const struct clattn__programs *programs, cl_kernel kernel,
                              cl_kernel_work_group_info what)
{
    cl_ulong value = 0;
    return clGetKernelWorkGroupInfo(kernel, programs->device->id, what, sizeof value, &value,
                                    NULL) == CL_SUCCESS
               ? value
               : 0;
}

void clattn__kernel_build(struct clattn__programs *programs, cl_kernel kernel, clattn_build *out)
{
    enum { SPILL_MEM_SIZE_INTEL = 0x4109 }; /* cl_intel_required_subgroup_size */
    clattn__lock(&programs->lock);
    const struct clattn__program *program = program_of(programs, kernel);
    if (program) {
        out->compile_ms = program->compile_ms;
        out->load_ms = program->load_ms;
        out->from_cache = program->from_cache;
    }
    clattn__unlock(&programs->lock);
    out->private_bytes = kernel_number(programs, kernel, CL_KERNEL_PRIVATE_MEM_SIZE);
    out->local_bytes = kernel_number(programs, kernel, CL_KERNEL_LOCAL_MEM_SIZE);
    out->spill_bytes = kernel_number(programs, kernel, SPILL_MEM_SIZE_INTEL);
}

/* ---- All of them ----------------------------------------------------------- */

void clattn__programs_open(struct clattn__programs *programs, const struct clattn__device *device,
                           const char *cache_dir, const char *kernel_dir)
{
    *programs = (struct clattn__programs){
        .device = device, .cache_dir = cache_dir, .kernel_dir = kernel_dir};
    clattn__mutex_init(&programs->lock);
}

/* Binaries go to disk at the end: some drivers (PoCL) compile once more when asked for one, and
 * whoever waits for a first result should not wait for that. */
void clattn__programs_close(struct clattn__programs *programs)
{
    struct clattn__program *program = programs->first;
    while (program) {
        struct clattn__program *next = program->next;
        if (program->ready && !program->from_cache && programs->cache_dir) {
            store(programs, program);
        }
        clReleaseProgram(program->cl);
        free(program);
        program = next;
    }
    clattn__mutex_destroy(&programs->lock);
}
