/* Descriptors and calls of one op that must be refused, a line each.  The good ones are macros or
 * functions of the test: good_desc() and good_args(). */
#ifndef SUPPORT_REFUSALS_H
#define SUPPORT_REFUSALS_H

#include "fixture.h"

/* The good descriptor after the statement is refused with the words, and *out is left alone. */
#define DESC_REFUSED(op, good, statement, words)                                                   \
    do {                                                                                           \
        clattn_##op##_desc desc = good;                                                            \
        clattn_op *const before = (clattn_op *)(void *)&fixture, *made = before;                   \
        statement;                                                                                 \
        assert_refused(clattn_##op##_create(fixture.context, &desc, &made), words);                \
        assert_contains(clattn_error(), #op ": ");                                                 \
        ck_assert_ptr_eq(made, before);                                                            \
    } while (0)

/* The good call after the statement is refused with the words, and makes no event. */
#define CALL_REFUSED(op, made, good, statement, words)                                             \
    do {                                                                                           \
        clattn_##op##_args args = good;                                                            \
        cl_event event = NULL;                                                                     \
        statement;                                                                                 \
        assert_refused(clattn_##op##_run(made, fixture.queue, &args, &event), words);              \
        assert_contains(clattn_error(), #op ": ");                                                 \
        ck_assert_ptr_null(event);                                                                 \
    } while (0)

/* What is missing is named, and an op of another kind is refused. */
#define MISSING_REFUSED(op, good, made, other)                                                     \
    do {                                                                                           \
        const clattn_##op##_desc desc = good;                                                      \
        const clattn_##op##_args args = {0};                                                       \
        clattn_op *none = NULL;                                                                    \
        assert_refused(clattn_##op##_create(NULL, &desc, &none), #op ": context is NULL");         \
        assert_refused(clattn_##op##_create(fixture.context, NULL, &none), #op ": desc is NULL");  \
        assert_refused(clattn_##op##_create(fixture.context, &desc, NULL), #op ": out is NULL");   \
        assert_refused(clattn_##op##_variants(fixture.context, &desc, NULL, NULL),                 \
                       #op ": report is NULL");                                                    \
        assert_refused(clattn_##op##_run(NULL, fixture.queue, &args, NULL), #op ": op is NULL");   \
        assert_refused(clattn_##op##_run(made, fixture.queue, NULL, NULL), #op ": args is NULL");  \
        assert_refused(clattn_##op##_run(other, fixture.queue, &args, NULL), "of another kind");   \
        ck_assert_ptr_null(none);                                                                  \
    } while (0)

#endif /* SUPPORT_REFUSALS_H */
