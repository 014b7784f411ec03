/* What a call of the library must do, said in one line. */
#ifndef SUPPORT_ASSERTIONS_H
#define SUPPORT_ASSERTIONS_H

#include <clattn/clattn.h>

#include <check.h>
#include <string.h>

#define assert_ok(call)                                                                            \
    do {                                                                                           \
        const clattn_status got_ = (call);                                                         \
        ck_assert_msg(got_ == CLATTN_OK, "%s: %s: %s", #call, clattn_status_name(got_),            \
                      clattn_error());                                                             \
    } while (0)

/* The call must fail with this status, and the error text hold these words. */
#define assert_fails(call, status, words)                                                          \
    do {                                                                                           \
        const clattn_status got_ = (call);                                                         \
        ck_assert_msg(got_ == (status), "%s: %s, expected %s (text: %s)", #call,                   \
                      clattn_status_name(got_), clattn_status_name(status), clattn_error());       \
        assert_contains(clattn_error(), words);                                                    \
    } while (0)

#define assert_refused(call, words) assert_fails(call, CLATTN_ERR_ARGUMENT, words)

/* ck_assert_msg for what is asked thousands of times: Check writes each of its own to a file. */
#define must(condition, ...)                                                                       \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            ck_abort_msg(__VA_ARGS__);                                                             \
        }                                                                                          \
    } while (0)

#define assert_contains(text, words)                                                               \
    ck_assert_msg(strstr((text), (words)) != NULL, "\"%s\" is not in: %.2000s", (words), (text))

#define assert_lacks(text, words)                                                                  \
    ck_assert_msg(strstr((text), (words)) == NULL, "\"%s\" is in: %.2000s", (words), (text))

#endif /* SUPPORT_ASSERTIONS_H */
