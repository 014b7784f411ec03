/* src/models/files/gguf.c: tensors lie where a file has them, and nothing of a broken one gets
 * through. */
#include "parsed.h"

/* NULL if it is refused. */
static const clattn_gguf_tensor *tensor(const char *name)
{
    const clattn_gguf_tensor *t = NULL;
    ck_assert((clattn_gguf_find_tensor(file, name, &t) == CLATTN_OK) == (t != NULL));
    return t;
}

/* ---- Tensors ------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    uint32_t type;
    uint64_t row;
    size_t row_bytes;
} kinds[] = {{"f32", CLATTN_GGUF_F32, 5, 20},      {"f16", CLATTN_GGUF_F16, 5, 10},
             {"bf16", CLATTN_GGUF_BF16, 5, 10},    {"q8_0", CLATTN_GGUF_Q8_0, 64, 68},
             {"q4_0", CLATTN_GGUF_Q4_0, 64, 36},   {"q4_1", CLATTN_GGUF_Q4_1, 64, 40},
             {"q4_k", CLATTN_GGUF_Q4_K, 512, 288}, {"q6_k", CLATTN_GGUF_Q6_K, 256, 210}};
enum { KINDS = sizeof kinds / sizeof *kinds, ROWS = 3 };

/* One tensor of each type, each byte of which is the tensor's number. */
static void build_every_tensor(size_t alignment)
{
    uint64_t offset = 0;
    build_header(&b, KINDS, 1);
    build_integer(&b, "general.alignment", (uint32_t)alignment);
    for (size_t i = 0; i < KINDS; i++) {
        const uint64_t size[] = {kinds[i].row, ROWS};
        build_tensor(&b, kinds[i].name, 2, size, kinds[i].type, offset);
        offset += (ROWS * kinds[i].row_bytes + alignment - 1) / alignment * alignment;
    }
    for (size_t i = 0; i < KINDS; i++) {
        build_pad(&b, alignment);
        for (size_t n = 0; n < ROWS * kinds[i].row_bytes; n++) {
            build_number(&b, i, 1);
        }
    }
}

START_TEST(tensors_of_every_type_lie_where_the_file_has_them)
{
    static const size_t alignments[] = {1, 32, 64, 1024};
    for (size_t a = 0; a < sizeof alignments / sizeof *alignments; a++) {
        build_every_tensor(alignments[a]);
        parse();
        ck_assert_uint_eq(clattn_gguf_tensors(file), KINDS);
        for (size_t i = 0; i < KINDS; i++) {
            const clattn_gguf_tensor *t = tensor(kinds[i].name);
            ck_assert_ptr_eq(t, clattn_gguf_tensor_at(file, i));
            ck_assert_uint_eq(t->type, kinds[i].type);
            ck_assert_int_eq(t->rank, 2);
            ck_assert(t->size[0] == (int64_t)kinds[i].row && t->size[1] == ROWS);
            ck_assert(t->size[2] == 1 && t->size[3] == 1);
            ck_assert_uint_eq(t->bytes, ROWS * kinds[i].row_bytes);
            ck_assert_uint_eq(t->bytes * (size_t)clattn__gguf_block_elements(t->type),
                              ROWS * (size_t)kinds[i].row *
                                  (size_t)clattn__gguf_block_bytes(t->type));
            for (size_t n = 0; n < t->bytes; n++) {
                ck_assert_uint_eq(((const unsigned char *)t->data)[n], i);
            }
        }
        close_file();
    }
}
END_TEST

START_TEST(a_file_cut_off_anywhere_is_refused)
{
    build_every_tensor(32);
    ck_assert(parses(b.bytes));
    for (size_t bytes = 0; bytes < b.bytes; bytes++) {
        ck_assert_msg(!parses(bytes), "of %zu bytes %zu", b.bytes, bytes);
        ck_assert_msg(clattn_error()[0], "no reason at %zu bytes", bytes);
    }
    ck_assert(!parses(b.bytes - 1));
    assert_contains(clattn_error(), "truncated: tensor 'q6_k' has 630 bytes");
}
END_TEST

/* A header and one tensor, then so many bytes of data. */
static void build_one(int rank, const uint64_t *size, uint32_t type, uint64_t offset, size_t bytes)
{
    static const unsigned char zeros[4096];
    build_header(&b, 1, 0);
    build_tensor(&b, "w", rank, size, type, offset);
    build_pad(&b, 32);
    build_bytes(&b, zeros, bytes);
}

START_TEST(broken_tensors_are_refused_by_name)
{
    static const struct {
        int rank;
        uint64_t size[5];
        uint32_t type;
        uint64_t offset;
        const char *words;
    } cases[] = {
        {5, {1, 1, 1, 1, 1}, CLATTN_GGUF_F32, 0, "tensor 'w' has 5 axes"},
        {2, {1ull << 32, 1ull << 32}, CLATTN_GGUF_F32, 0, "tensor 'w' is larger than memory can be"},
        {1, {1ull << 63}, CLATTN_GGUF_F16, 0, "tensor 'w' is larger than memory can be"},
        {1, {INT64_MAX}, CLATTN_GGUF_F32, 0, "tensor 'w' is larger than memory can be"},
        {1, {33}, CLATTN_GGUF_Q8_0, 0, "tensor 'w' has rows of 33, no multiple of Q8_0's 32"},
        {2, {128, 2}, CLATTN_GGUF_Q4_K, 0, "tensor 'w' has rows of 128, no multiple of Q4_K's 256"},
        {1, {8}, CLATTN_GGUF_F32, 16, "tensor 'w' begins at byte 16, no multiple of 32"},
        {1,
         {8},
         CLATTN_GGUF_F32,
         64,
         "tensor 'w' has 32 bytes from byte 64 of the data, which end at 64"},
        {1, {8}, CLATTN_GGUF_F32, 1ull << 40, "tensor 'w'"},
        {1, {8}, CLATTN_GGUF_F32, UINT64_MAX - 31, "tensor 'w'"},
        {1,
         {17},
         CLATTN_GGUF_F32,
         0,
         "tensor 'w' has 68 bytes from byte 0 of the data, which end at 64"},
        {1, {8}, 13, 96, "tensor 'w'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        build_one(cases[i].rank, cases[i].size, cases[i].type, cases[i].offset, 64);
        assert_broken(cases[i].words);
    }
    static const uint64_t size[] = {1};
    build_header(&b, 2, 0);
    build_tensor(&b, "same", 1, size, CLATTN_GGUF_F32, 0);
    build_tensor(&b, "same", 1, size, CLATTN_GGUF_F32, 0);
    build_pad(&b, 32), build_number(&b, 0, 4);
    assert_broken("tensor 'same' is there twice");
    build_header(&b, UINT64_MAX, 0);
    assert_broken("18446744073709551615 tensors");
}
END_TEST

START_TEST(a_scalar_an_empty_tensor_and_no_tensor_are_legal)
{
    static const uint64_t none[] = {32, 0, 7};
    build_one(0, NULL, CLATTN_GGUF_F32, 0, 4);
    parse();
    const clattn_gguf_tensor *t = tensor("w");
    ck_assert(t && t->rank == 0 && t->bytes == 4 && t->size[0] == 1);
    close_file();
    build_one(3, none, CLATTN_GGUF_Q8_0, 0, 0);
    parse();
    t = tensor("w");
    ck_assert(t && t->bytes == 0 && t->data);
    close_file();
    build_header(&b, 0, 0);
    parse();
    ck_assert_uint_eq(clattn_gguf_tensors(file), 0);
    close_file();
}
END_TEST

START_TEST(a_type_that_cannot_be_had_is_named_when_asked_for)
{
    static const uint64_t size[] = {256};
    static const struct {
        uint32_t type;
        const char *words;
    } types[] = {{13, "tensor 'w' is of type Q5_K (13)"},
                 {21, "IQ3_S"},
                 {4, "unknown (4)"},
                 {40, "unknown (40)"},
                 {UINT32_MAX, "unknown (4294967295)"}};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        build_one(1, size, types[i].type, 0, 32);
        parse();
        ck_assert_ptr_null(tensor("w"));
        assert_contains(clattn_error(), types[i].words);
        ck_assert_ptr_null(clattn_gguf_tensor_at(file, 0)->data);
        ck_assert_ptr_null(tensor("v"));
        assert_contains(clattn_error(), "there is no tensor 'v'");
        close_file();
    }
}
END_TEST

/* ---- Files ------------------------------------------------------------------------------------
 */

START_TEST(what_is_no_such_file_is_refused)
{
    build_header(&b, 0, 0);
    memcpy(b.data, "GGML", 4);
    assert_broken("not a GGUF file");
    for (uint32_t version = 0; version < 6; version++) {
        build_header(&b, 0, 0);
        b.data[4] = (unsigned char)version;
        ck_assert(parses(b.bytes) == (version == 2 || version == 3));
    }
    assert_contains(clattn_error(), "GGUF version 5, can read 2 and 3");
    build_header(&b, 0, 0);
    memcpy(b.data + 4, "\0\0\0\3", 4);
    assert_broken("big-endian");
}
END_TEST

START_TEST(a_file_is_mapped)
{
    char path[2 * PATH_TEXT_BYTES];
    build_every_tensor(32);
    file_write(fixture.directory, "model.gguf", b.data, b.bytes);
    file_write(fixture.directory, "empty.gguf", "", 0);
    snprintf(path, sizeof path, "%s/model.gguf", fixture.directory);
    ck_assert_msg(clattn_gguf_open(path, &file) == CLATTN_OK, "%s", clattn_error());
    const clattn_gguf_tensor *t = tensor("q6_k");
    ck_assert(t && ((const unsigned char *)t->data)[t->bytes - 1] == KINDS - 1);
    close_file();
    snprintf(path, sizeof path, "%s/empty.gguf", fixture.directory);
    ck_assert(clattn_gguf_open(path, &file) != CLATTN_OK && !file);
    assert_contains(clattn_error(), "not a GGUF file");
    ck_assert(clattn_gguf_open(fixture.directory, &file) != CLATTN_OK);
    assert_contains(clattn_error(), "not a regular file");
    snprintf(path, sizeof path, "%s/none.gguf", fixture.directory);
    ck_assert(clattn_gguf_open(path, &file) != CLATTN_OK);
    assert_contains(clattn_error(), "No such file");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("gguf");
    TCase *tensors = suite_group(suite, "tensors", NULL, NULL);
    tcase_add_test(tensors, tensors_of_every_type_lie_where_the_file_has_them);
    tcase_add_test(tensors, a_file_cut_off_anywhere_is_refused);
    tcase_add_test(tensors, broken_tensors_are_refused_by_name);
    tcase_add_test(tensors, a_scalar_an_empty_tensor_and_no_tensor_are_legal);
    tcase_add_test(tensors, a_type_that_cannot_be_had_is_named_when_asked_for);
    TCase *files = suite_group(suite, "files", fixture_open_directory, fixture_close_directory);
    tcase_add_test(files, what_is_no_such_file_is_refused);
    tcase_add_test(files, a_file_is_mapped);
    return suite_run(suite);
}
