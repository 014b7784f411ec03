/* program.c: the disk cache.  A good file saves compiling; any other is rebuilt, never
 * trusted, and replaced; what cannot be written is only logged.
 *
 * The kernel is the plain projection, cheap to compile.  A file that was trusted wrongly
 * would show as loaded from the cache, or in what the kernel computes. */
#include "support/fixture.h"

#include "registry/op.h"
#include "runtime/program.h"
#include "runtime/sha256.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { HEADER_BYTES = 192 };

static clattn_context *context_with_cache(const char *cache)
{
    const clattn_context_desc desc = {.cache_dir = cache, .log = log_append, .user = &fixture.log};
    clattn_context *context = NULL;
    assert_ok(clattn_context_create(&desc, &context));
    return context;
}

static clattn_op *make_projection(clattn_context *context, clattn_type out_type)
{
    const clattn_project_desc desc = {
        .in_dim = 3, .out_dim = 2, .out_type = out_type, .kernel = "plain"};
    clattn_op *op = NULL;
    assert_ok(clattn_project_create(context, &desc, &op));
    return op;
}

static cl_mem floats(const clattn_context *context, const float *values, int count)
{
    cl_int code;
    const cl_mem mem =
        clCreateBuffer(clattn_context_cl(context), CL_MEM_READ_WRITE | CL_MEM_COPY_HOST_PTR,
                       (size_t)count * sizeof *values, (void *)(size_t)values, &code);
    ck_assert_int_eq(code, CL_SUCCESS);
    return mem;
}

/* {1, 2, 3} times {1, 0, 0; 0, 1, 1} is {1, 5}. */
static void assert_computes(clattn_context *context, const clattn_op *op)
{
    const float x[3] = {1, 2, 3}, weight[6] = {1, 0, 0, 0, 1, 1};
    float y[2] = {0, 0};
    const cl_command_queue queue = queue_make(context);
    const clattn_project_args args = {
        .x = {.mem = floats(context, x, 3), .size = {1, 1, 1, 3}},
        .weight = {.mem = floats(context, weight, 6), .size = {1, 2, 1, 3}},
        .y = {.mem = floats(context, y, 2), .size = {1, 1, 1, 2}},
    };
    assert_ok(clattn_project_run(op, queue, &args, NULL));
    clEnqueueReadBuffer(queue, args.y.mem, CL_TRUE, 0, sizeof y, y, 0, NULL, NULL);
    ck_assert(y[0] == 1 && y[1] == 5);
    clReleaseMemObject(args.x.mem);
    clReleaseMemObject(args.weight.mem);
    clReleaseMemObject(args.y.mem);
    clReleaseCommandQueue(queue);
}

/* Makes the kernel in a new context and says whether it came from the disk. */
static bool loads(void)
{
    clattn_context *context = context_with_cache(fixture.directory);
    clattn_op *op = make_projection(context, CLATTN_F32);
    clattn_build build = {0};
    clattn__kernel_build(&context->programs, op->kernel, &build);
    assert_computes(context, op);
    clattn_op_destroy(op);
    clattn_context_destroy(context);
    return build.from_cache;
}

/* The one entry's name; other files are what should not have been left. */
static void only_entry(char name[PATH_TEXT_BYTES])
{
    ck_assert_int_eq(directory_count(fixture.directory, ".bin", name), 1);
    ck_assert_int_eq(directory_count(fixture.directory, "", NULL), 1);
}

/* ---- Good files ------------------------------------------------------------ */

START_TEST(a_second_context_loads_what_the_first_one_compiled)
{
    char name[PATH_TEXT_BYTES];
    ck_assert(!loads());
    only_entry(name);
    ck_assert(loads());
    only_entry(name);
}
END_TEST

START_TEST(without_a_directory_nothing_is_kept)
{
    for (int i = 0; i < 2; i++) {
        clattn_context *context = context_with_cache(NULL);
        clattn_op *op = make_projection(context, CLATTN_F32);
        clattn_build build = {0};
        clattn__kernel_build(&context->programs, op->kernel, &build);
        ck_assert(!build.from_cache);
        clattn_op_destroy(op);
        clattn_context_destroy(context);
    }
    ck_assert_int_eq(directory_count(fixture.directory, "", NULL), 0);
}
END_TEST

START_TEST(a_context_compiles_the_same_kernel_once)
{
    clattn_context *context = context_with_cache(NULL);
    clattn_op *first = make_projection(context, CLATTN_F32),
              *second = make_projection(context, CLATTN_F32);
    cl_program programs[2] = {NULL, NULL};
    clGetKernelInfo(first->kernel, CL_KERNEL_PROGRAM, sizeof(cl_program), &programs[0], NULL);
    clGetKernelInfo(second->kernel, CL_KERNEL_PROGRAM, sizeof(cl_program), &programs[1], NULL);
    ck_assert_ptr_nonnull(programs[0]);
    ck_assert_ptr_eq(programs[0], programs[1]);
    ck_assert_ptr_ne(first->kernel, second->kernel);
    clattn_op_destroy(first);
    assert_computes(context, second);
    clattn_op_destroy(second);
    clattn_context_destroy(context);
}
END_TEST

START_TEST(a_key_tells_where_each_of_its_parts_ends)
{
    clattn_context *context = context_with_cache(NULL);
    const clattn_device_facts *facts = clattn_context_facts(context);
    char key[65], again[65], other[65];
    clattn__program_key(facts, "ab", "c", key);
    clattn__program_key(facts, "ab", "c", again);
    clattn__program_key(facts, "a", "bc", other);
    ck_assert_str_eq(key, again);
    ck_assert_str_ne(key, other);
    clattn_context_destroy(context);
}
END_TEST

START_TEST(each_specialisation_has_a_file_of_its_own)
{
    clattn_context *context = context_with_cache(fixture.directory);
    const clattn_type types[] = {CLATTN_F32, CLATTN_F16, CLATTN_BF16};
    for (int i = 0; i < 3; i++) {
        clattn_op_destroy(make_projection(context, types[i]));
    }
    clattn_context_destroy(context);
    ck_assert_int_eq(directory_count(fixture.directory, ".bin", NULL), 3);
    ck_assert_int_eq(directory_count(fixture.directory, "", NULL), 3);
}
END_TEST

START_TEST(a_missing_directory_is_made_with_its_parents)
{
    char deep[PATH_TEXT_BYTES + 16];
    snprintf(deep, sizeof deep, "%s/one/two/three", fixture.directory);
    clattn_context *context = context_with_cache(deep);
    clattn_op_destroy(make_projection(context, CLATTN_F32));
    clattn_context_destroy(context);
    ck_assert_int_eq(directory_count(deep, ".bin", NULL), 1);
}
END_TEST

/* Whether a context whose facts were changed finds the file of an unchanged one. */
static bool loads_with(const char *name, const char *driver, const char *version)
{
    clattn_context *context = context_with_cache(fixture.directory);
    context->device.facts.name = name ? name : context->device.facts.name;
    context->device.facts.driver = driver ? driver : context->device.facts.driver;
    context->device.facts.platform_version =
        version ? version : context->device.facts.platform_version;
    clattn_op *op = make_projection(context, CLATTN_F32);
    clattn_build build = {0};
    clattn__kernel_build(&context->programs, op->kernel, &build);
    clattn_op_destroy(op);
    clattn_context_destroy(context);
    return build.from_cache;
}

START_TEST(another_device_or_driver_does_not_find_the_file)
{
    ck_assert(!loads());
    ck_assert(loads_with(NULL, NULL, NULL));
    ck_assert(!loads_with("another device", NULL, NULL));
    ck_assert(!loads_with(NULL, "another driver", NULL));
    ck_assert(!loads_with(NULL, NULL, "OpenCL 9.9 another version"));
    ck_assert_int_eq(directory_count(fixture.directory, ".bin", NULL), 4);
}
END_TEST

/* ---- Bad files ------------------------------------------------------------- */

struct file {
    char *data; /* with room for some more bytes */
    size_t bytes;
};

static void halve(struct file *f) { f->bytes /= 2; }
static void drop_the_last_byte(struct file *f) { f->bytes--; }
static void keep_the_header_only(struct file *f) { f->bytes = HEADER_BYTES; }
static void cut_the_header(struct file *f) { f->bytes = HEADER_BYTES / 2; }
static void keep_one_byte(struct file *f) { f->bytes = 1; }
static void empty(struct file *f) { f->bytes = 0; }
static void add_a_byte(struct file *f) { f->data[f->bytes++] = 'x'; }
static void fill_with_zeros(struct file *f) { memset(f->data, 0, f->bytes); }
static void fill_with_garbage(struct file *f) { memset(f->data, 0xa5, f->bytes); }
static void flip_a_bit_of_the_first_byte(struct file *f) { f->data[HEADER_BYTES] ^= 1; }
static void flip_a_bit_in_the_middle(struct file *f)
{
    f->data[HEADER_BYTES + (f->bytes - HEADER_BYTES) / 2] ^= 16;
}
static void flip_a_bit_of_the_last_byte(struct file *f) { f->data[f->bytes - 1] ^= 64; }
static void flip_a_bit_of_the_key(struct file *f) { f->data[20] ^= 1; }
static void flip_a_bit_of_the_checksum(struct file *f) { f->data[90] ^= 1; }
static void say_another_length(struct file *f) { memcpy(f->data + 147, "9999", 4); }
static void say_a_negative_length(struct file *f)
{
    memcpy(f->data + 147, "                  -1", 20);
}
static void say_a_length_that_wraps(struct file *f)
{
    memcpy(f->data + 147, "18446744073709551424", 20);
}
static void say_another_format_version(struct file *f) { memcpy(f->data, "clattn program 0", 16); }
static void say_another_program(struct file *f) { memcpy(f->data, "catlnt", 6); }

/* Well-formed, of the right key, with a right checksum: only the driver can tell. */
static void hide_rubbish_behind_a_right_header(struct file *f)
{
    static const char rubbish[] = "not a binary of any driver";
    char key[65] = "", sum[65];
    memcpy(key, f->data + 17, 64);
    clattn__sha256 hash;
    clattn__sha256_init(&hash);
    clattn__sha256_add(&hash, rubbish, sizeof rubbish);
    clattn__sha256_hex(&hash, sum);
    memset(f->data, ' ', HEADER_BYTES);
    const int length =
        sprintf(f->data, "clattn program 1 %s %s %20zu %12.1f\n", key, sum, sizeof rubbish, 1.0);
    f->data[length] = ' ';
    memcpy(f->data + HEADER_BYTES, rubbish, sizeof rubbish);
    f->bytes = HEADER_BYTES + sizeof rubbish;
}

static const struct {
    const char *what;
    void (*damage)(struct file *file);
} damages[] = {
#define DAMAGE(f)                                                                                  \
    {                                                                                              \
#f, f                                                                                      \
    }
    DAMAGE(halve),
    DAMAGE(drop_the_last_byte),
    DAMAGE(keep_the_header_only),
    DAMAGE(cut_the_header),
    DAMAGE(keep_one_byte),
    DAMAGE(empty),
    DAMAGE(add_a_byte),
    DAMAGE(fill_with_zeros),
    DAMAGE(fill_with_garbage),
    DAMAGE(flip_a_bit_of_the_first_byte),
    DAMAGE(flip_a_bit_in_the_middle),
    DAMAGE(flip_a_bit_of_the_last_byte),
    DAMAGE(flip_a_bit_of_the_key),
    DAMAGE(flip_a_bit_of_the_checksum),
    DAMAGE(say_another_length),
    DAMAGE(say_a_negative_length),
    DAMAGE(say_a_length_that_wraps),
    DAMAGE(say_another_format_version),
    DAMAGE(say_another_program),
    DAMAGE(hide_rubbish_behind_a_right_header),
#undef DAMAGE
};

enum { DAMAGES = sizeof damages / sizeof *damages };

/* A loop test: _i is the damage. */
START_TEST(a_damaged_file_is_rebuilt_and_replaced)
{
    char name[PATH_TEXT_BYTES];
    struct file file;
    ck_assert(!loads());
    only_entry(name);
    file.data = file_read(fixture.directory, name, &file.bytes);
    file.data = realloc(file.data, file.bytes + HEADER_BYTES + 64);
    ck_assert_ptr_nonnull(file.data);
    ck_assert_uint_gt(file.bytes, HEADER_BYTES);
    damages[_i].damage(&file);
    file_write(fixture.directory, name, file.data, file.bytes);
    free(file.data);

    ck_assert_msg(!loads(), "%s: the file was trusted", damages[_i].what);
    only_entry(name);
    ck_assert_msg(loads(), "%s: the file was not replaced", damages[_i].what);
}
END_TEST

START_TEST(a_file_of_another_kernel_is_not_taken)
{
    char name[PATH_TEXT_BYTES], other[PATH_TEXT_BYTES];
    size_t bytes;
    clattn_context *context = context_with_cache(fixture.directory);
    clattn_op_destroy(make_projection(context, CLATTN_F16));
    clattn_context_destroy(context);
    only_entry(other);
    char *data = file_read(fixture.directory, other, &bytes);
    char path[2 * PATH_TEXT_BYTES];
    snprintf(path, sizeof path, "%s/%s", fixture.directory, other);
    ck_assert_int_eq(remove(path), 0);
    ck_assert(!loads());
    only_entry(name);
    ck_assert_str_ne(name, other);
    file_write(fixture.directory, name, data, bytes);
    free(data);
    ck_assert(!loads());
    ck_assert(loads());
}
END_TEST

/* ---- Places that cannot be written ----------------------------------------- */

static void assert_only_logged(const char *cache)
{
    for (int i = 0; i < 2; i++) {
        fixture.log = (struct log){0};
        clattn_context *context = context_with_cache(cache);
        clattn_op *op = make_projection(context, CLATTN_F32);
        assert_computes(context, op);
        clattn_op_destroy(op);
        clattn_context_destroy(context);
        assert_contains(fixture.log.text, "cache: could not write");
    }
}

START_TEST(a_directory_that_cannot_be_made_is_only_logged)
{
    assert_only_logged("/dev/null/cache");
}
END_TEST

START_TEST(a_path_that_is_a_file_is_only_logged)
{
    char path[PATH_TEXT_BYTES + 16];
    file_write_text(fixture.directory, "file", "precious");
    snprintf(path, sizeof path, "%s/file", fixture.directory);
    assert_only_logged(path);
    size_t bytes;
    char *text = file_read(fixture.directory, "file", &bytes);
    ck_assert_str_eq(text, "precious");
    free(text);
}
END_TEST

START_TEST(a_path_that_is_too_long_is_no_cache)
{
    char path[8192];
    memset(path, 'd', sizeof path);
    path[0] = '/';
    path[sizeof path - 1] = '\0';
    clattn_context *context = context_with_cache(path);
    clattn_op *op = make_projection(context, CLATTN_F32);
    assert_computes(context, op);
    clattn_op_destroy(op);
    clattn_context_destroy(context);
}
END_TEST

START_TEST(a_directory_in_an_entrys_place_is_only_logged)
{
    char name[PATH_TEXT_BYTES], path[2 * PATH_TEXT_BYTES];
    ck_assert(!loads());
    only_entry(name);
    snprintf(path, sizeof path, "%s/%s", fixture.directory, name);
    ck_assert_int_eq(remove(path), 0);
    ck_assert_int_eq(mkdir(path, 0777), 0);
    file_write_text(path, "inside", "");
    assert_only_logged(fixture.directory);
    only_entry(name);
}
END_TEST

static void add_good_files(TCase *tests)
{
    tcase_add_test(tests, a_second_context_loads_what_the_first_one_compiled);
    tcase_add_test(tests, without_a_directory_nothing_is_kept);
    tcase_add_test(tests, a_context_compiles_the_same_kernel_once);
    tcase_add_test(tests, a_key_tells_where_each_of_its_parts_ends);
    tcase_add_test(tests, each_specialisation_has_a_file_of_its_own);
    tcase_add_test(tests, a_missing_directory_is_made_with_its_parents);
    tcase_add_test(tests, another_device_or_driver_does_not_find_the_file);
}

static void add_bad_files(TCase *tests)
{
    tcase_add_loop_test(tests, a_damaged_file_is_rebuilt_and_replaced, 0, DAMAGES);
    tcase_add_test(tests, a_file_of_another_kernel_is_not_taken);
    tcase_add_test(tests, a_directory_that_cannot_be_made_is_only_logged);
    tcase_add_test(tests, a_path_that_is_a_file_is_only_logged);
    tcase_add_test(tests, a_path_that_is_too_long_is_no_cache);
    tcase_add_test(tests, a_directory_in_an_entrys_place_is_only_logged);
}

int main(void)
{
    Suite *suite = suite_create("program");
    add_good_files(
        suite_group(suite, "good files", fixture_open_directory, fixture_close_directory));
    add_bad_files(suite_group(suite, "bad files", fixture_open_directory, fixture_close_directory));
    return suite_run_on_device(suite);
}
