/* What the suites of projections share: a small one, made and called with each kernel. */
#ifndef TEST_PROJECTIONS_H
#define TEST_PROJECTIONS_H

#include "support/fixture.h"
#include "support/tensors.h"

enum { B = 2, ROWS = 5, IN = 12, OUT = 10, KERNELS = 4 };

extern const char *const kernels[KERNELS];

/* Whether this device takes the kernel; where not, there is nothing to test of it. */
bool fits(const char *kernel);

/* A test of each kernel. */
#define KERNEL_TEST(test)                                                                          \
    static void test##_by(const char *kernel);                                                     \
    START_TEST(test)                                                                               \
    {                                                                                              \
        if (fits(kernels[_i])) {                                                                   \
            test##_by(kernels[_i]);                                                                \
        }                                                                                          \
    }                                                                                              \
    END_TEST                                                                                       \
    static void test##_by(const char *kernel)

clattn_op *project_make(const char *kernel, bool bias);
clattn_project_args good_args(bool bias);
void project_run(const clattn_op *op, const clattn_project_args *args);
void close_all(void);

/* y against the reference, given dense x and y of B * ROWS rows. */
void assert_projected(const clattn_tensor *x, const clattn_tensor *weight,
                      const clattn_tensor *bias, const clattn_tensor *y);

/* With the words, and without an event. */
void assert_call_refused(const clattn_op *op, const clattn_project_args *args, const char *words);

/* SPOILT(statement, words): the good call after the statement is refused with the words. */
#define SPOILT(statement, words)                                                                   \
    do {                                                                                           \
        clattn_project_args args = good_args(true);                                                \
        statement;                                                                                 \
        assert_call_refused(op, &args, words);                                                     \
    } while (0)

#endif
