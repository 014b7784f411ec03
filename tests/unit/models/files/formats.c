/* src/models/files/npy.c, safetensors.c: files of arrays, and files that are none. */
#include <clattn/models/array.h> /* before Check, whose fail() is a macro */

#include "support/fixture.h"

#include <stdio.h>

static clattn_array a;

static void teardown(void)
{
    clattn_array_free(&a);
    fixture_close_directory();
}

static clattn_status load(const char *name)
{
    char path[2 * PATH_TEXT_BYTES];
    snprintf(path, sizeof path, "%s/%s", fixture.directory, name);
    clattn_array_free(&a);
    return clattn_array_load(path, &a);
}

static void assert_unreadable(const char *name, const char *words)
{
    assert_refused(load(name), words);
}

/* ---- .npy ------------------------------------------------------------------------------------ */

/* A file of version 1: its header's text says length bytes of itself, the data follow. */
static void write_npy(const char *header, size_t length, const void *data, size_t bytes)
{
    unsigned char file[512] = "\x93NUMPY\x01";
    const size_t there = strlen(header);
    file[8] = (unsigned char)length;
    file[9] = (unsigned char)(length >> 8);
    memcpy(file + 10, header, there);
    memcpy(file + 10 + there, data, bytes);
    file_write(fixture.directory, "a.npy", file, 10 + there + bytes);
}

static void write_header(const char *header, const void *data, size_t bytes)
{
    write_npy(header, strlen(header), data, bytes);
}

#define HEADER(descr, shape)                                                                       \
    "{'descr': '" descr "', 'fortran_order': False, 'shape': " shape ", }\n"

START_TEST(an_array_has_the_files_shape_type_and_numbers)
{
    const float numbers[6] = {1, -2, 3.5f, 0, 1e30f, -0.0f};
    const int64_t wide[2] = {-1, INT64_C(1) << 40};
    write_header(HEADER("<f4", "(2, 3)"), numbers, sizeof numbers);
    assert_ok(load("a.npy"));
    ck_assert(a.type == CLATTN_ARRAY_F32 && a.rank == 2 && a.shape[0] == 2 && a.shape[1] == 3);
    ck_assert(!memcmp(a.data, numbers, sizeof numbers));
    write_header(HEADER("<i8", "(2,)"), wide, sizeof wide);
    assert_ok(load("a.npy"));
    ck_assert(a.type == CLATTN_ARRAY_I64 && a.rank == 1 && clattn_array_get(&a, 1) == 0x1p40);
    write_header(HEADER("<f4", "()"), numbers, sizeof *numbers);
    assert_ok(load("a.npy"));
    ck_assert(a.rank == 0 && clattn_array_count(&a) == 1);
    write_header(HEADER("<f4", "(2, 0, 3)"), numbers, 0);
    assert_ok(load("a.npy"));
    ck_assert(clattn_array_count(&a) == 0 && a.data);
}
END_TEST

START_TEST(a_file_holds_what_its_shape_needs_and_no_more)
{
    const float numbers[3] = {0};
    write_header(HEADER("<f4", "(2,)"), numbers, 7);
    assert_unreadable("a.npy", "truncated: 7 bytes of data where the shape needs 8");
    write_header(HEADER("<f4", "(2,)"), numbers, 9);
    assert_unreadable("a.npy", "9 bytes of data where the shape needs 8");
    write_npy(HEADER("<f4", "(2,)"), 500, numbers, 8);
    assert_unreadable("a.npy", "truncated within the header");
    write_npy("", 0, numbers, 0);
    assert_unreadable("a.npy", "bad header");
    file_write(fixture.directory, "a.npy", "\x93NUMPY\x01", 7);
    assert_unreadable("a.npy", "not a .npy file");
}
END_TEST

START_TEST(what_cannot_be_read_is_named)
{
    static const struct {
        const char *header, *words;
    } files[] = {
        {"{'descr': '<f4', 'fortran_order': True, 'shape': (1,), }\n", "Fortran order"},
        {HEADER(">f4", "(1,)"), "'>f4' is big-endian"},
        {HEADER("|O", "(1,)"), "'|O' holds Python objects"},
        {HEADER("<c8", "(1,)"), "'<c8' is not supported"},
        {"{'descr': [('x', '<f4')], 'fortran_order': False, 'shape': (1,), }\n", "structured"},
        {HEADER("<f4", "(1, 1, 1, 1, 1, 1, 1, 1, 1)"), "more than 8 axes"},
        {HEADER("<f4", "(-1,)"), "not a size"},
        {HEADER("<f4", "(99999999999999999999,)"), "too large"},
        {HEADER("<f4", "(4294967296, 4294967296)"), "larger than memory can be"},
        {HEADER("<f8", "(1152921504606846976,)"), "larger than memory can be"},
        {"{'descr': '<f4', 'shape': (1,), }\n", "bad header"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'more': 1}\n", "key 'more'"},
        {HEADER("<f4", "(1,)") "x", "bad header"},
    };
    const float number = 0;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        write_header(files[i].header, &number, sizeof number);
        assert_unreadable("a.npy", files[i].words);
    }
}
END_TEST

/* ---- .safetensors ---------------------------------------------------------------------------- */

/* Its first bytes say that the header has length bytes. */
static void write_tensors(const char *header, size_t length, const void *data, size_t bytes)
{
    unsigned char file[512] = {0};
    const size_t there = strlen(header);
    for (int i = 0; i < 8; i++) {
        file[i] = (unsigned char)((uint64_t)length >> 8 * i);
    }
    memcpy(file + 8, header, there);
    memcpy(file + 8 + there, data, bytes);
    file_write(fixture.directory, "a.safetensors", file, 8 + there + bytes);
}

START_TEST(a_tensor_is_read_from_where_its_offsets_say)
{
    static const char header[] =
        "{\"x\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]},"
        "\"y\":{\"dtype\":\"BF16\",\"shape\":[1,2],\"data_offsets\":[0,4]}}";
    const float numbers[2] = {1.5f, -2};
    const uint16_t bfloats[2] = {0x3f80, 0xc000};
    unsigned char data[12];
    memcpy(data, bfloats, 4);
    memcpy(data + 4, numbers, 8);
    write_tensors(header, strlen(header), data, sizeof data);
    assert_ok(load("a.safetensors:x"));
    ck_assert(a.type == CLATTN_ARRAY_F32 && a.rank == 1 &&
              !memcmp(a.data, numbers, sizeof numbers));
    assert_ok(load("a.safetensors:y"));
    ck_assert(a.type == CLATTN_ARRAY_BF16 && a.rank == 2 && clattn_array_get(&a, 1) == -2);
    assert_unreadable("a.safetensors:z", "no tensor 'z'; it holds x, y");
    assert_unreadable("a.safetensors", "name a tensor as FILE.safetensors:NAME");
}
END_TEST

#define TENSOR(dtype, shape, offsets)                                                              \
    "{\"x\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" offsets "}}"

START_TEST(a_broken_tensor_is_refused)
{
    static const struct {
        const char *header, *words;
    } files[] = {
        {TENSOR("F32", "[2]", "[4,12]"), "truncated: the tensor ends at byte 12 of 8"},
        {TENSOR("F32", "[1]", "[8,12]"), "truncated: the tensor ends at byte 12 of 8"},
        {TENSOR("F32", "[1]", "[0,8]"), "8 bytes of data where the shape needs 4"},
        {TENSOR("F32", "[2]", "[0,4]"), "4 bytes of data where the shape needs 8"},
        {TENSOR("F32", "[1]", "[8,4]"), "data_offsets"},
        {TENSOR("F32", "[1]", "[0]"), "data_offsets"},
        {TENSOR("F32", "[1]", "[0.5,4]"), "data_offsets"},
        {TENSOR("F64", "[1]", "[0,8]"), "dtype F64 is not supported"},
        {TENSOR("F32", "[-1]", "[0,4]"), "not a size"},
        {TENSOR("F32", "[1,1,1,1,1,1,1,1,1]", "[0,4]"), "more than 8 axes"},
        {TENSOR("F32", "[4294967296,4294967296]", "[0,4]"), "larger than memory can be"},
        {"{\"x\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", "no shape"},
        {"[]", "not a JSON object"},
    };
    const float numbers[2] = {0};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        write_tensors(files[i].header, strlen(files[i].header), numbers, sizeof numbers);
        assert_unreadable("a.safetensors:x", files[i].words);
    }
    write_tensors("{}", 500, numbers, sizeof numbers);
    assert_unreadable("a.safetensors:x", "truncated within the header");
    file_write(fixture.directory, "a.safetensors", "1234567", 7);
    assert_unreadable("a.safetensors:x", "no safetensors header");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("formats");
    TCase *npy = suite_group(suite, "npy", fixture_open_directory, teardown);
    tcase_add_test(npy, an_array_has_the_files_shape_type_and_numbers);
    tcase_add_test(npy, a_file_holds_what_its_shape_needs_and_no_more);
    tcase_add_test(npy, what_cannot_be_read_is_named);
    TCase *tensors = suite_group(suite, "safetensors", fixture_open_directory, teardown);
    tcase_add_test(tensors, a_tensor_is_read_from_where_its_offsets_say);
    tcase_add_test(tensors, a_broken_tensor_is_refused);
    return suite_run(suite);
}
